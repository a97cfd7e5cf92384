/* Many ways to die: argv[1] says which. */
#include <assert.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const char constant[] = "constant";
static volatile int zero;

static void die_assert(void)
{
	assert(zero == 1);
}

static void die_smash(void)
{
	char small[8];
	volatile size_t size = 64;

	for (size_t i = 0; i < size; i++)
		((volatile char *)small)[i] = 'x';
}

static void die_fortify(void)
{
	char small[8];
	volatile size_t size = 64;

	memcpy(small, constant, size);
	printf("%s", small);
}

static void die_divide(void)
{
	printf("%d", 5 / zero);
}

static void die_readonly(void)
{
	*(volatile char *)(unsigned long)constant = 1;
}

static void die_noncanonical(void)
{
	volatile unsigned long address = 0x4141414141414141;

	printf("%d", *(volatile int *)address);
}

static void die_badjump(void)
{
	volatile unsigned long address = 0x414141414140;

	((void (*)(void))address)();
}

static void die_data_jump(void)
{
	static char data[64];

	((void (*)(void))(unsigned long)data)();
}

static void die_bus(void)
{
	int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);
	char *map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);

	printf("%d", map[0]);
}

static void die_illegal(void)
{
	__builtin_trap();
}

static void die_trap(void)
{
	__asm__ volatile("int3");
}

static void die_heap(void)
{
	char *volatile block = malloc(100);

	free(block);
	free(block);
}

static void die_memset(void)
{
	volatile size_t size = 300;
	static char *volatile place;

	memset(place, 1, size);
}

static void die_kill(void)
{
	kill(getpid(), SIGSEGV);
	pause();
}

static const struct {
	const char *name;
	void (*die)(void);
} ways[] = {
	{ "assert", die_assert },     { "smash", die_smash },
	{ "fortify", die_fortify },   { "divide", die_divide },
	{ "readonly", die_readonly }, { "noncanonical", die_noncanonical },
	{ "badjump", die_badjump },   { "datajump", die_data_jump },
	{ "bus", die_bus },           { "illegal", die_illegal },
	{ "trap", die_trap },         { "heap", die_heap },
	{ "kill", die_kill },         { "memset", die_memset },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (argc > 1 && strcmp(argv[1], ways[i].name) == 0)
			ways[i].die();
	return 1;
}
