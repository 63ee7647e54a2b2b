package main

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

func yield(goroutines int) []float64 {
	laps := *laps/goroutines + 1
	var all sync.WaitGroup
	all.Add(goroutines)
	for i := 0; i < goroutines; i++ {
		go func() {
			for lap := 0; lap < laps; lap++ {
				runtime.Gosched()
			}
			all.Done()
		}()
	}
	before := processors()
	all.Wait()
	return []float64{(processors() - before) / float64(laps*goroutines)}
}

func spawn() []float64 {
	laps := *laps / 2
	ran := 0
	before := processors()
	for lap := 0; lap < laps; lap++ {
		var child sync.WaitGroup
		child.Add(1)
		go func() {
			ran++
			child.Done()
		}()
		child.Wait()
	}
	used := processors() - before
	check(ran == laps, "the number of children that ran")
	return []float64{used / float64(laps)}
}

func fanOutAndJoin() []float64 {
	var figures []float64
	residentBefore := status("VmRSS")
	for round := 0; round < 2; round++ {
		before := processors()
		var ran int64
		var all sync.WaitGroup
		all.Add(*fanOut)
		for i := 0; i < *fanOut; i++ {
			go func() {
				atomic.AddInt64(&ran, 1)
				all.Done()
			}()
		}
		all.Wait()
		figures = append(figures, (processors()-before)/float64(*fanOut))
		check(ran == int64(*fanOut), "the number of children that ran")
	}
	return append(figures, (status("VmHWM")-residentBefore)/float64(*fanOut))
}

func sumOfLeaves(first, leaves int) int {
	if leaves == 1 {
		return first
	}
	const branches = 10
	var sums [branches]int
	var all sync.WaitGroup
	all.Add(branches)
	for i := 0; i < branches; i++ {
		i := i
		go func() {
			sums[i] = sumOfLeaves(first+i*(leaves/branches), leaves/branches)
			all.Done()
		}()
	}
	all.Wait()
	total := 0
	for _, each := range sums {
		total += each
	}
	return total
}

func skynet() []float64 {
	before := processors()
	sum := sumOfLeaves(0, *leaves)
	used := processors() - before
	check(sum == sumBelow(*leaves), "the sum of the leaves")
	return []float64{used / 1e6}
}

func park() []float64 {
	count := float64(*parked)
	var guard sync.Mutex
	opened := sync.NewCond(&guard)
	open := false
	waiting := 0
	var all sync.WaitGroup
	all.Add(*parked)
	residentBefore, tablesBefore := status("VmRSS"), status("VmPTE")
	before := processors()
	for i := 0; i < *parked; i++ {
		go func() {
			guard.Lock()
			waiting++
			for !open {
				opened.Wait()
			}
			guard.Unlock()
			all.Done()
		}()
	}
	for allWait := false; !allWait; {
		runtime.Gosched()
		guard.Lock()
		allWait = waiting == *parked
		guard.Unlock()
	}
	figures := []float64{(processors() - before) / count}
	resident, tables := status("VmRSS"), status("VmPTE")
	before = processors()
	guard.Lock()
	open = true
	opened.Broadcast()
	guard.Unlock()
	all.Wait()
	figures = append(figures, (processors()-before)/count)
	return append(figures, (resident-residentBefore)/count, (tables-tablesBefore)/count)
}

func pingPong() []float64 {
	laps := *laps / 4
	var guard sync.Mutex
	changed := sync.NewCond(&guard)
	turn := 0
	var all sync.WaitGroup
	all.Add(2)
	before := processors()
	for mine := 0; mine < 2; mine++ {
		mine := mine
		go func() {
			for lap := 0; lap < laps; lap++ {
				guard.Lock()
				for turn != mine {
					changed.Wait()
				}
				turn = 1 - mine
				changed.Signal()
				guard.Unlock()
			}
			all.Done()
		}()
	}
	all.Wait()
	return []float64{(processors() - before) / float64(laps)}
}

func queueOnOneThread() []float64 {
	queue := newBoundedQueue()
	before := processors()
	go queue.sendAll(*laps)
	inOrder := queue.receiveAll(*laps)
	used := processors() - before
	check(inOrder, "the order of the items")
	return []float64{used / float64(*laps)}
}

// How long sleeper i sleeps: within a second, in no particular order.
func timeToSleep(i int) time.Duration {
	return time.Duration(int(time.Second) / *timers * (i*7919%*timers+1))
}

func sleepers() []float64 {
	late := make([]time.Duration, *timers)
	before := processors()
	var all sync.WaitGroup
	all.Add(*timers)
	for i := 0; i < *timers; i++ {
		i := i
		go func() {
			begun := time.Now()
			sleep := timeToSleep(i)
			time.Sleep(sleep)
			late[i] = time.Since(begun) - sleep
			all.Done()
		}()
	}
	all.Wait()
	used := processors() - before
	worst := time.Duration(0)
	for _, each := range late {
		check(each >= 0, "the time at which a sleeper woke")
		if each > worst {
			worst = each
		}
	}
	return []float64{used / 1e6, float64(worst.Nanoseconds()) / 1e6}
}

// A leaf is parked until the context is cancelled. Each parent waits for its children.
func parkLeaves(ctx context.Context, leaves int, tasks, waiting, cancelled *int64) {
	atomic.AddInt64(tasks, 1)
	if leaves == 1 {
		atomic.AddInt64(waiting, 1)
		<-ctx.Done()
		atomic.AddInt64(cancelled, 1)
		return
	}
	var children sync.WaitGroup
	children.Add(10)
	for i := 0; i < 10; i++ {
		go func() {
			parkLeaves(ctx, leaves/10, tasks, waiting, cancelled)
			children.Done()
		}()
	}
	children.Wait()
}

func cancelTree() []float64 {
	var tasks, waiting, cancelled int64
	ctx, cancel := context.WithCancel(context.Background())
	root := make(chan struct{})
	go func() {
		parkLeaves(ctx, *tree, &tasks, &waiting, &cancelled)
		close(root)
	}()
	for atomic.LoadInt64(&waiting) < int64(*tree) {
		runtime.Gosched()
	}
	before := processors()
	cancel()
	<-root
	used := processors() - before
	check(cancelled == int64(*tree), "the number of leaves that were cancelled")
	return []float64{used / float64(tasks)}
}
