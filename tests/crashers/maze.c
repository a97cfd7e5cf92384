/* Dies behind so many ways of tail calls that nobody should try them all. */
static volatile int *volatile nowhere;
static volatile int count;

__attribute__((noinline)) static void die(int value)
{
	*nowhere = value;
	count++;
}

/* All ways end here, so that none of them makes it plain that nothing is certain. */
__attribute__((noinline)) static void last(int value)
{
	count += 4;
	die(value);
}

/* A function with two jumps to the next one. */
#define FORK(here, next) \
	__attribute__((noinline)) static void here(int value) \
	{ \
		count++; \
		if (count & 1) \
			next##_left(value + count); \
		else \
			next##_right(value - count); \
	}

/* Two functions, each of which jumps to both of the next two. */
#define PAIR(here, next) FORK(here##_left, next) FORK(here##_right, next)
#define PAIRS(a, b, c, d, next) PAIR(d, next) PAIR(c, d) PAIR(b, c) PAIR(a, b)

__attribute__((noinline)) static void end_left(int value)
{
	count += 2;
	last(value);
}

__attribute__((noinline)) static void end_right(int value)
{
	count += 3;
	last(value);
}

PAIRS(m, n, o, p, end)
PAIRS(i, j, k, l, m)
PAIRS(e, f, g, h, i)
PAIRS(a, b, c, d, e)
PAIRS(w, x, y, z, a)
PAIRS(s, t, u, v, w)
FORK(enter, s)

int main(void)
{
	enter(count);
	count++;
	return 0;
}
