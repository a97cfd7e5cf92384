/* A fault, handled on an alternate stack, whose handler aborts. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

/* What the kernel puts on the stack depends on it: SA_SIGINFO or not. */
#ifndef FLAGS
#define FLAGS 0
#endif

static char stack[65536];

static void handler(int number)
{
	(void)number;
	abort();
}

static __attribute__((noinline)) int touch(volatile int *place)
{
	return *place + 1;
}

int main(int argc, char **argv)
{
	stack_t alternate = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction action = { .sa_handler = handler, .sa_flags = SA_ONSTACK | FLAGS };

	(void)argv;
	sigaltstack(&alternate, NULL);
	sigaction(SIGSEGV, &action, NULL);
	return touch((volatile int *)(long)(argc - 1)) + 1;
}
