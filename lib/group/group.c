/* How a stack becomes a key (contracts 6):
 *
 *	1. every frame gets a canonical token and a role from the table;
 *	2. frames that tell how the process died, not why, are dropped: for an abort everything
 *	   down to the last frame of the abort path, start-up, trampolines, and a signal handler
 *	   that only raised the signal again;
 *	3. a run of allocator, C library or event-loop frames is its outermost one, the function
 *	   that the program called; recursion up to period four is one turn of it;
 *	4. the first five tokens are hashed with the fault family. Signals and read or write are
 *	   left out: the same bug is a segv from one compiler and a trap from another. */
#include "group/group.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/text.h"
#include "group/canonical.h"

#define PERIOD_MAX 4
#define LOOK_BACK 8

static int full(struct csn_error *err)
{
	return csn_fail(err, CSN_E_LIMIT, "the stack is too large to group");
}

/* ---- fault family ---- */

struct family_row {
	const char *word, *family;
};

static const char *family_find(const struct family_row *rows, size_t n_rows, const char *word)
{
	for (size_t i = 0; i < n_rows; i++)
		if (strcmp(rows[i].word, word) == 0)
			return rows[i].family;
	return NULL;
}

static const char *find_family(const struct csn_snapshot *snapshot)
{
	/* What outranks the signal, the signal, and what stands in for it, in this order. */
	static const struct family_row over[] = { { "oom", "oom" }, { "hang", "hang" } };
	static const struct family_row signals[] = {
		{ "SIGSEGV", "memory" }, { "SIGBUS", "memory" }, { "SIGILL", "memory" },
		{ "SIGTRAP", "memory" }, { "SIGFPE", "memory" }, { "SIGABRT", "abort" },
	};
	static const struct family_row words[] = {
		{ "segv", "memory" }, { "bus", "memory" }, { "ill", "memory" },
		{ "trap", "memory" }, { "fpe", "memory" }, { "abort", "abort" },
	};
	const char *family = NULL;

	for (size_t i = 0; i < snapshot->n_classifiers && !family; i++)
		family = family_find(over, csn_countof(over), snapshot->classifiers[i]);
	if (!family && snapshot->fault.present && snapshot->fault.signal_name)
		family = family_find(signals, csn_countof(signals), snapshot->fault.signal_name);
	for (size_t i = 0; i < snapshot->n_classifiers && !family; i++)
		family = family_find(words, csn_countof(words), snapshot->classifiers[i]);
	return family ? family : "other";
}

/* ---- frames ---- */

/* Names of these are used as they are: the canonical rules are for compiled languages. */
static bool is_managed(const char *language)
{
	static const char *const languages[] = { "nodejs", "js",   "javascript", "python",
						 "java",   "ruby", "php",        "csharp" };

	for (size_t i = 0; language && i < csn_countof(languages); i++)
		if (strcmp(languages[i], language) == 0)
			return true;
	return false;
}

/* "libfoo.so.1.2" is "[libfoo.so]": an update is not another bug. */
static char *module_token(struct csn_arena *arena, const char *module)
{
	const char *end = module ? strstr(module, ".so.") : NULL;

	if (!module || !*module)
		return csn_arena_strdup(arena, "[unknown]");
	return csn_arena_sprintf(arena, "[%.*s]",
				 end ? (int)(end + 3 - module) : (int)strlen(module), module);
}

static const struct csn_snapshot_thread *pick_thread(const struct csn_snapshot *snapshot)
{
	const struct csn_snapshot_thread *thread = csn_snapshot_get_main_thread(snapshot);

	if (thread && thread->fault)
		return thread;
	for (size_t i = 0; i < snapshot->n_threads; i++)
		if (snapshot->threads[i].fault)
			return &snapshot->threads[i];
	return thread;
}

/* A local function of a stripped runtime library: what its named neighbours are, it is too. */
static bool is_nameless_runtime(const struct csn_group_frame *frame)
{
	return !frame->raw && csn_module_is_runtime(frame->module);
}

static int fill_frame(struct csn_arena *arena, const struct csn_snapshot_frame *from, bool managed,
		      struct csn_group_frame *frame, struct csn_error *err)
{
	const char *name = from->function;
	char *token;

