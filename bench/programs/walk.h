/* How a thread walks through the units of a generated program: each unit's visit() hands the walk
 * on to the next unit, the last one waits or dies. */
#ifndef WALK_H
#define WALK_H

struct walk {
	int (*next)(walk &);
	const unsigned *units;
	unsigned left;
	bool dies;
};

#endif
