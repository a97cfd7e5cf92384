// Values of Go: each line that it prints is a name and what %#v makes of it. Then it dies.
package main

import (
	"errors"
	"fmt"
	"os"
)

type point struct{ X, Y int }
type number int
type names []string
type table map[string]point
type T struct {
	A    int
	B    string
	c    []int
	P    *point
	Any  interface{}
	Err  error
	M    map[int]string
	Next *T
}

func (n number) Error() string { return "number" }

//go:noinline
func die(n int) {
	if n > 0 {
		panic("dead")
	}
}

func show(name string, value interface{}) { fmt.Printf("%s = %#v\n", name, value) }

//go:noinline
func plain(n int) {
	yes, small, big := n > 0, int8(-5), int64(-1<<63)
	half, third, large := 0.5, float32(1)/3, 1e21
	both := complex(1, -2)
	letter := 'x'
	text, strange, empty := "hello", "tab\t \"quoted\" \\ \x7f ünï \x00\xff", ""
	var nothing interface{}
	var noError error
	var noSlice []int
	var noMap map[string]int
	var noPointer *point
	var noFunc func()
	array, grid := [3]int8{1, 2, 3}, [2][2]int{{1, 2}, {3, 4}}
	slice, part, zero := []int{1, 2, 3}, []int{1, 2, 3, 4}[1:3], []int{}
	texts := []string{"p", "q"}
	show("yes", yes)
	show("small", small)
	show("big", big)
	show("half", half)
	show("third", third)
	show("large", large)
	show("both", both)
	show("letter", letter)
	show("text", text)
	show("strange", strange)
	show("empty", empty)
	show("nothing", nothing)
	show("noError", noError)
	show("array", array)
	show("grid", grid)
	show("slice", slice)
	show("part", part)
	show("zero", zero)
	show("texts", texts)
	die(n)
	fmt.Println(yes, small, big, half, third, large, both, letter, text, strange, empty, nothing,
		noError, noSlice, noMap, noPointer, noFunc, array, grid, slice, part, zero, texts)
}

//go:noinline
func shapes(n int) {
	at := point{1, 2}
	points := []point{{1, 2}, {3, 4}}
	whole := T{A: 1, B: "x", c: []int{4}, Any: point{5, 6}, Err: number(3)}
	list := names{"a", "b"}
	anonymous := struct {
		X int
		S string
	}{1, "s"}
	any := []interface{}{1, "two", 3.5, nil, at, true, []int{1}}
	var err error = number(4)
	held := interface{}(points)
	show("at", at)
	show("points", points)
	show("list", list)
	show("anonymous", anonymous)
	show("any", any)
	show("err", err)
	show("held", held)
	die(n)
	fmt.Println(at, points, whole, list, anonymous, any, err, held)
}

//go:noinline
func library(n int) {
	few := map[string]int{"a": 1, "b": 2, "c": 3}
	many := map[int]string{}
	for i := 0; i < 60; i++ {
		many[i] = fmt.Sprint("v", i)
	}
	for i := 0; i < 60; i += 2 {
		delete(many, i)
	}
	set := map[point]struct{}{{1, 2}: {}}
	named := table{"home": {1, 2}}
	large := map[string][40]int{"wide": {1, 2}}
	none := map[string]int{}
	show("few", few)
	show("many", many)
	show("set", set)
	show("named", named)
	show("none", none)
	ch := make(chan int, 3)
	ch <- 7
	err := errors.New("broken")
	f := plain
	pt := &point{8, 9}
	die(n)
	fmt.Println(few, many, set, named, large, none, ch, err, f, pt)
}

func main() {
	n := len(os.Args)
	switch os.Args[1] {
	case "plain":
		plain(n)
	case "shapes":
		shapes(n)
	default:
		library(n)
	}
}
