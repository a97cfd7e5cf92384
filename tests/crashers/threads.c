/* argv[1] threads besides the first, in three kinds of waits; the last one aborts. */
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t ready;

static __attribute__((noinline)) void wait_for_condition(void)
{
	pthread_mutex_lock(&lock);
	for (;;)
		pthread_cond_wait(&never, &lock);
}

static __attribute__((noinline)) void wait_for_poll(int depth)
{
	if (depth > 0)
		wait_for_poll(depth - 1);
	for (;;)
		poll(NULL, 0, -1);
}

static void *worker(void *argument)
{
	long number = (long)argument;

	pthread_barrier_wait(&ready);
	if (number % 3 == 0)
		wait_for_condition();
	if (number % 3 == 1)
		wait_for_poll((int)(number % 7));
	for (;;)
		pause();
}

static void *killer(void *argument)
{
	(void)argument;
	pthread_barrier_wait(&ready);
	usleep(200000);
	abort();
}

int main(int argc, char **argv)
{
	long count = argc > 1 ? strtol(argv[1], NULL, 10) : 10;
	pthread_attr_t attributes;
	pthread_t thread;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 65536);
	pthread_barrier_init(&ready, NULL, (unsigned)count);
	for (long i = 1; i < count; i++)
		pthread_create(&thread, &attributes, worker, (void *)i);
	pthread_create(&thread, &attributes, killer, NULL);
	for (;;)
		pause();
}
