// A recursion without end: the runtime dies on a stack of its own.
package main

import "runtime/debug"

//go:noinline
func recurse(n int, room [64]int) int {
	room[n%64] = n
	return recurse(n+1, room) + room[(n+1)%64]
}

func main() {
	debug.SetMaxStack(1 << 18)
	println(recurse(0, [64]int{}))
}
