// Ways of Go to die whose verdict is known; GOTRACEBACK=crash makes the runtime die with a core.
package main

import (
	"errors"
	"fmt"
	"os"
	"sync"
)

type node struct{ value, next int }
type code int
type reason string

//go:noinline
func diePanic(n int) { panic("no stock left") }

//go:noinline
func dieError(n int) { panic(errors.New("no stock left")) }

//go:noinline
func dieWrapped(n int) { panic(fmt.Errorf("item %d: %w", n, errors.New("no stock left"))) }

//go:noinline
func dieNumber(n int) { panic(code(n - 9)) }

//go:noinline
func dieNamed(n int) { panic(reason("sold out")) }

//go:noinline
func dieStruct(n int) { panic(&node{n, n}) }

//go:noinline
func dieSlice(n int) []int { return []int{1, 2, 3}[:n+5] }

//go:noinline
func dieAssert(any interface{}) int { return any.(int) }

//go:noinline
func dieClose(none chan int) { close(none) }

//go:noinline
func dieDeadlock(none chan int) { <-none }

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
	case "error":
		dieError(n)
	case "wrapped":
		dieWrapped(n)
	case "number":
		dieNumber(n)
	case "named":
		dieNamed(n)
	case "struct":
		dieStruct(n)
	case "slice":
		println(len(dieSlice(n)))
	case "assert":
		println(dieAssert(os.Args[1]))
	case "close":
		dieClose(nil)
	case "deadlock":
		dieDeadlock(nil)
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
