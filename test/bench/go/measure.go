package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

const (
	clockProcess = 2 // CLOCK_PROCESS_CPUTIME_ID
	kib          = 1024
)

// Processor time of all threads, in nanoseconds. A goroutine has no thread of its own, and the
// collector's threads work for it.
func processors() float64 {
	var used syscall.Timespec
	syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clockProcess, uintptr(unsafe.Pointer(&used)), 0)
	return float64(used.Nano())
}

func wall(since time.Time) float64 {
	return float64(time.Since(since).Nanoseconds())
}

// A line of /proc/self/status that is in KiB, in bytes.
func status(key string) float64 {
	text, _ := os.ReadFile("/proc/self/status")
	for _, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(line, key+":") {
			var value float64
			fmt.Sscan(strings.TrimPrefix(line, key+":"), &value)
			return value * kib
		}
	}
	check(false, "/proc/self/status")
	return 0
}

func sumBelow(count int) int {
	return count * (count - 1) / 2
}
