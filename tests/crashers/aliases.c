/* Pointers to one address in many places: argv[1] says how the address cannot be used. */
#include <pthread.h>
#include <semaphore.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#ifdef __clang__
#define noipa __attribute__((noinline))
#else
#define noipa __attribute__((noipa))
#endif

struct record {
	long id;
	long marks[6];
	char name[100];
};

struct holder {
	int kind;
	struct record *record;
};

static sem_t ready;
static volatile long sink;

static noipa void use(struct record *record, char *name)
{
	record->marks[2] = 1;
	sink = *name;
}

static noipa void pass(struct record *inner, int *other)
{
	struct record *same = inner;

	use(inner, inner ? inner->name : NULL);
	sink = other ? *other : same != NULL;
}

/* Another thread that knows the record, and a value that is no pointer. */
static void *watch(void *argument)
{
	struct record *watched = argument;
	struct holder holder = { 7, watched };
	uintptr_t number = (uintptr_t)watched + offsetof(struct record, marks[2]);
	struct record *far = (struct record *)((char *)watched - 100000);

	sem_post(&ready);
	while (sink != 12345)
		pthread_testcancel();
	return (void *)(number + (uintptr_t)far + (uintptr_t)holder.record);
}

int main(int argc, char **argv)
{
	struct record *mine = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct record *unrelated = NULL;
	pthread_t thread;

	if (argc > 1 && strcmp(argv[1], "null") == 0)
		mine = NULL;
	if (argc > 1 && strcmp(argv[1], "gone") == 0)
		munmap(mine, 4096);
	sem_init(&ready, 0, 0);
	pthread_create(&thread, NULL, watch, mine);
	sem_wait(&ready);
	pass(mine, NULL);
	return unrelated != NULL;
}
