/* A pointer to what is gone, kept in many places: argv[1] says what is gone and how it is used
 * ("mapped", "wild", "twice"). */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct peer {
	long id;
	char name[24];
	struct peer *next;
	long *counter;
};

struct session {
	int port;
	struct peer *peers[4];
	struct {
		struct peer *first, *last;
	} list;
	struct session *up;
};

/* Whatever holds the pointer. */
struct session *g_session;
struct peer *g_last;
static struct peer *g_table[8];
static __thread struct peer *t_current;
static pthread_barrier_t ready;

static void *other(void *peer)
{
	struct peer *volatile kept = peer;

	t_current = kept;
	pthread_barrier_wait(&ready);
	pause();
	return kept;
}

static struct session *make(struct session *up)
{
	struct session *session = calloc(1, sizeof(*session));

	session->up = up;
	/* A circle. */
	if (up)
		up->up = session;
	return session;
}

__attribute__((noinline)) static long use(struct peer *gone)
{
	return *gone->counter + gone->id;
}

int main(int argc, char **argv)
{
	struct peer *gone;
	pthread_t thread;
	long result;
	int mapped = argc > 1 && strcmp(argv[1], "mapped") == 0;

	gone = mapped ? mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
		      : malloc(sizeof(*gone));
	memset(gone, 0, sizeof(*gone));
	gone->counter = (long *)0x4141414141414141;
	g_session = make(make(NULL));
	g_session->up->list.first = gone;
	g_session->up->up = g_session;
	g_session->peers[2] = gone;
	g_table[5] = gone;
	g_last = (struct peer *)(void *)&gone->next;
	/* Nobody holds this one. */
	struct peer **lost = malloc(200);
	lost[3] = gone;
	__asm__ volatile("" ::"r"(lost) : "memory");
	lost = NULL;
	pthread_barrier_init(&ready, NULL, 2);
	pthread_create(&thread, NULL, other, gone);
	pthread_barrier_wait(&ready);
	if (mapped)
		munmap(gone, 4096);
	else
		free(gone);
	if (argc > 1 && strcmp(argv[1], "twice") == 0)
		free(gone);
	result = use(gone);
	return (int)result;
}
