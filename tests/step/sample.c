/* What the stepper steps through: frames of every kind, in about ten thousand instructions a round.
 * It handles SIGURG, which the stepper may send it anywhere. With LIBRARY it is all but main, with
 * MAIN it is only main. */
#include <alloca.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int run(unsigned rounds);

#ifndef MAIN
static volatile unsigned sink;
static unsigned seed = 1;
static jmp_buf back;

static unsigned next_random(void)
{
	seed = seed * 1103515245u + 12345u;
	return seed >> 16 & 0x7fff;
}

static __attribute__((noinline)) unsigned leaf(unsigned a, unsigned b)
{
	return a * 31 + (b ^ a >> 3);
}

static __attribute__((noinline)) unsigned recurse(unsigned depth)
{
	if (depth == 0)
		return leaf(seed, depth);
	return recurse(depth - 1) + leaf(depth, seed);
}

static __attribute__((noinline)) unsigned fibonacci(unsigned n)
{
	return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

static __attribute__((noinline)) unsigned many(unsigned a, unsigned b, unsigned c, unsigned d,
					       unsigned e, unsigned f, unsigned g, unsigned h)
{
	unsigned x = leaf(a, b), y = leaf(c, d), z = leaf(e, f), w = leaf(g, h);

	for (unsigned i = 0; i < 3; i++) {
		x += leaf(y, z);
		y ^= leaf(z, w);
		z += leaf(w, x);
		w ^= leaf(x, y);
	}
	return x + y + z + w + a + b + c + d + e + f + g + h;
}

static __attribute__((noinline)) unsigned choose(unsigned which, unsigned value)
{
	switch (which) {
	case 0:
		return leaf(value, 1);
	case 1:
		return leaf(value, 2) + leaf(2, value);
	case 2:
		value += recurse(3);
		break;
	case 3:
		value ^= fibonacci(4);
		break;
	case 4:
		return many(value, 1, 2, 3, 4, 5, 6, 7);
	case 5:
		sink += value;
		return leaf(sink, value);
	case 6:
		value += leaf(value, 6) * 3;
		break;
	case 7:
		if (value == 0xffffffff)
			abort();
		break;
	default:
		return 0;
	}
	return leaf(value, which) + sink;
}

static __attribute__((noinline)) unsigned on_stack(size_t size)
{
	unsigned char *bytes = alloca(size);
	unsigned sum = 0;

	memset(bytes, (int)size, size);
	for (size_t i = 0; i < size; i += 7)
		sum += leaf(bytes[i], sum);
	return sum;
}

static __attribute__((noinline)) unsigned aligned(unsigned value)
{
	_Alignas(64) volatile unsigned block[32];

	for (unsigned i = 0; i < 32; i++)
		block[i] = leaf(value, i);
	return block[value % 32] + recurse(2);
}

static __attribute__((noinline)) unsigned large(unsigned value)
{
	volatile unsigned char block[20000];

	block[value % sizeof(block)] = (unsigned char)value;
	return leaf(block[value % sizeof(block)], value);
}

static int compare(const void *a, const void *b)
{
	unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;

	return x < y ? -1 : x > y;
}

static __attribute__((noinline)) unsigned sort(void)
{
	unsigned numbers[40];

	for (unsigned i = 0; i < 40; i++)
		numbers[i] = next_random();
	qsort(numbers, 40, sizeof(numbers[0]), compare);
	return numbers[20];
}

static __attribute__((noinline)) double average(unsigned count, ...)
{
	double sum = 0;
	va_list args;

	va_start(args, count);
	for (unsigned i = 0; i < count; i++)
		sum += va_arg(args, double);
	va_end(args);
	return sum / count;
}

static __attribute__((noinline)) unsigned tail(unsigned value)
{
	sink += value;
	return value & 1 ? leaf(value, 9) : recurse(value % 5);
}

static __attribute__((noinline)) void jump_back(unsigned depth)
{
	if (depth == 0)
		longjmp(back, 1);
	jump_back(depth - 1);
	sink++;
}

static __attribute__((noinline)) unsigned jumps(void)
{
	volatile unsigned count = 0;

	if (setjmp(back) == 0)
		jump_back(4);
	else
		count = count + leaf(count, 3);
	return count;
}

static unsigned (*const functions[])(unsigned) = { aligned, large, tail, recurse };

static void handle(int number)
{
	sink += leaf((unsigned)number, sink) + recurse(2);
}

int run(unsigned rounds)
{
	static char stack[65536];
	const stack_t other = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction action = { .sa_handler = handle };
	char text[200];

	sigaltstack(&other, NULL);
	sigaction(SIGURG, &action, NULL);
	for (unsigned i = 0; i < rounds; i++) {
		unsigned value = next_random();

		sink += choose(value % 9, value);
		sink += functions[value % 4](value % 20);
		sink += on_stack(value % 300 + 1);
		sink += fibonacci(6);
		sink += sort();
		sink += jumps();
		sink += (unsigned)average(3, value * 0.5, 1.5, 2.5);
		snprintf(text, sizeof(text), "%u %s %.3f", sink, "text", average(1, 2.0 * value));
		sink += (unsigned)strlen(text);
		free(malloc(value));
		action.sa_flags ^= SA_ONSTACK;
		sigaction(SIGURG, &action, NULL);
	}
	return sink == 0x12345678;
}
#endif

#ifndef LIBRARY
int main(int argc, char **argv)
{
	return run(argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 10);
}
#endif
