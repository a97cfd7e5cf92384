/* Failing on purpose: the n-th allocation, write, sync... of the code under test.
 *
 * A test binary is linked with --wrap for every function that inject.c stands before (the list is
 * in meson.build), so only our own rooms' calls are counted; zstd and jansson get our allocator.
 * Not armed, everything passes through. Counts are over all threads; arm and disarm from one. */
#ifndef CSN_UNIT_INJECT_H
#define CSN_UNIT_INJECT_H

#include <stdbool.h>

#include "base/error.h"

enum inject_kind {
	INJECT_MEMORY, /* malloc and all its friends: NULL */
	INJECT_WRITE,  /* write, pwrite, ftruncate, fallocate: ENOSPC */
	INJECT_SHORT,  /* write, pwrite: half of it, and ENOSPC for the rest */
	INJECT_SYNC,   /* fsync, fdatasync: EIO */
	INJECT_NAME,   /* linkat, renameat, unlinkat, unlink, mkdirat, mkdir: EIO */
	INJECT_OPEN,   /* open, openat, fdopendir, mmap: EMFILE */
	INJECT_READ,   /* read, pread, fstat: EIO */
	INJECT_N_KINDS,
};

/* The nth call from now fails (1: the next); on: and every one after it. */
void inject_arm(enum inject_kind kind, unsigned nth, bool on);
/* True when something failed since. */
bool inject_disarm(void);

/* Something to do that may fail. Each test binary has a struct lab of its own. */
struct lab;
struct inject_act {
	void (*before)(struct lab *lab); /* the old state; may be NULL */
	int (*run)(struct lab *lab, struct csn_error *err);
	/* Checks that the state is the old one or the new one; done: that it is the new one. */
	void (*after)(struct lab *lab, bool done);
	unsigned kinds; /* INJECT_MEETS of all that it must meet */
};
#define INJECT_MEETS(kind) (1u << INJECT_##kind)

/* Runs the act with its first, second, third... call of each kind failing, once and from then on,
 * until it ends without meeting the failure. Asserts that a failed act says why by a code that
 * suits, and keeps no descriptor. */
void inject_everything(struct lab *lab, const struct inject_act *act);

/* While set, no file system has O_TMPFILE. */
extern bool inject_no_tmpfile;

#endif
