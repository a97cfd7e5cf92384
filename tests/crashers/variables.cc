// Variables of every kind in C++, alive where the program dies.
#include <cstdint>
#include <cstring>

#define KEEP(x) __asm__ volatile("" : : "g"(&(x)) : "memory")

volatile int *nothing;

namespace shapes
{

enum class Kind : unsigned char { Round = 1, Flat = 4 };
enum Plain { First, Second = 7 };

struct Base {
	int id = 11;
	static int count;
	virtual ~Base() = default;
	virtual int area() const = 0;
};

int Base::count = 5;

struct Named {
	char name[8] = "named";
};

struct Empty {
};

class Circle : public Base, public Named
{
      public:
	explicit Circle(double r) : radius(r)
	{
	}
	int area() const override
	{
		return static_cast<int>(radius * 3);
	}
	int plain(int x)
	{
		return x + id;
	}
	double radius;
	Kind kind = Kind::Flat;
	static constexpr int limit = 99;

      private:
	Empty empty;
	unsigned nibble : 4 = 9;
};

struct Top {
	int top = 1;
};
struct Left : virtual Top {
	int left = 2;
};
struct Right : virtual Top {
	int right = 3;
};
struct Diamond : Left, Right {
	int bottom = 4;
};

template <typename T, int N> struct Box {
	T items[N];
	union {
		T single;
		std::uint64_t raw;
	};
	T sum(T start) const
	{
		T total = start;

		for (const T &item : items)
			total += item;
		KEEP(total);
		if (total > 0)
			*nothing = static_cast<int>(total);
		return total;
	}
};

} // namespace shapes

using shapes::Circle;

namespace
{

__attribute__((noinline)) int hidden(const Circle &circle, shapes::Base *base, Circle &&moved,
				     int (Circle::*method)(int), double Circle::*field)
{
	shapes::Box<long, 3> box = { { 4, 5, 6 }, { 7 } };
	const shapes::Kind kind = circle.kind;
	auto lambda = [&circle, kind](int x) { return x + circle.id + static_cast<int>(kind); };
	shapes::Diamond diamond;
	bool flag = true;
	char16_t wide = u'w';
	const char16_t text16[] = u"sixteen";
	char32_t wide32 = U'z';
	shapes::Plain plain = shapes::Second;
	int Circle::*none = nullptr;
	int (Circle::*no_method)(int) = nullptr;
	const char *const &text = "referenced";
	int numbers[2][2] = { { 1, 2 }, { 3, 4 } };
	int(&array)[2][2] = numbers;
	void (*function)(shapes::Diamond &) = nullptr;
	decltype(nullptr) null = nullptr;

	KEEP(box);
	KEEP(kind);
	KEEP(lambda);
	KEEP(diamond);
	KEEP(flag);
	KEEP(wide);
	KEEP(text16);
	KEEP(wide32);
	KEEP(plain);
	KEEP(none);
	KEEP(no_method);
	KEEP(text);
	KEEP(array);
	KEEP(function);
	KEEP(null);
	KEEP(method);
	KEEP(field);
	return static_cast<int>(box.sum(lambda(1))) + base->area() + (moved.*method)(2) + flag;
}

} // namespace

int main(int argc, char **)
{
	Circle circle(argc + 0.5), other(2.5);

	return hidden(circle, &circle, static_cast<Circle &&>(other), &Circle::plain,
		      &Circle::radius) +
	       shapes::Base::count;
}
