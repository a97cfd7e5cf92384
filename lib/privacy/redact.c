/* The walk through a snapshot. Names and types withhold whole values, shapes the part of a text
 * that has them; addresses and sizes stay, as they are no secrets and analyses need them. */
#include <string.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "privacy/privacy_internal.h"

/* Where a value is, for the manifest. */
struct place {
	const char *what; /* "variable", "attribute", "annotation", "stack" */
	const struct csn_snapshot_thread *thread;
	size_t frame;
	struct csn_buf *path; /* NULL: name says it */
	const char *name;
};

struct redaction {
	struct csn_privacy *privacy;
	struct csn_snapshot *snapshot;
	struct csn_error *err;
	int result; /* what went wrong first */
};

static void note(struct redaction *redaction, const struct place *place,
		 const struct csn_privacy_rule *rule)
{
	char key[24];
	const struct csn_withheld withheld = {
		.rule = rule->name,
		.why = rule->why,
		.what = place->what,
		.name = place->path ? csn_buf_text(place->path) : place->name,
		.thread = place->thread ? csn_snapshot_thread_key(place->thread, key) : NULL,
		.frame = place->frame,
		.has_frame = place->path != NULL,
	};

	if (redaction->result == 0)
		redaction->result =
			csn_snapshot_add_withheld(redaction->snapshot, &withheld, redaction->err);
}

/* A copy of the text without what its shape says is secret; the text itself when nothing is. */
static const char *scrub(struct redaction *redaction, const struct place *place, const char *text)
{
	cleanup_(csn_buf_done) struct csn_buf clean = CSN_BUF_INIT(CSN_MAX_SNAPSHOT_JSON);
	size_t length = text ? strlen(text) : 0, from = 0, start, end;
	const struct csn_privacy_rule *rule;
	const char *kept;

	while (from < length &&
	       csn_privacy_search(redaction->privacy, text, length, from, &start, &end, &rule)) {
		csn_buf_append(&clean, text + from, start - from);
		csn_buf_printf(&clean, "<withheld: %s>", rule->name);
		note(redaction, place, rule);
		from = end;
	}
	if (!from)
		return text;
	csn_buf_append(&clean, text + from, length - from);
	kept = csn_buf_ok(&clean)
		       ? csn_arena_strdup(redaction->snapshot->arena, csn_buf_text(&clean))
		       : NULL;
	if (!kept && redaction->result == 0)
		redaction->result = csn_fail_nomem(redaction->err);
	return kept;
}

/* --- variables --- */

static bool is_text(const char *value)
{
	return strpbrk(value, "\"'") != NULL;
}

/* "true", "0x55d0c2a4", "(char *) 0x0": these tell nobody anything. */
static bool is_harmless(const char *value)
{
	static const char *const words[] = { "true", "false", "0x0", "0", "nil", "None", "NULL" };

	for (size_t i = 0; i < csn_countof(words); i++)
		if (strcmp(value, words[i]) == 0)
			return true;
	return !is_text(value) && strstr(value, "0x") &&
	       strspn(strstr(value, "0x") + 2, "0123456789abcdef") >= 4 && !strchr(value, '{');
}

/* A value that its name or type says is secret. A pointer keeps its address. */
static void withhold(struct redaction *redaction, const struct place *place,
		     const struct csn_privacy_rule *rule, struct csn_snapshot_variable *variable)
{
	const char *value = variable->value, *target;

	if (!value || is_harmless(value) || (rule->texts_only && !is_text(value)))
		return;
	target = strncmp(value, "0x", 2) == 0 ? strchr(value, ' ') : NULL;
	note(redaction, place, rule);
	variable->value = target ? csn_arena_strndup(redaction->snapshot->arena, value,
						     (size_t)(target - value))
				 : NULL;
	variable->missing =
		csn_arena_sprintf(redaction->snapshot->arena, "withheld: %s", rule->name);
}

/* rule: by which the whole is secret that these are part of; NULL none. */
static void redact_variables(struct redaction *redaction, const struct place *place,
			     const struct csn_privacy_rule *rule, bool behind_pointer,
			     struct csn_snapshot_variable *variables, size_t count)
{
	size_t length = place->path->size;

	for (size_t i = 0; i < count && redaction->result == 0; i++) {
		struct csn_snapshot_variable *variable = &variables[i];
		const struct csn_privacy_rule *own =
			csn_privacy_find(redaction->privacy, variable->name, variable->type);

		if (!own && rule &&
		    !(variable->name && csn_privacy_allows(redaction->privacy, variable->name)))
			own = rule;
		if (variable->name)
			csn_buf_printf(place->path, "%s%s",
				       !length          ? ""
				       : behind_pointer ? "->"
							: ".",
				       variable->name);
		else
			csn_buf_printf(place->path, "[%zu]", i);
		if (own)
			withhold(redaction, place, own, variable);
		variable->value = scrub(redaction, place, variable->value);
		redact_variables(redaction, place, own, variable->parts_are_target, variable->parts,
				 variable->n_parts);
		place->path->size = length;
		if (place->path->data)
			place->path->data[length] = '\0';
	}
}

