// The works of miou_bench in Go. Prints the figures of one work, which is checked, one a line.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
)

var (
	laps   = flag.Int("laps", 1000000, "of the loops, or a fixed part of it")
	fanOut = flag.Int("fan-out", 100000, "children")
	leaves = flag.Int("skynet", 1000000, "leaves, a power of 10")
	parked = flag.Int("parked", 100000, "parked goroutines")
	tree   = flag.Int("tree", 100000, "leaves of the cancelled tree, a power of 10")
	timers = flag.Int("timers", 100000, "sleepers")
)

var works = map[string]func() []float64{
	"yield2":    func() []float64 { return yield(2) },
	"yield1000": func() []float64 { return yield(1000) },
	"spawn":     spawn,
	"fanout":    fanOutAndJoin,
	"skynet":    skynet,
	"parked":    park,
	"pingpong":  pingPong,
	"queue1":    queueOnOneThread,
	"call":      call,
	"burst":     burstOfCalls,
	"queue2":    queueBetweenThreads,
	"pipeline":  pipeline,
	"contended": contendedMutex,
	"timers":    sleepers,
	"cancel":    cancelTree,
}

// What is not right makes the figures meaningless.
func check(right bool, what string) {
	if !right {
		fmt.Fprintf(os.Stderr, "bench: Go: %s is wrong\n", what)
		os.Exit(1)
	}
}

func main() {
	name := flag.String("work", "", "what to measure, or version")
	flag.Parse()
	if *name == "version" {
		fmt.Print(runtime.Version())
		return
	}
	work, found := works[*name]
	check(found, "the name of the work")
	for _, each := range work() {
		fmt.Println(each)
	}
}
