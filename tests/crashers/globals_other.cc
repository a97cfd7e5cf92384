#include "globals.h"

struct hidden {
	int first, second;
};

int settings::total = 12;
static int counter_of_other = 77;
thread_local int of_library = 17;

namespace drawing
{
struct named {
	virtual ~named() { }
	virtual int name() { return 1; }
	long label = 44;
};
struct square : named, shape {
	int side = 4;
	int area() override { return side * side; }
};
namespace
{
struct round final : shape {
	int radius = 2;
};
}
}

shape::~shape() { }

int shape::area()
{
	return 0;
}

hidden *make_hidden()
{
	static hidden one = { 10, 11 };

	return &one;
}

shape &make_shape()
{
	static drawing::square square;
	static drawing::round round;

	square.sides = 4;
	round.sides = counter_of_other;
	return square;
}

int library_value()
{
	return of_library;
}
