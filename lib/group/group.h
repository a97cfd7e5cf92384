/* Grouping g1: which crashes are the same bug, and why.
 *
 * The faulting thread's logical stack (inlined frames and tail calls are frames) is turned into
 * tokens: canonical names (group/canonical.h) of the frames that remain after start-up, abort-path
 * and trampoline frames were dropped and runs and recursion collapsed. The key is SHA-256 over the
 * version, the project's component, the fault family and the first five tokens. Every frame keeps
 * the rule that decided about it, so a group can be explained. What it is not: similarity, merging,
 * user rules.
 *
 * Everything lives in the caller's arena. Pure functions of their input; any thread. */
#ifndef CSN_GROUP_GROUP_H
#define CSN_GROUP_GROUP_H

#include "base/arena.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/json.h"
#include "group/role.h"
#include "snapshot/snapshot.h"

#define CSN_GROUP_VERSION "g1"
#define CSN_GROUP_KEY_TOKENS 5

struct csn_group_frame {
	const char *raw;    /* the document's name; NULL nameless */
	const char *module; /* file name of the object; NULL unknown */
	const char *token;  /* canonical name, or "[module]", or "[unknown]" */
	enum csn_frame_role role;
	const char *rule;  /* what decided: "abort path", "recursion of period 2", "kept" */
	unsigned rewrites; /* enum csn_rewrite bits that made the token */
	bool is_tail;      /* a function that had left by a jump */
	bool kept;         /* a token of the canonical stack */
	bool keyed;        /* one of those that were hashed */
};

struct csn_group {
	char fingerprint[CSN_SHA256_TEXT];
	const char *component;          /* "" by default */
	const char *family;             /* "memory", "abort", "hang", "oom", "other" */
	const char *thread;             /* key of the thread; NULL when the document has none */
	bool low_confidence;            /* fewer than two tokens had names */
	bool given;                     /* the document brought its own fingerprint */
	struct csn_group_frame *frames; /* all of them, innermost first */
	size_t n_frames;
	const char *const *tokens; /* the canonical stack, innermost first */
	size_t n_tokens;
};

/* component may be NULL (none). LIMIT when the arena is too small. */
int csn_group_snapshot(struct csn_arena *arena, const struct csn_snapshot *snapshot,
		       const char *component, struct csn_group *ret_group, struct csn_error *err)
	csn_must_check;

/* The stacks as the attribute texts {"frame":["top","next",...]}, at most
 * CSN_MAX_CALLSTACK_FRAMES of them. */
void csn_group_write_callstack(const struct csn_group *group, struct csn_buf *out);
void csn_group_write_raw_callstack(const struct csn_group *group, struct csn_buf *out);
/* One object: version, fingerprint, family, thread, and per frame role, token, rule. */
void csn_group_explain(const struct csn_group *group, struct csn_json *json);

#endif
