// What the stepper steps through, in C++: exceptions through frames with destructors, virtual and
// indirect calls, templates, code of the standard library.
#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

static volatile unsigned sink;

struct guard {
	unsigned &count;
	explicit guard(unsigned &c) : count(c) { count++; }
	__attribute__((noinline)) ~guard() { count--; }
};

static __attribute__((noinline)) unsigned thrower(unsigned depth, unsigned &count)
{
	guard held(count);

	if (depth == 0) {
		if (sink % 2)
			throw std::runtime_error("odd");
		throw 7u;
	}
	return thrower(depth - 1, count) + depth;
}

static __attribute__((noinline)) unsigned rethrow(unsigned depth)
{
	unsigned count = 0;

	try {
		return thrower(depth, count);
	} catch (const std::exception &error) {
		sink += (unsigned)std::string(error.what()).size();
		throw;
	} catch (unsigned value) {
		return value + count;
	}
}

static __attribute__((noinline)) unsigned cautious(unsigned depth)
{
	try {
		return rethrow(depth);
	} catch (const std::exception &) {
		return depth;
	}
}

static __attribute__((noinline)) unsigned silent(unsigned value) noexcept
{
	return value * 3 + 1;
}

struct shape {
	virtual ~shape() = default;
	virtual unsigned area(unsigned scale) const = 0;
};

template <unsigned N> struct polygon : shape {
	unsigned sides[N] = {};
	__attribute__((noinline)) unsigned area(unsigned scale) const override
	{
		unsigned sum = 0;

		for (unsigned side : sides)
			sum += silent(side + scale);
		return sum;
	}
};

static __attribute__((noinline)) unsigned shapes(unsigned value)
{
	std::vector<std::unique_ptr<shape>> all;
	unsigned sum = 0;

	all.push_back(std::make_unique<polygon<3>>());
	all.push_back(std::make_unique<polygon<4>>());
	for (const auto &one : all)
		sum += one->area(value);
	return sum;
}

static __attribute__((noinline)) unsigned containers(unsigned value)
{
	std::map<std::string, unsigned> found;
	std::vector<unsigned> numbers;
	std::function<unsigned(unsigned)> call = [&numbers](unsigned by) {
		return by + (unsigned)numbers.size();
	};

	for (unsigned i = 0; i < 12; i++) {
		numbers.push_back((value * 31 + i * 17) % 64);
		found["key " + std::to_string(i % 5)] += call(i);
	}
	std::sort(numbers.begin(), numbers.end(), [](unsigned a, unsigned b) { return a > b; });
	return numbers[3] + found["key 2"];
}

int main(int argc, char **argv)
{
	unsigned rounds = argc > 1 ? (unsigned)std::stoul(argv[1]) : 2;

	for (unsigned i = 0; i < rounds; i++) {
		sink += shapes(i);
		sink += containers(i);
		sink += cautious(i % 4 + 1);
	}
	return sink == 0x12345678;
}
