package main

import (
	"runtime"
	"sync"
	"time"
)

// 128 items, on a mutex and two conditions.
type boundedQueue struct {
	guard             sync.Mutex
	notFull, notEmpty *sync.Cond
	items             [128]int
	first, size       int
}

func newBoundedQueue() *boundedQueue {
	queue := &boundedQueue{}
	queue.notFull = sync.NewCond(&queue.guard)
	queue.notEmpty = sync.NewCond(&queue.guard)
	return queue
}

func (queue *boundedQueue) send(item int) {
	queue.guard.Lock()
	for queue.size == len(queue.items) {
		queue.notFull.Wait()
	}
	queue.items[(queue.first+queue.size)%len(queue.items)] = item
	queue.size++
	queue.notEmpty.Signal()
	queue.guard.Unlock()
}

func (queue *boundedQueue) receive() int {
	queue.guard.Lock()
	for queue.size == 0 {
		queue.notEmpty.Wait()
	}
	item := queue.items[queue.first]
	queue.first = (queue.first + 1) % len(queue.items)
	queue.size--
	queue.notFull.Signal()
	queue.guard.Unlock()
	return item
}

func (queue *boundedQueue) sendAll(items int) {
	for i := 0; i < items; i++ {
		queue.send(i)
	}
}

// Whether they were 0, 1, 2 and so on.
func (queue *boundedQueue) receiveAll(items int) bool {
	inOrder := true
	for i := 0; i < items; i++ {
		if queue.receive() != i {
			inOrder = false
		}
	}
	return inOrder
}

// For each of the items that exchange sends and receives: nanoseconds, and those of processors.
func perItem(items int, exchange func() bool) []float64 {
	used, begun := processors(), time.Now()
	inOrder := exchange()
	figures := []float64{wall(begun) / float64(items), (processors() - used) / float64(items)}
	check(inOrder, "the order of the items")
	return figures
}

// The scheduler puts the goroutines on threads as it likes.
func queueBetweenThreads() []float64 {
	items := *laps / 2
	queue := newBoundedQueue()
	return perItem(items, func() bool {
		go queue.sendAll(items)
		return queue.receiveAll(items)
	})
}

func pipeline() []float64 {
	items := *laps / 4
	first, second := newBoundedQueue(), newBoundedQueue()
	return perItem(items, func() bool {
		go first.sendAll(items)
		go func() {
			for i := 0; i < items; i++ {
				second.send(first.receive())
			}
		}()
		return second.receiveAll(items)
	})
}

func contendedMutex() []float64 {
	laps := *laps / 2
	var guard sync.Mutex
	locks := 0
	var ready, all sync.WaitGroup
	ready.Add(2)
	all.Add(2)
	begun := time.Now()
	for i := 0; i < 2; i++ {
		go func() {
			ready.Done()
			ready.Wait()
			for lap := 0; lap < laps; lap++ {
				guard.Lock()
				locks++
				guard.Unlock()
			}
			all.Done()
		}()
	}
	all.Wait()
	used := wall(begun)
	check(locks == 2*laps, "the number of locks")
	return []float64{used / float64(locks)}
}

type job struct {
	run    func() int
	result chan int
}

// Another thread, which runs the jobs. Both threads are locked to their goroutines: else the
// scheduler would run a job on the thread that sent it.
func otherThread() chan<- job {
	runtime.LockOSThread()
	jobs := make(chan job, 2048)
	go func() {
		runtime.LockOSThread()
		for each := range jobs {
			each.result <- each.run()
		}
	}()
	return jobs
}

func callOn(jobs chan<- job, i int) chan int {
	result := make(chan int, 1)
	jobs <- job{func() int { return i }, result}
	return result
}

func call() []float64 {
	laps := *laps / 50
	jobs := otherThread()
	sum := 0
	begun := time.Now()
	for i := 0; i < laps; i++ {
		sum += <-callOn(jobs, i)
	}
	used := wall(begun)
	check(sum == sumBelow(laps), "the sum of the results")
	return []float64{used / float64(laps) / 1000}
}

func burstOfCalls() []float64 {
	const calls = 1000
	laps := *laps/5/calls + 1
	jobs := otherThread()
	sum := 0
	begun := time.Now()
	var results [calls]chan int
	for lap := 0; lap < laps; lap++ {
		for i := range results {
			results[i] = callOn(jobs, i)
		}
		for _, each := range results {
			sum += <-each
		}
	}
	used := wall(begun)
	check(sum == laps*sumBelow(calls), "the sum of the results")
	return []float64{used / float64(laps*calls)}
}
