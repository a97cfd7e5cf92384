/* Dies argv[1] calls deep, in a thread whose stack is large enough. */
#include <pthread.h>
#include <stdlib.h>

static volatile int *nowhere;

static __attribute__((noinline)) long descend(long left)
{
	volatile long here[4] = { left };

	if (left <= 1)
		return *nowhere;
	return descend(left - 1) + here[0];
}

static void *run(void *depth)
{
	return (void *)descend(*(long *)depth);
}

int main(int argc, char **argv)
{
	long depth = argc > 1 ? strtol(argv[1], NULL, 10) : 1;
	pthread_attr_t attributes;
	pthread_t thread;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, (size_t)depth * 128 + 1048576);
	pthread_create(&thread, &attributes, run, &depth);
	pthread_join(thread, NULL);
}