static void redact_frames(struct redaction *redaction, const struct csn_snapshot_thread *thread)
{
	cleanup_(csn_buf_done) struct csn_buf path = CSN_BUF_INIT(CSN_MAX_VALUE_TEXT);
	struct place place = { .what = "variable", .thread = thread, .path = &path };

	for (size_t i = 0; i < thread->n_frames; i++) {
		place.frame = i;
		redact_variables(redaction, &place, NULL, false, thread->frames[i].variables,
				 thread->frames[i].n_variables);
	}
}

static void redact_globals(struct redaction *redaction)
{
	cleanup_(csn_buf_done) struct csn_buf path = CSN_BUF_INIT(CSN_MAX_VALUE_TEXT);
	const struct place place = { .what = "global", .path = &path };
	struct csn_snapshot *snapshot = redaction->snapshot;

	for (size_t i = 0; i < snapshot->n_globals; i++)
		redact_variables(redaction, &place, NULL, false, snapshot->globals[i].variables,
				 snapshot->globals[i].n_variables);
}

/* --- the rest --- */

static void redact_attributes(struct redaction *redaction)
{
	struct csn_snapshot *snapshot = redaction->snapshot;

	for (size_t i = 0; i < snapshot->n_attributes && redaction->result == 0; i++) {
		struct csn_snapshot_attribute *attribute = &snapshot->attributes[i];
		const struct place place = { .what = "attribute", .name = attribute->name };
		const struct csn_privacy_rule *rule;

		/* The names of functions, as JSON. */
		if (attribute->kind != CSN_VALUE_STRING ||
		    strcmp(attribute->name, "callstack") == 0)
			continue;
		rule = csn_privacy_find(redaction->privacy, attribute->name, NULL);
		if (rule && *attribute->string) {
			note(redaction, &place, rule);
			attribute->string =
				csn_arena_sprintf(snapshot->arena, "<withheld: %s>", rule->name);
		} else {
			attribute->string = scrub(redaction, &place, attribute->string);
		}
		if (!attribute->string && redaction->result == 0)
			redaction->result = csn_fail_nomem(redaction->err);
	}
}

static void redact_annotations(struct redaction *redaction)
{
	struct csn_snapshot *snapshot = redaction->snapshot;

	for (size_t i = 0; i < snapshot->n_annotations && redaction->result == 0; i++) {
		struct csn_annotation *annotation = &snapshot->annotations[i];
		const struct place place = { .what = "annotation", .name = annotation->name };

		annotation->text = scrub(redaction, &place, annotation->text);
	}
}

/* Runs of printable characters in a raw stack; what is secret becomes asterisks. */
static void redact_stack(struct redaction *redaction, struct csn_snapshot_thread *thread)
{
	struct csn_snapshot_raw_stack *raw = &thread->raw_stack;
	const struct place place = { .what = "stack", .thread = thread };
	const struct csn_privacy_rule *rule;
	uint8_t *bytes = csn_arena_copy(redaction->snapshot->arena, raw->bytes, raw->size_bytes);

	if (!bytes) {
		redaction->result = csn_fail_nomem(redaction->err);
		return;
	}
	raw->bytes = bytes;
	for (size_t at = 0, end; at < raw->size_bytes; at = end + 1) {
		cleanup_free char *text = NULL;
		size_t start, stop, from = 0;

		for (end = at; end < raw->size_bytes && bytes[end] >= ' ' && bytes[end] < 0x7f;)
			end++;
		if (end - at < 8)
			continue;
		text = strndup((const char *)bytes + at, end - at);
		while (text && from < end - at &&
		       csn_privacy_search(redaction->privacy, text, end - at, from, &start, &stop,
					  &rule)) {
			memset(bytes + at + start, '*', stop - start);
			note(redaction, &place, rule);
			from = stop;
		}
	}
}

int csn_privacy_apply(struct csn_privacy *privacy, struct csn_snapshot *snapshot,
		      struct csn_error *err)
{
	struct redaction redaction = { .privacy = privacy, .snapshot = snapshot, .err = err };

	for (size_t i = 0; i < snapshot->n_threads && redaction.result == 0; i++) {
		redact_frames(&redaction, &snapshot->threads[i]);
		if (snapshot->threads[i].raw_stack.size_bytes)
			redact_stack(&redaction, &snapshot->threads[i]);
	}
	redact_attributes(&redaction);
	redact_annotations(&redaction);
	redact_globals(&redaction);
	return redaction.result;
}
