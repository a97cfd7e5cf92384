/* Dies with lists and arrays at hand, for modules that walk them: one that ends, one that leads
 * back into itself, one that leads out of memory, a ring with a head, and an array of structures.
 */
#include <signal.h>
#include <stdlib.h>

struct node {
	int value;
	const char *name;
	struct node *next;
};

struct link {
	struct link *next, *prev;
};

struct job {
	unsigned id : 12, urgent : 1;
	double weight;
	char label[16];
	struct link link;
};

struct table {
	size_t used;
	struct job jobs[4];
	int matrix[2][3];
};

struct table global_table = { .used = 3 };

static struct node *make_list(int length)
{
	struct node *first = NULL;

	for (int i = length; i > 0; i--) {
		struct node *node = malloc(sizeof(*node));

		node->value = i * 10;
		node->name = i % 2 ? "odd" : "even";
		node->next = first;
		first = node;
	}
	return first;
}

static struct node *last_of(struct node *node)
{
	while (node->next)
		node = node->next;
	return node;
}

__attribute__((noinline)) static int die(struct node *whole, struct node *cyclic,
					 struct node *broken, struct node *empty, int depth)
{
	struct link head = { &head, &head };
	struct table table = { .used = 2, .matrix = { { 1, 2, 3 }, { 4, 5, 6 } } };
	int numbers[5] = { 5, 4, 3, 2, 1 };

	for (int i = 0; i < 3; i++) {
		struct job *job = &table.jobs[i];

		*job = (struct job){ .id = 100 + (unsigned)i, .urgent = i == 1, .weight = 0.5 * i };
		job->label[0] = (char)('a' + i);
		job->link = (struct link){ &head, head.prev };
		head.prev->next = &job->link;
		head.prev = &job->link;
	}
	raise(SIGSEGV);
	return whole->value + cyclic->value + broken->value + (empty != NULL) + numbers[depth] +
	       (int)table.used + (head.next == &head);
}

int main(void)
{
	struct node *whole = make_list(5), *cyclic = make_list(4), *broken = make_list(3);

	last_of(cyclic)->next = cyclic->next;
	last_of(broken)->next = (struct node *)0x1234;
	return die(whole, cyclic, broken, NULL, 1);
}
