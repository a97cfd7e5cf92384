// Arguments and locals of every kind, in frames of C++ classes, templates and lambdas; the innermost
// one is aborted.
#include <array>
#include <complex>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <unordered_map>
#include <variant>
#include <vector>

enum colour { red, green = 5 };
enum class mode : uint8_t { off, on = 7 };

struct bits {
	unsigned low : 3, high : 5;
	int : 0;
	signed rest : 20;
};

union either {
	uint32_t whole;
	uint8_t parts[4];
};

struct base {
	int id = 1;
	virtual ~base() = default;
	virtual const char *name() const = 0;
};

struct derived final : base {
	double weight = 2.5;
	base *next = nullptr;
	const char *name() const override { return "derived"; }
};

struct list {
	int value;
	list *next;
};

static thread_local int of_thread = 42;
static volatile int sink;

template <typename... Ts> static __attribute__((noinline)) void use(const Ts &...values)
{
	((sink = sink + (int)sizeof(values)), ...);
	if (sizeof...(values) > 20)
		std::abort();
}

static __attribute__((noinline)) int simple(bool yes, char letter, short small, int number,
					    long large, float single, double twice,
					    const char *text, std::complex<double> z)
{
	unsigned char byte = 200;
	int64_t wide = -1;
	uint64_t unsigned_wide = ~0ull;
	long double longer = 1.5L;
	char array[8] = "abc";
	int matrix[2][3] = { { 1, 2, 3 }, { 4, 5, 6 } };
	colour paint = green;
	mode state = mode::on;
	bits field = { 5, 17, -3 };
	either both = { 0x01020304 };
	list second = { 2, nullptr }, first = { 1, &second };
	void (*function)() = std::abort;
	int bits::*unused = nullptr;
	int &reference = number;

	use(yes, letter, small, number, large, single, twice, text, z, byte, wide, unsigned_wide,
	    longer, array, matrix, paint, state, field, both, first, function, unused, reference,
	    of_thread);
	return reference;
}

template <typename T> struct holder {
	T value;
	__attribute__((noinline)) int run(int depth, const std::string &label)
	{
		std::vector<int> numbers{ 1, 2, 3 };
		std::map<std::string, int> ages{ { "a", 1 }, { "b", 2 } };
		std::unordered_map<int, std::string> names{ { 1, "one" } };
		std::unique_ptr<base> owner = std::make_unique<derived>();
		std::shared_ptr<int> shared = std::make_shared<int>(9);
		std::optional<int> some = 3, none;
		std::variant<int, std::string> choice = std::string("text");
		std::tuple<int, char, double> triple{ 1, 'x', 2.0 };
		std::array<short, 3> fixed{ 1, 2, 3 };
		std::function<int(int)> call = [&](int by) {
			return simple(true, 'q', -2, by, 1l << 40, 1.5f, -0.25, label.c_str(),
				      { 1, -1 });
		};
		int result = depth ? run(depth - 1, label) : call((int)numbers.size());

		use(ages, names, owner, shared, some, none, choice, triple, fixed);
		return result + (int)value;
	}
};

int main(int argc, char **argv)
{
	holder<long> held{ argc };

	return held.run(2, argv[0]);
}
