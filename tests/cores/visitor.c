/* A function that calls back: of a library of its own, or linked into foreign.c's program. */
long visit(long (*visitor)(long), long depth);

static volatile long sink;

static __attribute__((noinline)) long descend(long (*visitor)(long), long depth)
{
	if (depth > 0)
		return descend(visitor, depth - 1) + sink;
	return visitor(depth) + 1;
}

long visit(long (*visitor)(long), long depth)
{
	return descend(visitor, depth) + 1;
}
