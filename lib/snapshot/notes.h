/* What is noted in a snapshot beside its data: annotations, and what was withheld. Ownership and
 * threads as in snapshot/snapshot.h. */
#ifndef CSN_SNAPSHOT_NOTES_H
#define CSN_SNAPSHOT_NOTES_H

#include "base/error.h"
#include "base/types.h"

struct csn_snapshot;
struct csn_snapshot_thread;

/* Whom an annotation is about, so that viewers can jump there. */
struct csn_annotation_owner {
	const struct csn_snapshot_thread *thread; /* of the same snapshot; NULL: the process */
	size_t frame;                             /* number in its thread, if has_frame */
	bool has_frame;
	const char *variable; /* its path: "conn->peers[3].name"; NULL none */
};

struct csn_annotation {
	const char *name;
	const char *text;
	const char *thread; /* key of the owner's thread; NULL: of the process */
	size_t frame;
	bool has_frame;
	const char *variable;
};

/* What was left out because it looked like a secret: where and by which rule, never what. */
struct csn_withheld {
	const char *rule, *why;
	const char *what;   /* "variable", "global", "attribute", "annotation", "stack" */
	const char *name;   /* of an attribute or annotation; path of a variable; NULL several */
	const char *thread; /* its key; NULL none */
	size_t frame;
	bool has_frame;
	uint64_t count; /* how often; 0 counts as 1 */
};

/* Name and text are copied. */
int csn_snapshot_add_annotation(struct csn_snapshot *snapshot, const char *name, const char *text,
				struct csn_error *err) csn_must_check;
/* owner may be NULL; all texts are copied. */
int csn_snapshot_add_owned_annotation(struct csn_snapshot *snapshot, const char *name,
				      const char *text, const struct csn_annotation_owner *owner,
				      struct csn_error *err) csn_must_check;
/* Adds it to the manifest, copying its texts. Beyond CSN_MAX_WITHHELD_PLACES places only how often
 * each rule withheld what is kept. */
int csn_snapshot_add_withheld(struct csn_snapshot *snapshot, const struct csn_withheld *withheld,
			      struct csn_error *err) csn_must_check;

#endif
