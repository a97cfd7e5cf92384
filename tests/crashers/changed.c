/* A program that changes itself: argv[1] says how. It then says "ready" and stays. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef void (*function)(void);

__attribute__((noinline)) int victim(int n)
{
	return n * 3 + 7;
}

static void constructed(void)
{
	__asm__ volatile("");
}

__attribute__((section(".init_array"), used)) static function extra = constructed;
extern function __init_array_start[], __init_array_end[];

static void *page(int protection)
{
	void *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	memset(map, 0xc3, 4096); /* ret */
	mprotect(map, 4096, protection);
	return map;
}

/* Pages that hold size bytes. */
static void allow(void *address, size_t size, int protection)
{
	uintptr_t start = (uintptr_t)address & ~(uintptr_t)4095;

	if (mprotect((void *)start, (uintptr_t)address + size - start, protection))
		exit(3);
}

/* Overwrites the slot that the call below goes through. */
static void change_entry(void *target)
{
	/* call *slot(%rip) */
	uint8_t *at;
	__asm__ volatile("leaq 1f(%%rip), %0\n\tjmp 2f\n1:\tcall *getpagesize@GOTPCREL(%%rip)\n2:"
			 : "=r"(at));
	int32_t distance;
	memcpy(&distance, at + 2, 4);
	function *slot = (function *)(uintptr_t)(at + 6 + distance);
	allow(slot, sizeof(*slot), PROT_READ | PROT_WRITE);
	*slot = (function)(uintptr_t)target;
}

static void change_code(void)
{
	uint8_t *code = (uint8_t *)(uintptr_t)victim;

	allow(code, 8, PROT_READ | PROT_WRITE | PROT_EXEC);
	code[1] ^= 1;
	code[2] ^= 1;
	allow(code, 8, PROT_READ | PROT_EXEC);
}

static void change_library(void)
{
	uint8_t *code = (uint8_t *)(uintptr_t)qsort;

	allow(code, 8, PROT_READ | PROT_WRITE | PROT_EXEC);
	code[0] = 0xcc;
	allow(code, 8, PROT_READ | PROT_EXEC);
}

static void change_constructor(void)
{
	size_t size = (size_t)((char *)__init_array_end - (char *)__init_array_start);

	allow(__init_array_start, size, PROT_READ | PROT_WRITE);
	for (function *at = __init_array_start; at < __init_array_end; at++)
		if (*at == extra)
			*at = (function)page(PROT_READ | PROT_EXEC);
	allow(__init_array_start, size, PROT_READ);
}

static int executable_stack(int (*call)(int))
{
	allow(&call, sizeof(call), PROT_READ | PROT_WRITE | PROT_EXEC);
	return call(1);
}

int main(int argc, char **argv)
{
	const char *way = argc > 1 ? argv[1] : "";

	if (strcmp(way, "code") == 0)
		change_code();
	else if (strcmp(way, "library") == 0)
		change_library();
	else if (strcmp(way, "entry") == 0)
		change_entry(page(PROT_READ | PROT_EXEC));
	else if (strcmp(way, "data") == 0)
		change_entry(malloc(64));
	else if (strcmp(way, "constructor") == 0)
		change_constructor();
	else if (strcmp(way, "map") == 0)
		page(PROT_READ | PROT_WRITE | PROT_EXEC);
	else if (strcmp(way, "stack") == 0)
		executable_stack(victim);
	else if (strcmp(way, "jit") == 0)
		page(PROT_READ | PROT_EXEC);
	puts("ready");
	fflush(stdout);
	for (;;)
		pause();
}
