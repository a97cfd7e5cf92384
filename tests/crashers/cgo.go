// C code called from Go follows a null pointer: it runs on a stack of the runtime's.
package main

/*
#cgo CFLAGS: -O1 -g
static __attribute__((noinline)) int crash_here(int *p) { return *p + 1; }
static __attribute__((noinline)) int outer(int *p) { return crash_here(p) + 1; }
*/
import "C"

//go:noinline
func callC(p *C.int) int {
	return int(C.outer(p)) + 1
}

func main() {
	println(callC(nil))
}
