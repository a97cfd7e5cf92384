/* Threads that wait for each other: argv[1] says how. argv[2]: "stay" says "ready" and stays,
 * "abort" has a watchdog thread that aborts, "kill" one that sends SIGABRT to the main thread,
 * "assert" one whose assertion fails. */
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

struct server {
	int port;
	pthread_mutex_t lock;
};

static pthread_mutex_t g_first = PTHREAD_MUTEX_INITIALIZER, g_second = PTHREAD_MUTEX_INITIALIZER,
		       g_third = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t g_special;
static struct server g_server = { 80, PTHREAD_MUTEX_INITIALIZER };
static pthread_rwlock_t g_table = PTHREAD_RWLOCK_INITIALIZER;
static pthread_cond_t g_ready = PTHREAD_COND_INITIALIZER;
static sem_t g_slots;
static pthread_barrier_t everybody;
static pthread_t g_main, worker;
static volatile int depth;

static void lock(pthread_mutex_t *mutex)
{
	pthread_mutex_lock(mutex);
	depth++;
}

static void hold(const char *name)
{
	prctl(PR_SET_NAME, name);
}

static pthread_t start(void *(*run)(void *), void *argument)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, run, argument))
		exit(3);
	return thread;
}

/* Something to read that never comes. */
static void wait_for_input(void)
{
	int ends[2];
	char byte;

	if (pipe(ends) == 0 && read(ends[0], &byte, 1) < 0)
		exit(3);
	depth++;
}

/* --- ways --- */

static void *first_then_second(void *unused)
{
	hold("alpha");
	lock(&g_first);
	pthread_barrier_wait(&everybody);
	lock(&g_second);
	return unused;
}

static void *second_then_first(void *unused)
{
	hold("beta");
	lock(&g_second);
	pthread_barrier_wait(&everybody);
	lock(&g_first);
	return unused;
}

static void way_two(void)
{
	pthread_barrier_init(&everybody, NULL, 2);
	start(first_then_second, NULL);
	start(second_then_first, NULL);
}

static void *second_then_third(void *unused)
{
	hold("beta");
	lock(&g_second);
	pthread_barrier_wait(&everybody);
	lock(&g_third);
	return unused;
}

static void *third_then_first(void *unused)
{
	hold("gamma");
	lock(&g_third);
	pthread_barrier_wait(&everybody);
	lock(&g_first);
	return unused;
}

static void way_three(void)
{
	pthread_barrier_init(&everybody, NULL, 3);
	start(first_then_second, NULL);
	start(second_then_third, NULL);
	start(third_then_first, NULL);
}

static void *twice(void *mutex)
{
	hold("twice");
	lock(mutex);
	lock(mutex);
	return NULL;
}

static void way_self(void)
{
	start(twice, &g_server.lock);
}

static void *wait_and_hold(void *mutex)
{
	hold("holder");
	lock(mutex);
	lock(mutex == &g_special ? &g_first : &g_third);
	pthread_barrier_wait(&everybody);
	wait_for_input();
	return NULL;
}

static void *wait_for(void *mutex)
{
	hold("waiter");
	lock(mutex);
	return NULL;
}

static void special(int type, int protocol, int robust)
{
	pthread_mutexattr_t kind;

	pthread_mutexattr_init(&kind);
	pthread_mutexattr_settype(&kind, type);
	pthread_mutexattr_setprotocol(&kind, protocol);
	pthread_mutexattr_setrobust(&kind, robust);
	if (pthread_mutex_init(&g_special, &kind))
		exit(3);
}

static void holder_of(pthread_mutex_t *mutex, int waiters)
{
	pthread_barrier_init(&everybody, NULL, 2);
	start(wait_and_hold, mutex);
	pthread_barrier_wait(&everybody);
	for (int i = 0; i < waiters; i++)
		start(wait_for, mutex);
}

static void way_holder(void)
{
	holder_of(&g_first, 5);
}

static void way_heap(void)
{
	struct server *server = calloc(1, sizeof(*server));

	pthread_mutex_init(&server->lock, NULL);
	holder_of(&server->lock, 2);
}

static void way_recursive(void)
{
	special(PTHREAD_MUTEX_RECURSIVE, PTHREAD_PRIO_NONE, PTHREAD_MUTEX_STALLED);
	holder_of(&g_special, 2);
}

static void way_robust(void)
{
	special(PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_NONE, PTHREAD_MUTEX_ROBUST);
	holder_of(&g_special, 2);
}

