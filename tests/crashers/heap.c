/* Errors of heap memory, one by argument, and a table of what is in which state.
 *
 * "heap states" and "heap sleep" make chunks of every state, in the main thread and in a second
 * one, print a line for each ("POINTER STATE SIZE LIST") and abort or sleep. Everything else is the
 * name of an error below; what is printed before it is the memory that the error is about. */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *volatile kept[256]; /* nothing is optimised away */
static int n_kept;
static char global[64];
static volatile int sink;

static void say(const volatile void *pointer, const char *state, size_t size, const char *list)
{
	printf("%p %s %zu %s\n", (const void *)pointer, state, size, list);
	fflush(stdout);
}

static void *make(size_t size)
{
	void *block = malloc(size);

	memset(block, 0x11, size);
	kept[n_kept++ % 256] = block;
	return block;
}

/* So that neighbours do not become one. */
static void guard(void)
{
	make(24);
}

static void release(volatile void *block)
{
	free((void *)block);
}

/* --- states --- */

/* First everything is allocated: what is free would be used for what follows. */
static void states(void)
{
	static const size_t sizes[] = { 1, 24, 25, 100, 1000, 1032, 1033, 5000, 100000 };
	char *fast[10], *small[9], *large, *unsorted, *cached, *last, *block;
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		say(make(sizes[i]), "live", sizes[i], "-");
	block = make(300000);
	say(block, "live", 300000, "mmapped");
	say(block + 100000, "live", 300000, "mmapped");
	block = aligned_alloc(256, 512);
	say(block, "live", 512, "-");
	block = make(500);
	say(block + 300, "live", 500, "-");
	cached = make(70);
	for (i = 0; i < 10; i++)
		fast[i] = make(40);
	for (i = 0; i < 9; i++) {
		small[i] = make(600);
		guard();
	}
	large = make(3000);
	guard();
	unsorted = make(7000);
	guard();
	for (i = 0; i < 9; i++)
		release(small[i]);
	release(large);
	/* Larger than all that is free: everything is sorted into its bin. */
	make(60000);
	last = make(9000);
	release(last);
	release(cached);
	for (i = 0; i < 10; i++)
		release(fast[i]);
	release(unsorted);
	for (i = 0; i < 9; i++)
		say(small[i], "freed", 600, i < 7 ? "tcache" : "small bin");
	say(large, "freed", 3000, "large bin");
	say(last + 64, "top", 0, "-");
	say(cached, "freed", 70, "tcache");
	say(cached + 9, "freed", 70, "tcache");
	for (i = 0; i < 10; i++)
		say(fast[i], "freed", 40, i < 7 ? "tcache" : "fastbin");
	say(unsorted, "freed", 7000, "unsorted bin");
	say(unsorted + 4000, "freed", 7000, "unsorted bin");
}

static void *second(void *turn)
{
	char *volatile mine = make(10); /* so that the stack leads to the heap */
	char local[64];

	pthread_barrier_wait(turn);
	say(local, "not", 0, "-");
	states();
	pthread_barrier_wait(turn);
	for (;;)
		pause();
	return NULL;
}

/* One after the other: a thread that begins allocates from the main one's memory. */
static void all_states(void)
{
	static pthread_barrier_t turn; /* the other thread may still be in it */
	char *volatile mine = make(10);
	pthread_t thread;
	char local[64];

	pthread_barrier_init(&turn, NULL, 2);
	pthread_create(&thread, NULL, second, &turn);
	say(local, "not", 0, "-");
	say(global, "not", 0, "-");
	say((const void *)(uintptr_t)all_states, "not", 0, "-");
	say((const void *)16, "not", 0, "-");
	states();
	pthread_barrier_wait(&turn);
	pthread_barrier_wait(&turn);
}

static void die_states(void)
{
	all_states();
	abort();
}

static void die_sleep(void)
{
	all_states();
	printf("ready\n");
	fflush(stdout);
	for (;;)
		pause();
}

/* --- errors --- */

static void die_double_free_tcache(void)
{
	char *block = make(24);

	say(block, "freed", 24, "tcache");
	release(block);
	release(block);
}

static void die_double_free_fastbin(void)
{
	char *blocks[8];
	int i;

	for (i = 0; i < 8; i++)
		blocks[i] = make(40);
	guard();
	for (i = 0; i < 8; i++)
		release(blocks[i]);
	say(blocks[7], "freed", 40, "fastbin");
	release(blocks[7]);
}

static void die_double_free_large(void)
{
	char *block = make(3000);

	guard();
	say(block, "freed", 3000, "unsorted bin");
	release(block);
	release(block);
}

static void die_double_free_top(void)
{
	char *block = make(3000);

	say(block, "top", 3000, "-");
	release(block);
	release(block);
}

static void die_free_stack(void)
{
	char room[64] = "";

	guard();
	say(room, "not", 64, "-");
	release(room + 16);
}

static void die_free_global(void)
{
	guard();
	say(global, "not", 64, "-");
	release(global);
}

static void die_free_middle(void)
{
	char *block = make(200);

	say(block, "live", 200, "-");
	release(block + 20);
}

