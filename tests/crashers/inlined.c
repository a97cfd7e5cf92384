/* Inlined functions of C: nested ones, in blocks, called from several lines, and a static function
 * that the compiler may split or clone. Dies by a write to NULL with an argument, else sleeps. */
#include <stdlib.h>
#include <unistd.h>

struct list {
	struct list *next;
	int value;
};

static volatile int sink;

static inline __attribute__((always_inline)) void touch(struct list *list, int value)
{
	if (value > 3) {
		struct list *last = list;

		last->value = value;
	}
	sink = value;
}

static inline __attribute__((always_inline)) int twice(struct list *list, int value)
{
	int sum = 0;

	for (int i = 0; i < 2; i++) {
		int part = value + i;

		touch(list, part);
		sum += part;
	}
	return sum;
}

static __attribute__((noinline)) int walk(struct list *list, int depth)
{
	int sum = depth;

	if (depth > 0) {
		sum += walk(list, depth - 1);
		sink = sum;
	} else {
		sum += twice(list, 2);
		sum += twice(list, 9);
	}
	return sum + 1;
}

static __attribute__((noinline)) int split(struct list *list, int value)
{
	if (__builtin_expect(value > 100, 0)) {
		sink = walk(list, 2);
		abort();
	}
	return value;
}

static int compare(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	if (x != y)
		sink = split((struct list *)(long)sink, 200);
	return x - y;
}

int main(int argc, char **argv)
{
	int numbers[] = { 2, 1 };

	(void)argv;
	if (argc > 5)
		sleep(100);
	sink = 0;
	qsort(numbers, 2, sizeof(*numbers), compare);
	return sink;
}
