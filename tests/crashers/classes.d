// A null class reference is followed, behind templates, nested functions and a delegate.
module classes;

import std.algorithm : map, sum;
import std.array : array;

class Node { int value; Node next; }

struct Box(T) { T item; int read() { return deref!(T)(item, 3); } }

int deref(T)(T node, int depth)
{
	if (depth == 0)
		return node.value;
	return deref!(T)(node, depth - 1) + 1;
}

interface Visitor { int visit(Node node); }

class Reader : Visitor
{
	override int visit(Node node) { auto box = Box!(Node)(node); return box.read() + 1; }
}

int walk(scope int delegate(int) f) { return f(1) + 1; }

void main()
{
	Visitor visitor = new Reader;
	int inner(int x) { return visitor.visit(null) + x; }
	walk(&inner);
	auto all = [1, 2, 3].map!(x => walk((int y) => inner(x + y))).array;
}
