// Ways of C++ to die whose verdict is known: argv[1] says which.
#include <cstring>
#include <exception>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace shop
{
struct Refused : std::runtime_error {
	using std::runtime_error::runtime_error;
};

struct Plain {
	int value;
};

struct Base {
	Base() { early(); }
	virtual ~Base() = default;
	virtual void run() = 0;
	__attribute__((noinline)) void early() { run(); }
};

struct Derived : Base {
	void run() override {}
};

__attribute__((noinline)) void die_what()
{
	throw std::runtime_error("no stock left");
}

__attribute__((noinline)) void die_derived()
{
	throw Refused("card refused");
}

__attribute__((noinline)) void die_int()
{
	throw 42;
}

__attribute__((noinline)) void die_class()
{
	throw Plain{ 1 };
}

__attribute__((noinline)) void die_noexcept() noexcept
{
	die_what();
}

__attribute__((noinline)) void die_terminate()
{
	std::terminate();
}

__attribute__((noinline)) void die_joinable()
{
	std::thread thread([] { std::this_thread::sleep_for(std::chrono::seconds(60)); });
}

__attribute__((noinline)) void die_pure()
{
	Derived derived;
}

__attribute__((noinline)) void die_bad_alloc()
{
	volatile std::size_t size = std::size_t(1) << 60;
	static char *volatile place;

	place = new char[size];
}

__attribute__((noinline)) void die_at()
{
	std::vector<int> items{ 1, 2, 3 };
	volatile std::size_t at = 7;
	static volatile int item;

	item = items.at(at);
}

__attribute__((noinline)) void die_caught_before()
{
	try {
		die_what();
	} catch (const std::exception &) {
	}
	std::terminate();
}

// Two exceptions are in hand.
__attribute__((noinline)) void die_nested()
{
	try {
		die_what();
	} catch (const std::exception &) {
		throw 42;
	}
}
} // namespace shop

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*die)();
	} ways[] = {
#define WAY(name) { #name, shop::die_##name }
		WAY(what),      WAY(derived),  WAY(int),  WAY(class),     WAY(noexcept),
		WAY(terminate), WAY(joinable), WAY(pure), WAY(bad_alloc), WAY(at),
		WAY(caught_before), WAY(nested),
	};

	for (const auto &way : ways)
		if (argc > 1 && std::strcmp(argv[1], way.name) == 0)
			way.die();
	return 1;
}
