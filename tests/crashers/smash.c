/* A buffer on the stack overflows: the return address is text when the function returns. */
#include <string.h>

static volatile unsigned size = 64;

static __attribute__((noinline)) unsigned vuln(void)
{
	volatile char buffer[16];

	for (unsigned i = 0; i < size; i++)
		buffer[i] = 'A';
	return (unsigned)buffer[0];
}

static __attribute__((noinline)) unsigned outer(void)
{
	return vuln() + 1;
}

int main(void)
{
	return (int)outer();
}
