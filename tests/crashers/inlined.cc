// Inlined functions of C++: templates, namespaces with and without names, lambdas, methods of local
// classes, constructors. Dies in a lambda called through a template, by a write to NULL.
#include <algorithm>
#include <memory>
#include <thread>
#include <vector>

static volatile int sink;

namespace outer {
namespace {

struct hidden {
	int *where;

	explicit hidden(int *place) : where(place) { sink = 1; }
	inline __attribute__((always_inline)) void poke(int value)
	{
		*(volatile int *)where = value;
	}
};

inline __attribute__((always_inline)) void anonymous(hidden &object, int value)
{
	object.poke(value);
	sink = value;
}

} // namespace

inline namespace v2 {

template <typename T, int N> struct box {
	T content;

	template <typename F> inline __attribute__((always_inline)) int each(F call)
	{
		int sum = 0;

		for (int i = 0; i < N; i++)
			sum += call(content, i);
		return sum;
	}
	__attribute__((noinline)) int out_of_line(int start)
	{
		int result = each([start](T &value, int i) __attribute__((always_inline)) {
			anonymous(value, start + i);
			return i;
		});

		sink = result;
		return result + 1;
	}
};

} // namespace v2

class thing {
public:
	virtual ~thing() = default;
	virtual int act(int *place);
	static int fixed(thing &self, int *place);
};

__attribute__((noinline)) int thing::act(int *place)
{
	struct local {
		static __attribute__((noinline)) int method(int *where)
		{
			box<hidden, 3> full{ hidden(where) };
			int result = full.out_of_line(4);

			sink = result;
			return result;
		}
	};
	int result = local::method(place);

	sink = result;
	return result + 1;
}

__attribute__((noinline)) int thing::fixed(thing &self, int *place)
{
	int result = self.act(place);

	sink = result;
	return result + 1;
}

} // namespace outer

template <typename... Ts> static __attribute__((noinline)) int forward(Ts &&...values)
{
	int result = outer::thing::fixed(std::forward<Ts>(values)...);

	sink = result;
	return result + 1;
}

int main()
{
	std::vector<int> numbers{ 3, 1, 2 };
	auto self = std::make_unique<outer::thing>();
	int *place = nullptr;
	std::thread worker([&] {
		std::for_each(numbers.begin(), numbers.end(), [&](int number) {
			sink = forward(*self, place) + number;
		});
	});

	worker.join();
	return sink;
}
