/* Faults whose expression is known: argv[1] says which. Each function dies in one line, which the
 * comment behind it repeats as a debugger's user would write it. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __clang__
#define noipa __attribute__((noinline))
#else
#define noipa __attribute__((noipa))
#endif

struct address {
	int port;
	char host[20];
};

struct peer {
	long id;
	struct address from;
	struct peer *next;
	int counts[4];
};

struct conn {
	long id;
	struct {
		int state;
		union {
			long big;
			char small[8];
		};
	} in;
	struct peer *peer;
	struct address peers[3];
	void (*close)(struct conn *conn);
	unsigned flag : 1;
};

struct table {
	int size;
	const char **names;
	struct conn *conns;
};

static volatile int zero;
static struct conn *volatile current;
int shared[8];
volatile long sink;
int *outside;
static struct conn a_conn;
static struct peer a_peer;
static struct table a_table;
static int a_number;
/* What is passed, which no compiler knows. */
static void *volatile nothing;
static struct conn *volatile some_conn = &a_conn;
static struct peer *volatile some_peer = &a_peer;
static struct table *volatile some_table = &a_table;
static int *volatile some_number = &a_number;
static volatile int far = 100000000;

static noipa void die_member(struct conn *conn)
{
	conn->peer = NULL; /* conn->peer */
}

static noipa void die_inner(struct conn *conn)
{
	conn->in.state = 1; /* conn->in.state */
}

static noipa void die_union(struct conn *conn)
{
	conn->in.big = 1; /* */
}

static noipa void die_array(struct conn *conn)
{
	conn->peers[2].port = 1; /* conn->peers[2].port */
}

static noipa void die_chain(struct conn *conn)
{
	conn->peer->next->id = 1; /* conn->peer->next->id */
}

static noipa void die_element(struct peer *peers, long i)
{
	peers[i].from.port = 1; /* peers[100000000].from.port */
}

static noipa void die_number(int *number)
{
	*number = 1; /* *number */
}

static noipa void die_index(int *numbers, int i)
{
	numbers[i] = 1; /* numbers[100000000] */
}

static noipa void die_back(int *numbers, int i)
{
	numbers[-i] = 1; /* numbers[-100000000] */
}

static noipa void die_local(int i)
{
	volatile int room[4] = { 0 };

	sink = room[i]; /* room[100000000] */
}

static noipa void die_shared(int i)
{
	shared[i] = 1; /* shared[100000000] */
}

static noipa void die_tables(struct table *table)
{
	sink = table->names[1][0]; /* *table->names[1] */
}

static noipa void die_global(void)
{
	sink = current->peers[1].host[3]; /* current->peers[1].host[3] */
}

static noipa void die_outside(void)
{
	*outside = 1; /* *outside */
}

static noipa void die_static(void)
{
	static int *volatile own;

	*own = 1; /* *own */
}

static noipa void die_call(struct conn *conn)
{
	conn->close(conn); /* conn->close */
	sink++;
}

static noipa void die_table_call(struct table *table)
{
	table->conns[1].close(NULL); /* table->conns[1].close */
	sink++;
}

static noipa void die_divide(struct conn *conn)
{
	sink = 100 / conn->id; /* conn->id */
}

static noipa void die_remainder(struct peer *peer, int i)
{
	sink = 100 % peer->counts[i]; /* peer->counts[3] */
}

static noipa struct conn *find(int number)
{
	return number ? NULL : current;
}

/* Another NULL pointer of the same type is at hand: it is not the one. */
static noipa void die_other(struct conn *conn)
{
	find(1)->peer = NULL; /* */
	sink = (long)conn;
}

static noipa void die_walk(struct peer *peer)
{
	for (;; peer = peer->next)
		sink += peer->id; /* peer->id */
}

/* What may come from two places is named after neither. */
static noipa void die_either(struct conn *a, struct conn *b)
{
	(zero ? a : b)->peer = NULL; /* */
	sink = (long)a + (long)b;
}

int main(int argc, char **argv)
{
	const char *way = argc > 1 ? argv[1] : "";
	static const char *names[2] = { "a", NULL };
	static struct conn conns[2];

	a_conn.peer = &a_peer;
	a_table.names = names;
	a_table.conns = conns;
	conns[1].close = (void (*)(struct conn *))0x4141414141414141;
#define WAY(name, ...) \
	if (strcmp(way, #name) == 0) \
	die_##name(__VA_ARGS__)
	WAY(member, nothing);
	WAY(inner, nothing);
	WAY(union, nothing);
	WAY(array, nothing);
	WAY(chain, some_conn);
	WAY(element, some_peer, far);
	WAY(number, nothing);
	WAY(index, some_number, far);
	WAY(back, some_number, far);
	WAY(local, far);
	WAY(shared, far);
	WAY(tables, some_table);
	WAY(global);
	WAY(outside);
	WAY(static);
	WAY(call, some_conn);
	WAY(table_call, some_table);
	WAY(divide, some_conn);
	WAY(remainder, some_peer, 3);
	WAY(other, nothing);
	WAY(walk, some_peer);
	WAY(either, nothing, nothing);
	return 1;
}
