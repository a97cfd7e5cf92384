/* The sandbox: a child that reads what strangers wrote, and a parent that opens files for it.
 *
 * The child gives up everything before it reads a byte (confine.h): it can compute, read and write
 * descriptors that it has, and ask. Files reach it through the opener that it is given; behind it
 * the parent opens them and passes the descriptors. The parent trusts nothing that the child says:
 * a request is one kind and one name, counted and checked by the parent's own opener, and whatever
 * the child leaves in its result is bytes to the parent. See docs/adr/0009. */
#ifndef CSN_SANDBOX_SANDBOX_H
#define CSN_SANDBOX_SANDBOX_H

#include "base/error.h"
#include "base/opener.h"

/* What the child does. Runs confined, with the opener that asks the parent; returns an exit status.
 * absent: layers of confinement that this kernel does not have ("landlock"), "" when all are there.
 */
typedef int (*csn_sandbox_fn)(void *context, const struct csn_opener *opener, const char *absent);

struct csn_sandbox_options {
	struct csn_opener opener; /* the parent's: judges and opens what the child asks for */
	csn_sandbox_fn run;
	/* In the child, while it still has all rights: for what needs them and reads nothing
	 * foreign. May be NULL. */
	void (*prepare)(void *context);
	void *context;
	const int *keep; /* descriptors that the child keeps besides 0, 1 and 2; negative: none */
	size_t n_keep;
	uint64_t mapped_bytes; /* that the child will map besides the files it asks for */
	int64_t seconds;       /* after which the child is killed; 0: CSN_MAX_SANDBOX_SECONDS */
};

/* How the child ended. */
struct csn_sandbox_end {
	int status; /* of its exit; -1: it did not exit by itself */
	int signal; /* that killed it; 0 none */
	bool late;  /* we killed it, because its time was over */
};

/* Runs the child to its end. OS: there could be no child. */
int csn_sandbox_run(const struct csn_sandbox_options *options, struct csn_sandbox_end *ret_end,
		    struct csn_error *err) csn_must_check;

/* "was killed by signal 11 (Segmentation fault)", for an end that is no exit. */
void csn_sandbox_describe(const struct csn_sandbox_end *end, char *text, size_t size_bytes);

#endif
