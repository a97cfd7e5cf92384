/* Variables outside functions: of files, namespaces and classes, of threads, and types that another
 * file defines. Built with globals_other.cc. */
#include "globals.h"

#include <csignal>

int counter = 41;
static const char *const greeting = "hello";
const int limit = 7;
thread_local int per_thread = 5;

namespace net
{
int connections[3] = { 1, 2, 3 };
namespace
{
double ratio = 0.25;
}
struct peer {
	static int count;
	int port;
};
int peer::count = 9;
peer first = { 80 };
}

__attribute__((noinline)) static int die(hidden *kept, shape &drawn)
{
	static int calls = 3;
	settings mine = { 2 };
	shape *pointed = &drawn;
	shape *exact = new shape;
	int (shape::*method)() = &shape::area;

	per_thread = 6;
	counter++;
	__asm__ volatile("" : : "g"(&mine), "g"(&pointed), "g"(&exact), "g"(&method), "g"(kept), "g"(greeting) : "memory");
	raise(SIGSEGV);
	return calls + limit + (net::ratio > 1) + net::connections[0];
}

int main()
{
	return die(make_hidden(), make_shape()) + library_value();
}
