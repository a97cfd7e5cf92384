/* Shared by the parts of the JSON reader: the state of one reading, and how values and objects are
 * taken from the text into the model. Functions that cannot fail leave a mistake in the text to
 * csn_json_reader_check, and want of memory to out_of_memory. */
#ifndef CSN_SNAPSHOT_READER_INTERNAL_H
#define CSN_SNAPSHOT_READER_INTERNAL_H

#include "base/json_read.h"
#include "snapshot/snapshot.h"

/* A growing array outside the arena; what is read goes into the arena in its final size. */
struct csn_vec {
	void *items; /* owned */
	size_t count, capacity;
};

#define CSN_RECENT_TEXTS 2048

struct csn_snapshot_reader {
	struct csn_json_reader json;
	struct csn_snapshot *snapshot;
	struct csn_arena *arena; /* the snapshot's */
	struct csn_buf scratch;
	struct csn_vec threads, frames, registers, modules, maps, limits, sources, words, withheld;
	size_t n_frames; /* of all threads */
	size_t n_variables, variable_depth;
	bool out_of_memory;
	unsigned seen; /* required members, a bit each */
	/* Names and paths repeat a thousand times; each is kept once while it stays in here. */
	const char *recent[CSN_RECENT_TEXTS];
};

/* A zeroed slot at the end, valid until the next push; NULL with err filled. */
void *csn_vec_push(struct csn_vec *vec, size_t item_bytes, size_t max, const char *what,
		   struct csn_error *err) csn_must_check;
/* Moves what stands in the vec into the arena. NULL for none and when out of memory. */
void *csn_reader_take(struct csn_snapshot_reader *reader, struct csn_vec *vec, size_t item_bytes,
		      size_t *ret_count);
/* A copy of the text in the arena, shared with equal ones of late. */
const char *csn_reader_keep(struct csn_snapshot_reader *reader, const char *text, size_t length);

/* --- scalars; a value of another type is passed over --- */

/* A string, or a number as text; NULL when neither. */
const char *csn_reader_text(struct csn_snapshot_reader *reader);
/* A number, or a string holding a decimal or 0x number. Negative ones are taken as their bits. */
bool csn_reader_u64(struct csn_snapshot_reader *reader, uint64_t *ret_value);
bool csn_reader_i64(struct csn_snapshot_reader *reader, int64_t *ret_value);
bool csn_reader_flag(struct csn_snapshot_reader *reader);

/* --- objects, by tables of their members --- */

enum csn_member_kind {
	CSN_MEMBER_TEXT, /* const char * */
	CSN_MEMBER_U32,
	CSN_MEMBER_U64,
	CSN_MEMBER_I64,
	CSN_MEMBER_INT,
	CSN_MEMBER_FLAG,
	CSN_MEMBER_OTHER, /* read says how */
};

struct csn_member {
	const char *name;
	enum csn_member_kind kind;
	size_t offset;
	int (*read)(struct csn_snapshot_reader *reader, void *object, struct csn_error *err);
};

/* Reads the value of one member into the object, as its row says. */
int csn_reader_member(struct csn_snapshot_reader *reader, const struct csn_member *member,
		      void *object, struct csn_error *err) csn_must_check;
/* The members that the table knows; it ends with a NULL name. FORMAT for what is no object. */
int csn_reader_object(struct csn_snapshot_reader *reader, const struct csn_member *members,
		      void *object, struct csn_error *err) csn_must_check;
/* True behind the bracket; another value is passed over. */
bool csn_reader_enter(struct csn_snapshot_reader *reader, char open);

/* The member "globals" into a struct csn_snapshot. */
int csn_reader_globals(struct csn_snapshot_reader *reader, void *object, struct csn_error *err)
	csn_must_check;
/* The member "variables" into a struct csn_snapshot_frame. */
int csn_reader_variables(struct csn_snapshot_reader *reader, void *object, struct csn_error *err)
	csn_must_check;
/* The member "annotations" into a struct csn_snapshot. */
int csn_reader_annotations(struct csn_snapshot_reader *reader, void *object, struct csn_error *err)
	csn_must_check;
/* The member "threads" into a struct csn_snapshot; a frame's source_path holds the id of a
 * sourceCode. */
int csn_reader_threads(struct csn_snapshot_reader *reader, void *object, struct csn_error *err)
	csn_must_check;

#endif
