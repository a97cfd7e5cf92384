/* What was left out of a capture, and why: the `truncated` member of the CORESNAP note. */
#ifndef CSN_CAPTURE_OMISSION_H
#define CSN_CAPTURE_OMISSION_H

#include "base/types.h"

#define CSN_MAX_OMISSIONS 64

struct csn_omission {
	const char *what, *why; /* static words, docs/formats/coresnap-note.md lists them */
	const char *name;       /* static; NULL */
	int64_t tid;            /* 0 none */
	csn_addr address;       /* 0 none */
	uint64_t bytes;         /* 0 unknown */
};

struct csn_omissions {
	struct csn_omission items[CSN_MAX_OMISSIONS];
	size_t count;
	uint64_t more; /* that found no room */
};

/* Adds one, or counts it when there is no room. */
static inline void csn_omit(struct csn_omissions *omissions, struct csn_omission omission)
{
	if (omissions->count < CSN_MAX_OMISSIONS)
		omissions->items[omissions->count++] = omission;
	else
		omissions->more++;
}

#endif
