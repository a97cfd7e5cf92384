// A nil pointer is followed; GOTRACEBACK=crash makes the runtime die with a core.
package main

type node struct{ value int }

//go:noinline
func deref(depth int, p *node) int {
	if depth == 0 {
		return p.value
	}
	return deref(depth-1, p) + 1
}

func main() {
	println(deref(5, nil))
}
