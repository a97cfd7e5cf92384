/* How long processes take to die: die MIB [THREADS [COUNT]]
 *
 * COUNT children (one) each fill MIB mebibytes of heap, in 4 KiB pages, and start THREADS threads (three), each 25 frames deep. Then, all at once, they store to
 * address 0. Printed, a line for each: nanoseconds from just before that store until waitpid
 * returned it, its process id, and 1 when the kernel says that it dumped core. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096u
#define DEPTH 25
#define MAX_COUNT 256

/* Between the processes. */
struct shared {
	pthread_barrier_t go;
	volatile int64_t started_ns[MAX_COUNT];
};

static pthread_barrier_t ready;

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static __attribute__((noinline)) int descend(int depth)
{
	volatile char room[200] = { 0 };

	if (depth > 0)
		return descend(depth - 1) + room[depth];
	pthread_barrier_wait(&ready);
	pause();
	return 0;
}

static void *start(void *context)
{
	(void)context;
	return (void *)(intptr_t)descend(DEPTH);
}

/* What a heap looks like: pointers into itself, counts, and a quarter of it random. */
static void touch(size_t size)
{
	uint64_t *heap = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t random = 88172645463325252u;
	size_t n = size / sizeof(*heap), i;

	if (heap == MAP_FAILED)
		exit(2);
	madvise(heap, size, MADV_NOHUGEPAGE);
	for (i = 0; i + 4 <= n; i += 4) {
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		heap[i] = random;
		heap[i + 1] = (uint64_t)(uintptr_t)&heap[random % n];
		heap[i + 2] = (uint64_t)(uintptr_t)&heap[i & ~(size_t)63];
		heap[i + 3] = i % 1000;
	}
}

static void die(size_t mib, unsigned threads, struct shared *shared, unsigned number)
{
	pthread_t thread;
	unsigned i;

	if (mib)
		touch(mib << 20);
	pthread_barrier_init(&ready, NULL, threads + 1);
	for (i = 0; i < threads; i++)
		if (pthread_create(&thread, NULL, start, NULL) != 0)
			exit(2);
	pthread_barrier_wait(&ready);
	usleep(20000); /* they come to rest */
	pthread_barrier_wait(&shared->go);
	shared->started_ns[number] = now_ns();
	*(volatile int *)0 = 1;
}

static struct shared *make_shared(unsigned count)
{
	struct shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_barrierattr_t attributes;

	if (shared == MAP_FAILED)
		exit(2);
	pthread_barrierattr_init(&attributes);
	pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&shared->go, &attributes, count);
	return shared;
}

static int reap(const pid_t *pids, unsigned count, const struct shared *shared)
{
	int64_t ended;
	int status;
	pid_t pid = wait(&status);
	unsigned i;

	ended = now_ns();
	for (i = 0; i < count && pids[i] != pid; i++)
		;
	if (i == count || !WIFSIGNALED(status))
		return 2;
	printf("%lld %d %d\n", (long long)(ended - shared->started_ns[i]), (int)pid,
	       WCOREDUMP(status) ? 1 : 0);
	return 0;
}

int main(int argc, char **argv)
{
	size_t mib = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
	unsigned threads = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 3;
	unsigned count = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 1, i;
	struct shared *shared;
	pid_t pids[MAX_COUNT];
	int failed = 0;

	if (count > MAX_COUNT)
		return 64;
	shared = make_shared(count);
	for (i = 0; i < count; i++) {
		pids[i] = fork();
		if (pids[i] < 0)
			return 2;
		if (pids[i] == 0)
			die(mib, threads, shared, i);
	}
	for (i = 0; i < count; i++)
		failed |= reap(pids, count, shared);
	return failed;
}
