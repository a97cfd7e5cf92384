/* Lives until killed; argv[1] threads besides the first. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static __attribute__((noinline)) void sleep_deep(int depth)
{
	if (depth)
		sleep_deep(depth - 1);
	for (;;)
		pause();
}

static void *worker(void *argument)
{
	sleep_deep((int)(long)argument % 5);
	return NULL;
}

int main(int argc, char **argv)
{
	long count = argc > 1 ? strtol(argv[1], NULL, 10) : 0;
	pthread_t thread;

	for (long i = 0; i < count; i++)
		pthread_create(&thread, NULL, worker, (void *)i);
	puts("ready");
	fflush(stdout);
	sleep_deep(3);
}
