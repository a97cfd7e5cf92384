// Dies with goroutines that wait for different things.
package main

import (
	"sync"
	"time"
)

func parked(ch chan int) { <-ch }

func sleeper() { time.Sleep(time.Hour) }

func locked(mu *sync.Mutex) { mu.Lock() }

func main() {
	ch := make(chan int)
	var mu sync.Mutex
	mu.Lock()
	for i := 0; i < 30; i++ {
		go parked(ch)
	}
	for i := 0; i < 15; i++ {
		go sleeper()
	}
	for i := 0; i < 5; i++ {
		go locked(&mu)
	}
	time.Sleep(300 * time.Millisecond)
	var nowhere *int
	*nowhere = 1
}