static void die_realloc_after_free(void)
{
	char *block = make(2000);

	guard();
	release(block);
	say(block, "freed", 2000, "unsorted bin");
	kept[0] = realloc(block, 8000);
	guard();
	release(block);
}

struct object {
	struct object *next;
	void (*method)(struct object *object);
	int value;
};

static void method(struct object *object)
{
	sink = object->value;
}

static struct object *make_object(void)
{
	struct object *object = make(sizeof(*object));

	object->next = object;
	object->method = method;
	object->value = 1;
	return object;
}

/* The link of the cache is no pointer. */
static void die_use_read(void)
{
	struct object *object = make_object(), *other = make_object();

	say(object, "freed", sizeof(*object), "tcache");
	release(other);
	release(object);
	sink = object->next->value;
}

static void die_use_write(void)
{
	struct object *object = make_object(), *other = make_object();

	say(object, "freed", sizeof(*object), "tcache");
	release(other);
	release(object);
	object->next->value = 1;
}

static void die_use_call(void)
{
	struct object *object = make_object(), *other = make_object();

	say(object, "freed", sizeof(*object), "tcache");
	release(other);
	release(object);
	object->method(object);
}

static void die_use_large(void)
{
	char *block = make(3000);
	void (*call)(void);

	guard();
	say(block, "freed", 3000, "unsorted bin");
	release(block);
	memcpy(&call, block, sizeof(call));
	call();
}

/* Run with MALLOC_PERTURB_. */
static void die_use_perturbed(void)
{
	struct object **list = make(2000);

	guard();
	say(list, "freed", 2000, "unsorted bin");
	release(list);
	sink = list[20]->value;
}

static void die_overrun_one(void)
{
	char *block = make(1304), *next = make(1304);

	guard();
	say(block, "live", 1304, "-");
	block[1304] = 0;
	release(next);
}

static void die_overrun_many(void)
{
	char *block = make(24), *next = make(2000);

	guard();
	say(block, "live", 24, "-");
	memset(block, 'A', 48);
	release(next);
}

static void die_underrun(void)
{
	char *before = make(24), *block = make(2000);

	guard();
	say(before, "live", 24, "-");
	memset(block - 16, 'A', 16);
	release(block);
}

static void die_top(void)
{
	char *block = make(24);

	say(block, "live", 24, "-");
	memset(block, 'A', 40);
	kept[0] = malloc(5000);
}

static void die_tcache_link(void)
{
	char *block = make(24), *other = make(24);

	say(block, "freed", 24, "tcache");
	release(other);
	release(block);
	/* Links are kept with the place of the chunk over them; what this one leads to has no
	 * alignment, wherever the heap is. */
	*(uintptr_t *)block = (uintptr_t)block >> 12 ^ 0x4141414141414148;
	kept[0] = malloc(24);
	kept[1] = malloc(24);
	kept[2] = malloc(24);
}

static void die_unsorted(void)
{
	char *block = make(2000);

	guard();
	say(block, "freed", 2000, "unsorted bin");
	release(block);
	memset(block, 'A', 16);
	kept[0] = malloc(5000);
}

static void die_mapped(void)
{
	char *block = make(300000), *next;

	next = make(300000);
	say(next, "live", 300000, "mmapped");
	/* The newer mapping lies below the older one. */
	memset(next, 'A', (size_t)(block - next));
	release(block);
}

/* The error in a second thread, whose memory is not the main arena's. */
static void *run(void *die)
{
	((void (*)(void))(uintptr_t)die)();
	return NULL;
}

static void in_thread(void (*die)(void))
{
	pthread_t thread;

	guard();
	pthread_create(&thread, NULL, run, (void *)(uintptr_t)die);
	pthread_join(thread, NULL);
}

static void die_thread_double_free(void)
{
	in_thread(die_double_free_large);
}

static void die_thread_use_read(void)
{
	in_thread(die_use_read);
}

static void die_thread_overrun(void)
{
	in_thread(die_overrun_many);
}

#define WAY(name) \
	{ \
#name, die_##name \
	}

static const struct {
	const char *name;
	void (*die)(void);
} ways[] = {
	WAY(states),
	WAY(sleep),
	WAY(double_free_tcache),
	WAY(double_free_fastbin),
	WAY(double_free_large),
	WAY(double_free_top),
	WAY(free_stack),
	WAY(free_global),
	WAY(free_middle),
	WAY(realloc_after_free),
	WAY(use_read),
	WAY(use_write),
	WAY(use_call),
	WAY(use_large),
	WAY(use_perturbed),
	WAY(overrun_one),
	WAY(overrun_many),
	WAY(underrun),
	WAY(top),
	WAY(tcache_link),
	WAY(unsorted),
	WAY(mapped),
	WAY(thread_double_free),
	WAY(thread_use_read),
	WAY(thread_overrun),
};

int main(int argc, char **argv)
{
	static char buffer[4096]; /* none on the heap */

	setvbuf(stdout, buffer, _IOLBF, sizeof(buffer));
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (argc > 1 && strcmp(argv[1], ways[i].name) == 0)
			ways[i].die();
	return 1;
}
