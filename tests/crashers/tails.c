/* Threads that stand behind tail calls of every kind, each on a way of its own. Built with LIBRARY
 * it is the library that some ways lead through. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#ifdef __cplusplus
#define EXTERN extern "C"
#else
#define EXTERN extern
#endif
#define HIDDEN __attribute__((noinline)) static

/* Visible, so that a library may call them. */
EXTERN __attribute__((noinline)) void end(int value);
EXTERN __attribute__((noinline)) void library_step(int value);
EXTERN __attribute__((noinline)) void library_inner(int value);
EXTERN __attribute__((noinline)) void library_back(int value);

extern volatile int count;

#ifdef LIBRARY

void library_inner(int value)
{
	count += value;
	end(count + 7);
}

void library_step(int value)
{
	count += 2;
	library_inner(value ^ count);
}

void library_back(int value)
{
	count += 3;
	end(value * count);
}

#else

volatile int count;
static volatile int start_value = 9, released;
static int arrived;

void end(int value)
{
	count += value;
	__atomic_add_fetch(&arrived, 1, __ATOMIC_SEQ_CST);
	while (!released)
		pause();
}

HIDDEN void last(int value)
{
	count++;
	end(value + 1);
}

HIDDEN void single(int value)
{
	count++;
	end(value * 3);
}

HIDDEN void middle(int value)
{
	count += 2;
	last(value + 2);
}

HIDDEN void several(int value)
{
	count += 3;
	middle(value * 5);
}

/* Two ways lead from here to the join; both are left out, what follows is not. */
HIDDEN void join(int value)
{
	count += 4;
	last(value - count);
}

HIDDEN void left(int value)
{
	count += 5;
	join(value + 3);
}

HIDDEN void right(int value)
{
	count -= 5;
	join(value - 3);
}

HIDDEN void fork_middle(int value)
{
	count += 6;
	if (value > 5)
		left(value);
	else
		right(value);
}

HIDDEN void ambiguous(int value)
{
	count += 7;
	fork_middle(value + count);
}

/* Two ways that have nothing in common. */
HIDDEN void either(int value)
{
	if (value + count > 5)
		left(value);
	else
		end(value);
}

HIDDEN void odd(int value);

HIDDEN void even(int value)
{
	count += 8;
	if (value > 0)
		odd(value - 1);
	else
		end(value);
}

HIDDEN void odd(int value)
{
	count += 9;
	if (value > 0)
		even(value - 1);
	else
		last(value);
}

HIDDEN void loop_inner(int value);

HIDDEN void loop(int value)
{
	count += 10;
	loop_inner(value - 1);
}

/* Calls only to one side: mutual recursion with one way out. */
HIDDEN void loop_inner(int value)
{
	count += 11;
	if (value > 0)
		loop(value);
	else
		last(value);
}

/* A jump that is part of an inlined function. */
static inline __attribute__((always_inline)) void inlined_inner(int value)
{
	count += 12;
	last(value ^ 3);
}

static inline __attribute__((always_inline)) void inlined_outer(int value)
{
	count += 13;
	inlined_inner(value + 1);
}

HIDDEN void inlining(int value)
{
	count += 14;
	inlined_outer(value * 7);
}

typedef void step_fn(int value);
static step_fn *volatile step = last;

HIDDEN void indirect(int value)
{
	count += 15;
	step(value);
}

/* Somewhere on the way somebody may jump to a place that nobody knows. */
HIDDEN void doubtful(int value)
{
	count += 16;
	if (count > 1000)
		indirect(value);
	else
		last(value);
}

/* A function in two pieces, hot and cold. */
__attribute__((cold, noinline)) static void rare(int value)
{
	fprintf(stderr, "%d\n", value);
	count++;
}

HIDDEN void split(int value)
{
	count += 17;
	if (__builtin_expect(value > 1000, 0)) {
		rare(value);
		rare(value + 1);
		rare(value + count);
	}
	last(value + 5);
}

HIDDEN void recursion(int value);

HIDDEN void recursion_step(int value)
{
	count += 18;
	recursion(value - 1);
}

HIDDEN void recursion(int value)
{
	count += 19;
	if (value > 5)
		recursion_step(value);
	else
		last(value);
	count -= value;
}

HIDDEN void through(int value)
{
	count += 20;
	library_step(value);
}

HIDDEN void back(int value)
{
	count += 21;
	library_back(value + 1);
}

/* Each way is a call of its own, which is not the last thing done. */
#define WAYS(way) \
	way(single) way(several) way(ambiguous) way(either) way(even) way(loop) way(inlining) \
		way(indirect) way(doubtful) way(split) way(recursion) way(through) way(back)

#define START(way) \
	HIDDEN void *go_##way(void *argument) \
	{ \
		way(start_value); \
		count++; \
		return argument; \
	}
WAYS(START)

int main(void)
{
#define LISTED(way) go_##way,
	void *(*const starts[])(void *) = { WAYS(LISTED) };
	const int n_starts = sizeof(starts) / sizeof(starts[0]);
	pthread_t thread;
	int i;

	for (i = 0; i < n_starts; i++)
		if (pthread_create(&thread, NULL, starts[i], NULL) != 0)
			return 1;
	while (__atomic_load_n(&arrived, __ATOMIC_SEQ_CST) < n_starts)
		usleep(1000);
	abort();
}

#endif