	frame->module = csn_last_part(from->library);
	frame->rule = "kept";
	frame->kept = true;
	if (!name || !*name || strcmp(name, "??") == 0) {
		token = module_token(arena, frame->module);
		frame->role = CSN_ROLE_UNKNOWN;
	} else if (managed) {
		frame->raw = name;
		token = csn_arena_strdup(arena, name);
		frame->role = CSN_ROLE_APP;
	} else {
		frame->raw = name;
		token = csn_canonical_name(arena, name, frame->module, &frame->rewrites);
		if (token)
			frame->role = csn_role_find(name, token, frame->module);
	}
	if (from->signal_frame)
		frame->role = CSN_ROLE_SIGNAL;
	frame->is_tail = from->kind == CSN_FRAME_TAIL;
	frame->token = token;
	return token ? 0 : full(err);
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* A deep recursion has few names: what was worked out a few frames ago is taken over. */
static bool copy_recent(const struct csn_snapshot_frame *from, struct csn_group_frame *frames,
			size_t index)
{
	for (size_t back = 1; back <= LOOK_BACK && back <= index; back++) {
		const struct csn_group_frame *recent = &frames[index - back];

		if (!recent->raw || !same_text(from->function, recent->raw) ||
		    !same_text(csn_last_part(from->library), recent->module) ||
		    from->signal_frame || recent->role == CSN_ROLE_SIGNAL ||
		    recent->is_tail != (from->kind == CSN_FRAME_TAIL))
			continue;
		frames[index] = *recent;
		return true;
	}
	return false;
}

static void drop(struct csn_group_frame *frame, const char *rule)
{
	frame->kept = false;
	frame->rule = rule;
}

static void drop_from_top(struct csn_group *group, size_t end, const char *rule)
{
	for (size_t i = 0; i < end; i++)
		if (group->frames[i].kept)
			drop(&group->frames[i], rule);
}

static bool is_library(enum csn_frame_role role)
{
	return role == CSN_ROLE_ALLOCATOR || role == CSN_ROLE_LEAF || role == CSN_ROLE_DISPATCH;
}

/* Tail calls of libraries are known only where their debug information is installed, which must
 * not make another group. */
static void drop_library_tails(struct csn_group *group)
{
	for (size_t i = 0; i < group->n_frames; i++)
		if (group->frames[i].is_tail && is_library(group->frames[i].role))
			drop(&group->frames[i], "tail call of a library");
}

/* A handler that ends in raise() or abort() only passed the signal on. */
static void drop_handler(struct csn_group *group)
{
	for (size_t i = 1; i < group->n_frames; i++) {
		if (group->frames[i].role != CSN_ROLE_SIGNAL)
			continue;
		for (size_t k = 0; k < i; k++) {
			if (group->frames[k].role != CSN_ROLE_ABORT)
				continue;
			drop_from_top(group, i, "signal handler that raised again");
			return;
		}
	}
}

static void drop_abort_path(struct csn_group *group)
{
	bool aborting = strcmp(group->family, "abort") == 0;
	size_t last = SIZE_MAX;

	for (size_t i = 0; i < group->n_frames; i++) {
		struct csn_group_frame *frame = &group->frames[i];

		if (!frame->kept)
			continue;
		if (frame->role == CSN_ROLE_SIGNAL)
			break;
		/* A trap instruction inside the abort path is an abort too. */
		aborting |= last == SIZE_MAX && frame->role == CSN_ROLE_ABORT;
		if (frame->role == CSN_ROLE_ABORT)
			last = i;
		else if (last == SIZE_MAX && !aborting)
			break;
	}
	if (last == SIZE_MAX)
		return;
	while (last + 1 < group->n_frames && is_nameless_runtime(&group->frames[last + 1]))
		last++;
	drop_from_top(group, last + 1, "abort path");
}

/* A thread's first function in libstdc++ has no name when that is stripped. */
static void drop_start(struct csn_group *group)
{
	bool outermost = true;

	for (size_t i = group->n_frames; i-- > 0 && outermost;) {
		struct csn_group_frame *frame = &group->frames[i];

		outermost = frame->role == CSN_ROLE_START || is_nameless_runtime(frame);
		if (frame->kept && outermost && i > 0)
			drop(frame, "runtime start");
	}
}

static void drop_roles(struct csn_group *group)
{
	static const char *const dropped[] = {
		[CSN_ROLE_TRAMPOLINE] = "trampoline", [CSN_ROLE_SIGNAL] = "signal trampoline",
		[CSN_ROLE_ABORT] = "abort path",      [CSN_ROLE_START] = "runtime start",
		[CSN_ROLE_DISPATCH] = NULL,
	};

	for (size_t i = 0; i < group->n_frames; i++) {
		struct csn_group_frame *frame = &group->frames[i];

		if (frame->kept && dropped[frame->role])
			drop(frame, dropped[frame->role]);
	}
}

/* ---- the canonical stack ---- */

static bool runs_together(enum csn_frame_role a, enum csn_frame_role b)
{
	return a == b && is_library(a);
}

/* Indices of kept frames as they are pushed; collapsing pops. */
struct stack {
	struct csn_group *group;
	size_t *at;
	size_t count;
};

static bool repeats(const struct stack *stack, size_t period)
{
	if (stack->count < 2 * period)
		return false;
	for (size_t i = 0; i < period; i++) {
		size_t a = stack->at[stack->count - 1 - i];
		size_t b = stack->at[stack->count - 1 - period - i];

		if (strcmp(stack->group->frames[a].token, stack->group->frames[b].token) != 0)
			return false;
	}
	return true;
}

static void push(struct stack *stack, size_t index)
{
	static const char *const rules[] = { NULL, "recursion", "recursion of period 2",
					     "recursion of period 3", "recursion of period 4" };
	struct csn_group_frame *frames = stack->group->frames;

	if (stack->count > 0 &&
	    runs_together(frames[stack->at[stack->count - 1]].role, frames[index].role))
		drop(&frames[stack->at[--stack->count]], "run: the caller stands for it");
	stack->at[stack->count++] = index;
	for (size_t period = 1; period <= PERIOD_MAX; period++) {
		if (!repeats(stack, period))
			continue;
		for (size_t i = 0; i < period; i++)
			drop(&frames[stack->at[--stack->count]], rules[period]);
		return;
	}
}

static int make_tokens(struct csn_arena *arena, struct csn_group *group, struct csn_error *err)
{
	struct stack stack = { .group = group };
	const char **tokens;
	size_t named = 0;

	stack.at = csn_arena_array(arena, group->n_frames + 1, sizeof(*stack.at));
	tokens = csn_arena_array(arena, group->n_frames + 1, sizeof(*tokens));
	if (!stack.at || !tokens)
		return full(err);
	for (size_t i = 0; i < group->n_frames; i++)
		if (group->frames[i].kept)
			push(&stack, i);
	for (size_t i = 0; i < stack.count; i++) {
		struct csn_group_frame *frame = &group->frames[stack.at[i]];

		tokens[i] = frame->token;
		frame->keyed = i < CSN_GROUP_KEY_TOKENS;
		named += frame->raw != NULL;
	}
	group->tokens = tokens;
	group->n_tokens = stack.count;
	group->low_confidence = named < 2;
	return 0;
}

/* ---- the key ---- */

static void put_part(struct csn_buf *key, const char *text)
{
	csn_buf_append(key, text, strlen(text) + 1);
}

/* Nothing but the family would be a bucket for everything: such documents also count what they
 * are and what they say their error is. */
static void put_stackless(const struct csn_snapshot *snapshot, struct csn_buf *key)
{
	static const char *const names[] = { "application", "error.type" };

	for (size_t i = 0; i < csn_countof(names); i++) {
		const struct csn_snapshot_attribute *attribute =
			csn_snapshot_find_attribute(snapshot, names[i]);

		put_part(key,
			 attribute && attribute->kind == CSN_VALUE_STRING ? attribute->string : "");
	}
}

static int make_key(struct csn_arena *arena, const struct csn_snapshot *snapshot,
		    struct csn_group *group, struct csn_error *err)
{
	cleanup_(csn_buf_done) struct csn_buf key = CSN_BUF_INIT(CSN_MIB);
	uint8_t bytes[CSN_SHA256_BYTES];

