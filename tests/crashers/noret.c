/* A call that never returns is the last instruction of its function; its callers have frames of
 * changing size and of their own alignment. */
#include <alloca.h>
#include <stdlib.h>
#include <string.h>

static volatile int sink;

__attribute__((noinline, noreturn)) static void die(void)
{
	sink = 1;
	abort();
}

__attribute__((noinline)) static void last(void)
{
	sink = 2;
	die();
}

__attribute__((noinline)) static int grown(size_t size)
{
	char *bytes = alloca(size);

	memset(bytes, 1, size);
	if (bytes[size / 2])
		last();
	return bytes[0];
}

__attribute__((noinline)) static int aligned(int value)
{
	_Alignas(128) volatile int block[64];

	block[value] = value;
	return grown(100 + (size_t)block[value]) + block[value];
}

int main(int argc, char **argv)
{
	(void)argv;
	return aligned(argc) + 1;
}
