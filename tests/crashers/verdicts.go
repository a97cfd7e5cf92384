// Ways of Go to die whose verdict is known; GOTRACEBACK=crash makes the runtime die with a core.
package main

import (
	"os"
	"sync"
)

type node struct{ value, next int }

//go:noinline
func diePanic(n int) { panic("no stock left") }

//go:noinline
func dieNil(n int) int {
	var p *node
	return p.next
}

//go:noinline
func dieIndex(n int) int { return []int{1, 2, 3}[n+5] }

//go:noinline
func dieDivide(n int) int { return 5 / (n - 2) }

//go:noinline
func dieThrow(n int) {
	var mutex sync.Mutex
	mutex.Unlock()
}

//go:noinline
func dieMap(n int) {
	var m map[int]int
	m[n] = 1
}

func main() {
	n := len(os.Args)
	switch os.Args[1] {
	case "panic":
		diePanic(n)
	case "nil":
		println(dieNil(n))
	case "index":
		println(dieIndex(n))
	case "divide":
		println(dieDivide(n))
	case "throw":
		dieThrow(n)
	case "map":
		dieMap(n)
	}
}