	if (snapshot->fingerprint && csn_hex_parse(snapshot->fingerprint, bytes, sizeof(bytes))) {
		csn_hex_format(bytes, sizeof(bytes), group->fingerprint);
		group->given = true;
		return 0;
	}
	put_part(&key, CSN_GROUP_VERSION);
	put_part(&key, group->component);
	put_part(&key, group->family);
	for (size_t i = 0; i < group->n_tokens && i < CSN_GROUP_KEY_TOKENS; i++)
		put_part(&key, group->tokens[i]);
	/* One name is too little to tell programs apart. */
	for (size_t i = 0; group->low_confidence && i < group->n_frames; i++) {
		const struct csn_group_frame *frame = &group->frames[i];
		char *module;

		if (!frame->keyed || !frame->raw)
			continue;
		module = module_token(arena, frame->module);
		if (!module)
			return full(err);
		put_part(&key, module);
	}
	if (group->n_tokens == 0)
		put_stackless(snapshot, &key);
	if (csn_buf_check(&key, "key of the group", err) < 0)
		return full(err);
	csn_sha256_hex(key.data, key.size, group->fingerprint);
	return 0;
}

int csn_group_snapshot(struct csn_arena *arena, const struct csn_snapshot *snapshot,
		       const char *component, struct csn_group *ret_group, struct csn_error *err)
{
	struct csn_group group = { .component = component ? component : "" };
	const struct csn_snapshot_thread *thread = pick_thread(snapshot);
	bool managed = is_managed(snapshot->lang);
	int r;

	group.family = find_family(snapshot);
	if (thread) {
		group.thread = thread->key
				       ? thread->key
				       : csn_arena_sprintf(arena, "%lld", (long long)thread->tid);
		group.n_frames = thread->n_frames;
	}
	group.frames = csn_arena_array(arena, group.n_frames + 1, sizeof(*group.frames));
	if (!group.frames)
		return full(err);
	for (size_t i = 0; i < group.n_frames; i++) {
		if (copy_recent(&thread->frames[i], group.frames, i))
			continue;
		r = fill_frame(arena, &thread->frames[i], managed, &group.frames[i], err);
		if (r < 0)
			return r;
	}
	drop_library_tails(&group);
	drop_handler(&group);
	drop_abort_path(&group);
	drop_start(&group);
	drop_roles(&group);
	r = make_tokens(arena, &group, err);
	if (r < 0)
		return r;
	r = make_key(arena, snapshot, &group, err);
	if (r < 0)
		return r;
	*ret_group = group;
	return 0;
}

/* ---- out ---- */

void csn_group_write_callstack(const struct csn_group *group, struct csn_buf *out)
{
	struct csn_json json = csn_json_to(out);

	csn_json_begin_object(&json);
	csn_json_key(&json, "frame");
	csn_json_begin_array(&json);
	for (size_t i = 0; i < group->n_tokens && i < CSN_MAX_CALLSTACK_FRAMES; i++)
		csn_json_string(&json, group->tokens[i]);
	csn_json_end_array(&json);
	csn_json_end_object(&json);
}

void csn_group_write_raw_callstack(const struct csn_group *group, struct csn_buf *out)
{
	struct csn_json json = csn_json_to(out);

	csn_json_begin_object(&json);
	csn_json_key(&json, "frame");
	csn_json_begin_array(&json);
	for (size_t i = 0; i < group->n_frames && i < CSN_MAX_CALLSTACK_FRAMES; i++) {
		const struct csn_group_frame *frame = &group->frames[i];

		csn_json_string(&json, frame->raw ? frame->raw : frame->token);
	}
	csn_json_end_array(&json);
	csn_json_end_object(&json);
}

static void explain_frame(const struct csn_group_frame *frame, struct csn_json *json)
{
	cleanup_(csn_buf_done) struct csn_buf rewrites = CSN_BUF_INIT(CSN_KIB);

	csn_rewrites_write(frame->rewrites, &rewrites);
	csn_json_begin_object(json);
	csn_json_member_string(json, "function", frame->raw);
	csn_json_member_string(json, "module", frame->module);
	csn_json_member_string(json, "role", csn_role_name(frame->role));
	csn_json_member_string(json, "token", frame->token);
	csn_json_member_string(json, "rewrites", csn_buf_text(&rewrites));
	csn_json_member_string(json, "rule", frame->rule);
	csn_json_member_bool(json, "kept", frame->kept);
	csn_json_member_bool(json, "keyed", frame->keyed);
	csn_json_end_object(json);
}

void csn_group_explain(const struct csn_group *group, struct csn_json *json)
{
	csn_json_begin_object(json);
	csn_json_member_string(json, "version", CSN_GROUP_VERSION);
	csn_json_member_string(json, "fingerprint", group->fingerprint);
	csn_json_member_string(json, "component", group->component);
	csn_json_member_string(json, "family", group->family);
	csn_json_member_string(json, "thread", group->thread);
	csn_json_member_bool(json, "low_confidence", group->low_confidence);
	csn_json_member_bool(json, "given", group->given);
	csn_json_key(json, "frames");
	csn_json_begin_array(json);
	for (size_t i = 0; i < group->n_frames; i++)
		explain_frame(&group->frames[i], json);
	csn_json_end_array(json);
	csn_json_end_object(json);
}
