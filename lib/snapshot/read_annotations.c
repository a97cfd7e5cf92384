/* The member "annotations": texts, and objects with a text and the owner it is about. */
#include <string.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "snapshot/document_internal.h"
#include "snapshot/reader_internal.h"

/* One annotation while it is read. */
struct parsed {
	struct csn_buf text, thread, variable; /* owned */
	bool has_frame;
	uint64_t frame;
};

static void parsed_done(struct parsed *parsed)
{
	csn_buf_done(&parsed->text);
	csn_buf_done(&parsed->thread);
	csn_buf_done(&parsed->variable);
}

static void read_member(struct csn_json_reader *json, const char *name, struct parsed *parsed)
{
	char kind = csn_json_peek(json);
	struct csn_json_number number;

	if (kind == '"' && strcmp(name, "text") == 0) {
		csn_json_read_text(json, &parsed->text);
	} else if (kind == '"' && strcmp(name, "thread") == 0) {
		csn_json_read_text(json, &parsed->thread);
	} else if (kind == '"' && strcmp(name, "variable") == 0) {
		csn_json_read_text(json, &parsed->variable);
	} else if (kind == '0' && strcmp(name, "frame") == 0) {
		number = csn_json_read_number(json);
		parsed->has_frame = number.kind == CSN_JSON_UINT;
		parsed->frame = parsed->has_frame ? number.uint : 0;
	} else {
		csn_json_skip(json);
	}
}

/* A text, or an object with one; false for anything else. */
static bool parse(struct csn_json_reader *json, struct parsed *parsed)
{
	const char *name;

	if (csn_json_peek(json) == '"') {
		csn_json_read_text(json, &parsed->text);
		return true;
	}
	if (csn_json_peek(json) != '{' || !csn_json_enter(json, '{'))
		return false;
	while ((name = csn_json_next_member(json)))
		read_member(json, name, parsed);
	return parsed->text.size > 0;
}

static int add_one(struct csn_snapshot *snapshot, const char *name, const struct parsed *parsed,
		   struct csn_error *err)
{
	struct csn_annotation annotation = {
		.name = name,
		.text = csn_buf_text(&parsed->text),
		.thread = parsed->thread.size ? csn_buf_text(&parsed->thread) : NULL,
		.has_frame = parsed->has_frame,
		.frame = parsed->frame,
		.variable = parsed->variable.size ? csn_buf_text(&parsed->variable) : NULL,
	};

	return csn_snapshot_append_annotation(snapshot, &annotation, err);
}

/* Adds the items of a list, or only looks whether all are annotations: 1, or 0 when one is not. */
static int read_items(struct csn_snapshot *snapshot, const char *name, const char *raw,
		      size_t length, bool only_look, struct csn_error *err)
{
	cleanup_(csn_json_reader_done) struct csn_json_reader list;
	size_t n = 0;
	int r = 0;

	csn_json_reader_init(&list, raw, length);
	if (csn_json_peek(&list) != '[' || !csn_json_enter(&list, '['))
		return 0;
	for (; r == 0 && csn_json_next_item(&list); n++) {
		cleanup_(parsed_done) struct parsed parsed = {
			.text = CSN_BUF_INIT(CSN_MAX_SNAPSHOT_JSON),
			.thread = CSN_BUF_INIT(CSN_MAX_SNAPSHOT_JSON),
			.variable = CSN_BUF_INIT(CSN_MAX_SNAPSHOT_JSON),
		};

		if (!parse(&list, &parsed))
			return 0;
		if (!only_look)
			r = add_one(snapshot, name, &parsed, err);
	}
	return r < 0 ? r : n > 0;
}

/* Anything that is neither an annotation nor a list of such is one, as its JSON text. */
static int add_annotation(struct csn_snapshot_reader *reader, const char *name, const char *raw,
			  size_t length, struct csn_error *err)
{
	cleanup_(csn_json_reader_done) struct csn_json_reader value;
	cleanup_(parsed_done) struct parsed parsed = {
		.text = CSN_BUF_INIT(CSN_MAX_SNAPSHOT_JSON),
		.thread = CSN_BUF_INIT(CSN_MAX_SNAPSHOT_JSON),
		.variable = CSN_BUF_INIT(CSN_MAX_SNAPSHOT_JSON),
	};
	int r;

	csn_json_reader_init(&value, raw, length);
	if (read_items(reader->snapshot, name, raw, length, true, err) == 1) {
		r = read_items(reader->snapshot, name, raw, length, false, err);
		return r < 0 ? r : 0;
	}
	if (!parse(&value, &parsed)) {
		csn_buf_clear(&parsed.text);
		csn_buf_append(&parsed.text, raw, length);
		parsed.thread.size = parsed.variable.size = 0;
		parsed.has_frame = false;
	}
	return add_one(reader->snapshot, name, &parsed, err);
}

int csn_reader_annotations(struct csn_snapshot_reader *reader, void *object, struct csn_error *err)
{
	const char *name, *kept, *raw;
	size_t length;
	int r = 0;

	(void)object;
	if (!csn_reader_enter(reader, '{'))
		return 0;
	while (r == 0 && (name = csn_json_next_member(&reader->json))) {
		kept = csn_reader_keep(reader, name, strlen(name));
		raw = csn_json_read_raw(&reader->json, &length);
		if (kept && raw)
			r = add_annotation(reader, kept, raw, length, err);
	}
	return r;
}
