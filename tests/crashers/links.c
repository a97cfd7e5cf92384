/* Structures that lead to each other, long arrays and texts, and as many frames as asked for. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEEP(x) __asm__ volatile("" : : "g"(&(x)) : "memory")

struct node {
	struct node *next, *other;
	int value;
};

struct owner {
	struct node first;
	struct owner *self;
};

__attribute__((noinline)) static int die(void)
{
	struct node nodes[4] = { { &nodes[1], &nodes[3], 10 },
				 { &nodes[2], NULL, 11 },
				 { &nodes[0], &nodes[1], 12 },
				 { NULL, NULL, 13 } };
	struct node *ring = &nodes[0];
	struct owner owner = { { NULL, NULL, 14 }, &owner };
	int numbers[1000];
	char text[1000];

	for (int i = 0; i < 1000; i++) {
		numbers[i] = i;
		text[i] = (char)('a' + i % 26);
	}
	KEEP(nodes);
	KEEP(ring);
	KEEP(owner);
	KEEP(numbers);
	KEEP(text);
	raise(SIGSEGV);
	return 0;
}

__attribute__((noinline)) static int descend(int depth)
{
	struct node here = { &here, NULL, depth };
	int result;

	KEEP(here);
	result = depth ? descend(depth - 1) : die();
	KEEP(here);
	return result + here.value;
}

int main(int argc, char **argv)
{
	return descend(argc > 1 ? atoi(argv[1]) : 2);
}
