/* Variables of every kind in C, alive where the program dies. */
#include <complex.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#define KEEP(x) __asm__ volatile("" : : "g"(&(x)) : "memory")
#define USE(x) __asm__ volatile("" : : "g"(x) : "memory")

enum colour { RED, GREEN = 5, BLUE };
enum flags { READ = 1, WRITE = 2, EXEC = 4 };

struct point {
	int x, y;
};

struct bits {
	unsigned a : 3, b : 7;
	signed c : 5;
	uint64_t wide : 40;
	bool flag : 1;
};

struct list {
	struct list *next;
	const char *name;
	int value;
};

struct mixed {
	char tag;
	union {
		int number;
		float real;
	};
	struct point corner[2];
	struct {
		short s;
		struct point inner;
	} nested;
	char text[12];
	int (*callback)(int, const char *);
	struct opaque *hidden;
};

union variant {
	int64_t integer;
	double real;
	uint8_t bytes[8];
};

struct empty {
};

typedef int matrix[2][3];
typedef struct point place;

int global_counter = 42;
static const char *const words[] = { "one", "two", "three" };
static __thread int per_thread = 77;
volatile int *nothing;

static int callback(int number, const char *text)
{
	return number + (int)strlen(text);
}

static inline __attribute__((always_inline)) int inlined(int first, struct point *where)
{
	int doubled = first * 2;

	USE(doubled);
	where->x += doubled;
	*nothing = doubled;
	return doubled + where->y;
}

__attribute__((noinline)) static int scalars(int argument, unsigned char byte, double real)
{
	signed char small = -3;
	unsigned short half = 65000;
	long wide = -1234567890123l;
	unsigned long long huge = 18446744073709551615ull;
	bool yes = true, no = false;
	char letter = 'x', newline = '\n', high = '\xe9', quote = '\'';
	float single = 3.14f, infinite = __builtin_inff();
	double exact = 0.5, tiny = 1e-300, none = __builtin_nan("");
	long double extended = 2.25l;
	double _Complex pair = 1.5 + 2.5 * I;
	__int128 enormous = (__int128)1 << 100;
	wchar_t wide_letter = L'w';
	int8_t eight = 65;
	enum colour colour = BLUE, odd = (enum colour)77;
	enum flags both = READ | EXEC, unknown = (enum flags)(WRITE | 64);
	struct point where = { 1, 2 };
	static int calls = 9;

	KEEP(small);
	KEEP(half);
	KEEP(wide);
	KEEP(huge);
	KEEP(yes);
	KEEP(no);
	KEEP(letter);
	KEEP(newline);
	KEEP(high);
	KEEP(quote);
	KEEP(single);
	KEEP(infinite);
	KEEP(exact);
	KEEP(tiny);
	KEEP(none);
	KEEP(extended);
	KEEP(pair);
	KEEP(enormous);
	KEEP(wide_letter);
	KEEP(eight);
	KEEP(colour);
	KEEP(odd);
	KEEP(both);
	KEEP(unknown);
	KEEP(where);
	calls += per_thread;
	{
		int inner = argument + byte, argument_twice = argument * 2;

		USE(inner);
		USE(argument_twice);
		return inlined(inner, &where) + (int)real + calls + argument_twice;
	}
}

__attribute__((noinline)) static int aggregates(const char *text, size_t length, struct list *list)
{
	int numbers[4] = { 1, 2, 3, 4 }, zeros[40] = { 0 }, many[300];
	int grid[2][3] = { { 1, 2, 3 }, { 4, 5, 6 } };
	matrix same = { { 7, 8, 9 }, { 10, 11, 12 } };
	char buffer[32] = "short", full[5] = { 'h', 'e', 'l', 'l', 'o' }, blank[64] = { 0 };
	char mixed_text[] = "tab\t quote\" nul\0 end\001\0019\002"
			    "1";
	unsigned char raw[6] = { 0, 1, 2, 253, 254, 255 };
	wchar_t wide_text[] = L"wide";
	const char *names[] = { "alpha", NULL, "gamma" };
	place places[3] = { { 1, 2 }, { 3, 4 }, { 5, 6 } };
	place equals[12] = { { 0, 0 } };
	struct bits bits = { 5, 100, -7, 0xabcdef1234, true };
	struct mixed mixed = { .tag = 't', .number = 3, .text = "in struct", .callback = callback };
	union variant variant = { .integer = 0x4045000000000000 };
	struct empty empty;
	int *into_stack = &numbers[2], *into_data = &global_counter, **twice = &into_stack;
	void *anything = buffer;
	const char *string = "a literal", *shifted = text + 2, *bad = (const char *)16;
	char long_text[300];
	int (*function)(int, const char *) = callback;
	int(*rows)[3] = grid;
	struct list node = { list, "node", 7 };
	double vla[length];
	int vla2[length][2];
	volatile int changing = 8;
	const int fixed = 12;
	int result;

	for (size_t i = 0; i < 300; i++)
		many[i] = (int)i;
	for (size_t i = 0; i < length; i++) {
		vla[i] = (double)i / 2;
		vla2[i][0] = (int)i;
		vla2[i][1] = (int)-i;
	}
	memset(long_text, 'a', sizeof(long_text));
	for (size_t i = 0; i < sizeof(long_text); i++)
		long_text[i] = (char)('a' + i % 26);
	node.next = &node;
	KEEP(numbers);
	KEEP(zeros);
	KEEP(many);
	KEEP(grid);
	KEEP(same);
	KEEP(buffer);
	KEEP(full);
	KEEP(blank);
	KEEP(mixed_text);
	KEEP(raw);
	KEEP(wide_text);
	KEEP(names);
	KEEP(places);
	KEEP(equals);
	KEEP(bits);
	KEEP(mixed);
	KEEP(variant);
	KEEP(empty);
	KEEP(into_data);
	KEEP(twice);
	KEEP(anything);
	KEEP(string);
	KEEP(shifted);
	KEEP(bad);
	KEEP(long_text);
	KEEP(function);
	KEEP(rows);
	KEEP(node);
	KEEP(vla);
	KEEP(vla2);
	KEEP(changing);
	KEEP(fixed);
	result = scalars((int)length, (unsigned char)text[0], vla[1]);
	return result + numbers[0] + (int)words[length % 3][0] + node.value;
}

__attribute__((noinline)) static int optimized(int kept, int lost, struct point by_value, long a,
					       long b, long c, long d, long spilled)
{
	struct point split = { kept + 1, lost + 1 };
	int unused = kept * 3, constant = 99;
	struct list last = { NULL, "last", lost };
	int sum = aggregates("some text", (size_t)kept, &last);

	USE(constant);
	return sum + split.x + by_value.y + (int)(a + b + c + d + spilled);
}

int main(int argc, char **argv)
{
	struct point origin = { argc, 20 };
	int status = optimized(argc + 2, 2, origin, 1, 2, 3, 4, 5);

	(void)argv;
	return status;
}
