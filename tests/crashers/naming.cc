// Faults of C++ whose expression is known: argv[1] says which. Each function dies in one line,
// which the comment behind it repeats.
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#ifdef __clang__
#define noipa __attribute__((noinline))
#else
#define noipa __attribute__((noipa))
#endif

namespace shop
{
struct Named {
	virtual ~Named() = default;
	virtual int price() const
	{
		return 1;
	}
	long name = 0;
};

struct Counted {
	long count = 0;
	int uses[4] = {};
};

struct Item : Named, Counted {
	Item *next = nullptr;
	int price() const override
	{
		return 2;
	}
	noipa void use();
	noipa long follow() const;
};

struct Basket {
	Item *items[3] = {};
	const Item &first() const
	{
		return *items[0];
	}
};

static void *volatile nothing;
static Item an_item;
static Basket a_basket;
static Item *volatile some_item = &an_item;
static Basket *volatile some_basket = &a_basket;
static Item *volatile last;
static volatile long sink;

noipa void Item::use()
{
	uses[2] = 1; // this->uses[2]
}

noipa long Item::follow() const
{
	return next->count; // this->next->count
}

static noipa void die_this(Item *item)
{
	item->use();
	sink = 1;
}

static noipa void die_follow(Item *item)
{
	sink = item->follow();
}

static noipa void die_virtual(Item *item)
{
	sink = item->price() + 1; // virtual table of *item
}

static noipa void die_base(Item *item)
{
	item->count = 1; // item->count
}

static noipa void die_reference(int &number)
{
	number = 1; // number
}

static noipa void die_member(Counted &counted)
{
	counted.uses[1] = 1; // counted.uses[1]
}

static noipa void die_basket(Basket *basket)
{
	basket->items[2]->count = 1; // basket->items[2]->count
}

static noipa void die_global()
{
	last->count = 1; // shop::last->count
}

template <class T> static inline void set(T *where, T value)
{
	*where = value; // *where
}

static noipa void die_inlined(long *place)
{
	set(place, 1l);
}

template <int n> struct Grid {
	int cells[4][n];
	noipa void clear(int x, int y);
};

template <int n> noipa void Grid<n>::clear(int x, int y)
{
	cells[x][y] = 0; // this->cells[2][1]
}

static noipa void die_grid(Grid<3> *grid, int x)
{
	grid->clear(x, 1);
	sink = 1;
}

static noipa void die_lambda(Item *item)
{
	auto run = [item](long number) {
		item->name = number; // item->name
	};

	run(sink);
}
} // namespace shop

using namespace shop;

int main(int argc, char **argv)
{
	const char *way = argc > 1 ? argv[1] : "";

#define WAY(name, ...) \
	if (strcmp(way, #name) == 0) \
	die_##name(__VA_ARGS__)
	WAY(this, (Item *)nothing);
	WAY(follow, some_item);
	WAY(virtual, (Item *)nothing);
	WAY(base, (Item *)nothing);
	WAY(reference, *(int *)nothing);
	WAY(member, *(Counted *)nothing);
	WAY(basket, some_basket);
	WAY(global);
	WAY(inlined, (long *)nothing);
	WAY(grid, (Grid<3> *)nothing, 2);
	WAY(lambda, (Item *)nothing);
	return 1;
}
