/* Library functions with arguments that they do not take: argv[1] says which. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifdef __clang__
#define noipa __attribute__((noinline))
#else
#define noipa __attribute__((noipa))
#endif

struct packet {
	long id, length;
	char data[48];
	char *text;
	FILE *log;
	pthread_mutex_t lock;
};

static struct packet packet;
static struct packet *volatile some = &packet, *volatile none;
static volatile long sink, minus = -5;
static volatile size_t huge = 100000000;

static noipa void die_memcpy_to(struct packet *to, const char *from)
{
	memcpy(to->data, from, 20 + sink);
	sink++;
}

static noipa void die_memcpy_from(struct packet *to, const char *from)
{
	memcpy(to->data, from, 20 + sink);
	sink++;
}

static noipa void die_memcpy_size(struct packet *to, const char *from)
{
	memcpy(to->data, from, huge);
	sink++;
}

static noipa void die_memset_size(struct packet *to)
{
	memset(to->data, 1, minus);
	sink++;
}

static noipa void die_strlen(struct packet *of)
{
	sink = strlen(of->text);
	sink++;
}

static noipa void die_strcpy(struct packet *of)
{
	strcpy(of->data, of->text);
	sink++;
}

static noipa void die_unended(char *page)
{
	memset(page, 'a', 4096);
	sink = strlen(page);
	sink++;
}

static noipa void die_strdup(struct packet *of)
{
	sink = (long)strdup(of->text);
	sink++;
}

static noipa void die_fputs(struct packet *of)
{
	fputs("text", of->log);
	sink++;
}

static noipa void die_lock(struct packet *of)
{
	pthread_mutex_lock(&of->lock);
	sink++;
}

static noipa void die_free(struct packet *of)
{
	free(of->data);
	sink++;
}

static int compare(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static noipa void die_qsort(struct packet *of)
{
	qsort(of->text, 10 + sink, sizeof(int), compare);
	sink++;
}

static noipa void die_good(struct packet *of)
{
	memcpy(of->data, "twelve bytes", 12 + sink);
	abort();
}

int main(int argc, char **argv)
{
	const char *way = argc > 1 ? argv[1] : "";
	char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	munmap(pages + 4096, 4096);
#define WAY(name, ...) \
	if (strcmp(way, #name) == 0) \
	die_##name(__VA_ARGS__)
	WAY(memcpy_to, none, pages);
	WAY(memcpy_from, some, (const char *)none);
	WAY(memcpy_size, some, pages);
	WAY(memset_size, some);
	WAY(strlen, some);
	WAY(strcpy, some);
	WAY(unended, pages);
	WAY(strdup, some);
	WAY(fputs, some);
	WAY(lock, none);
	WAY(free, some);
	WAY(qsort, some);
	WAY(good, some);
	return 1;
}
