/* A crash on a stack of its own: the coroutine was begun by makecontext. */
#include <stdlib.h>
#include <ucontext.h>

static ucontext_t home, other;
static char stack[65536];
static volatile int *volatile nowhere;

static __attribute__((noinline)) void fault(void)
{
	*nowhere = 1;
}

static void coroutine(void)
{
	fault();
	nowhere = NULL;
}

int main(void)
{
	getcontext(&other);
	other.uc_stack.ss_sp = stack;
	other.uc_stack.ss_size = sizeof(stack);
	other.uc_link = &home;
	makecontext(&other, coroutine, 0);
	swapcontext(&home, &other);
	return 0;
}