static void way_inherit(void)
{
	special(PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_INHERIT, PTHREAD_MUTEX_STALLED);
	holder_of(&g_special, 2);
}

static void *write_table(void *unused)
{
	hold("writer");
	pthread_rwlock_wrlock(&g_table);
	pthread_barrier_wait(&everybody);
	wait_for_input();
	return unused;
}

static void *read_table(void *unused)
{
	hold("reader");
	pthread_rwlock_rdlock(&g_table);
	depth++;
	return unused;
}

static void *also_write_table(void *unused)
{
	hold("second");
	pthread_rwlock_wrlock(&g_table);
	depth++;
	return unused;
}

static void way_rwlock(void)
{
	pthread_barrier_init(&everybody, NULL, 2);
	start(write_table, NULL);
	pthread_barrier_wait(&everybody);
	start(read_table, NULL);
	start(read_table, NULL);
	start(also_write_table, NULL);
}

static void *hold_table(void *unused)
{
	hold("reader");
	pthread_rwlock_rdlock(&g_table);
	pthread_barrier_wait(&everybody);
	wait_for_input();
	return unused;
}

static void way_readers(void)
{
	pthread_barrier_init(&everybody, NULL, 3);
	start(hold_table, NULL);
	start(hold_table, NULL);
	pthread_barrier_wait(&everybody);
	start(also_write_table, NULL);
}

static void *wait_for_work(void *unused)
{
	hold("idle");
	lock(&g_first);
	pthread_cond_wait(&g_ready, &g_first);
	depth++;
	return unused;
}

static void way_condition(void)
{
	for (int i = 0; i < 3; i++)
		start(wait_for_work, NULL);
}

static void *wait_for_slot(void *unused)
{
	hold("slot");
	sem_wait(&g_slots);
	depth++;
	return unused;
}

static void way_semaphore(void)
{
	sem_init(&g_slots, 0, 0);
	start(wait_for_slot, NULL);
}

static void *lock_first(void *unused)
{
	hold("worker");
	pthread_barrier_wait(&everybody);
	lock(&g_first);
	return unused;
}

static void *join_worker(void *unused)
{
	hold("joiner");
	lock(&g_first);
	pthread_barrier_wait(&everybody);
	pthread_join(worker, NULL);
	depth++;
	return unused;
}

/* One waits for the end of a thread that waits for a lock that the first one holds. */
static void way_join(void)
{
	pthread_barrier_init(&everybody, NULL, 2);
	worker = start(lock_first, NULL);
	start(join_worker, NULL);
}

static void *lock_and_end(void *mutex)
{
	lock(mutex);
	return NULL;
}

static void way_gone(void)
{
	pthread_join(start(lock_and_end, &g_first), NULL);
	start(wait_for, &g_first);
}

static void *second_with_timeout(void *unused)
{
	struct timespec end;

	hold("timed");
	lock(&g_second);
	pthread_barrier_wait(&everybody);
	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += 1000;
	pthread_mutex_timedlock(&g_first, &end);
	depth++;
	return unused;
}

/* A circle that opens after a while. */
static void way_timed(void)
{
	pthread_barrier_init(&everybody, NULL, 2);
	start(first_then_second, NULL);
	start(second_with_timeout, NULL);
}

/* Nobody waits for anybody. */
static void way_nothing(void)
{
}

static const struct way {
	const char *name;
	void (*go)(void);
} ways[] = {
	{ "two", way_two },         { "three", way_three },         { "self", way_self },
	{ "holder", way_holder },   { "heap", way_heap },           { "recursive", way_recursive },
	{ "robust", way_robust },   { "inherit", way_inherit },     { "rwlock", way_rwlock },
	{ "readers", way_readers }, { "condition", way_condition }, { "semaphore", way_semaphore },
	{ "join", way_join },       { "gone", way_gone },           { "timed", way_timed },
	{ "nothing", way_nothing },
};

static void *watchdog(void *how)
{
	hold("watchdog");
	usleep(300000);
	if (strcmp(how, "abort") == 0)
		abort();
	assert(strcmp(how, "assert") != 0);
	pthread_kill(g_main, SIGABRT);
	return NULL;
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	g_main = pthread_self();
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++)
		if (strcmp(ways[i].name, argv[1]) == 0)
			ways[i].go();
	if (strcmp(argv[2], "stay") == 0) {
		puts("ready");
		fflush(stdout);
	} else {
		start(watchdog, argv[2]);
	}
	for (;;)
		pause();
}
