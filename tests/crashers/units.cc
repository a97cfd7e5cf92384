// Several units that share their types and inlined functions: what is stored once for all of them
// (type units, the alternate files of dwz) or outside of the program (split units) is in here. It
// is compiled once for each UNIT; calls go through all of them, and the last one writes to NULL.
extern volatile int sink;

namespace shared {

struct base {
	virtual ~base() = default;
	virtual int act(int value) = 0;
};

namespace {

struct hidden {
	int depth;

	__attribute__((noinline)) int from_here(base &object, int value);
	inline __attribute__((always_inline)) int inside(base &object, int value)
	{
		int result = object.act(value + depth);

		sink = result;
		return result;
	}
};

} // namespace

struct text {
	enum class kind { small, large } what;
	union {
		char small[16];
		struct {
			char *start;
			unsigned long size, capacity;
		} large;
	} content;
	unsigned long size() const;
};

template <typename Content> struct holder {
	Content contents[3];
	int *place;

	inline __attribute__((always_inline)) void poke(int value)
	{
		*(volatile int *)place = value;
	}
	template <typename Call> inline __attribute__((always_inline)) int each(Call call)
	{
		int sum = 0;

		for (Content &content : contents)
			sum += call(content);
		sink = sum;
		return sum;
	}
};

struct first : base {
	struct nested {
		int (*next)(base &object, int value);
		__attribute__((noinline)) int go(base &object, int value);
	} inner;

	int act(int value) override;
};

struct second : base {
	holder<text> texts;

	int act(int value) override;
};

int enter(base &object, int value);
first make_first();
second make_second();

} // namespace shared

#if UNIT == 1
volatile int sink;

int shared::second::act(int value)
{
	int result = texts.each([this, value](text &one) __attribute__((always_inline)) {
		texts.poke(value);
		return (int)one.size();
	});

	sink = result;
	return result + 1;
}

int main()
{
	shared::first object = shared::make_first();
	int result = shared::enter(object, 3);

	sink = result;
	return result;
}
#elif UNIT == 2
unsigned long shared::text::size() const
{
	return what == kind::small ? sizeof(content.small) : content.large.size;
}

int shared::hidden::from_here(base &object, int value)
{
	int result = inside(object, value);

	sink = result;
	return result + 1;
}

int shared::enter(base &object, int value)
{
	hidden local{ 4 };
	int result = local.from_here(object, value);

	sink = result;
	return result + 1;
}

shared::second shared::make_second()
{
	second made;

	made.texts.contents[0].what = text::kind::small;
	made.texts.place = nullptr;
	return made;
}
#elif UNIT == 3
int shared::first::nested::go(base &object, int value)
{
	int result = next(object, value);

	sink = result;
	return result + 1;
}

int shared::first::act(int value)
{
	struct local {
		static __attribute__((noinline)) int method(base &object, int value)
		{
			hidden again{ 5 };
			int result = again.inside(object, value);

			sink = result;
			return result + 1;
		}
	};
	second object = make_second();
	int result = nested{ local::method }.go(object, value);

	sink = result;
	return result + 1;
}

shared::first shared::make_first()
{
	return first();
}
#endif
