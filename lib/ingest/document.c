#include "ingest/document.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/uuid.h"
#include "group/group.h"
#include "snapshot/document.h"

/* Being gathered: one list of values in the arena. */
struct list {
	struct csn_arena *arena;
	struct csn_attribute_value *values;
	size_t count, capacity;
};

static int full(struct csn_error *err)
{
	return csn_fail(err, CSN_E_LIMIT, "the document has too many or too large attributes");
}

static int add(struct list *list, struct csn_attribute_value value, struct csn_error *err)
{
	if (list->count == list->capacity) {
		void *values = csn_arena_grow(list->arena, list->values, list->count,
					      &list->capacity, sizeof(*list->values));

		if (!values)
			return full(err);
		list->values = values;
	}
	list->values[list->count++] = value;
	return 0;
}

/* An empty text is a value; NULL is none. */
static int add_text(struct list *list, const char *name, const char *text, struct csn_error *err)
{
	struct csn_attribute_value value = { .name = name, .kind = CSN_CELL_TEXT };

	if (!text)
		return 0;
	value.text = csn_arena_strdup(list->arena, text);
	return value.text ? add(list, value, err) : full(err);
}

static int add_number(struct list *list, const char *name, uint64_t number, struct csn_error *err)
{
	struct csn_attribute_value value = { .name = name,
					     .kind = CSN_CELL_NUMBER,
					     .number = number };

	return add(list, value, err);
}

static int add_signed(struct list *list, const char *name, int64_t number, struct csn_error *err)
{
	struct csn_attribute_value value = { .name = name,
					     .kind = CSN_CELL_NUMBER,
					     .negative = number < 0,
					     .number = (uint64_t)number };

	return add(list, value, err);
}

/* ---- the document's own ---- */

/* Whole numbers as numbers, fractions as texts: a column of numbers cuts them, a column of texts
 * keeps them. */
static int add_double(struct list *list, const char *name, double number, struct csn_error *err)
{
	bool whole = isfinite(number) && floor(number) == number;
	char text[32];

	if (whole && number >= 0 && number < 0x1p64)
		return add_number(list, name, (uint64_t)number, err);
	if (whole && number < 0 && number >= -0x1p63)
		return add_signed(list, name, (int64_t)number, err);
	snprintf(text, sizeof(text), "%.15g", number);
	return add_text(list, name, text, err);
}

/* Names that only the server fills. */
static bool is_ours(const char *name)
{
	return name[0] == '_' || strcmp(name, "callstack") == 0 ||
	       strncmp(name, "callstack.", strlen("callstack.")) == 0;
}

static int add_attribute(struct list *list, const struct csn_snapshot_attribute *attribute,
			 struct csn_error *err)
{
	const char *name = csn_arena_strdup(list->arena, attribute->name);

	if (!name)
		return full(err);
	switch (attribute->kind) {
	case CSN_VALUE_STRING:
		return add_text(list, name, attribute->string, err);
	case CSN_VALUE_INT:
		return add_signed(list, name, attribute->int_, err);
	case CSN_VALUE_UINT:
		return add_number(list, name, attribute->uint, err);
	case CSN_VALUE_DOUBLE:
		return add_double(list, name, attribute->double_, err);
	default:
		return add_number(list, name, attribute->bool_, err);
	}
}

/* ---- what follows from the rest ---- */

static int add_stacks(struct list *list, const struct csn_group *group, struct csn_error *err)
{
	cleanup_(csn_buf_done) struct csn_buf canonical = CSN_BUF_INIT(CSN_MAX_CALLSTACK_TEXT);
	cleanup_(csn_buf_done) struct csn_buf raw = CSN_BUF_INIT(CSN_MAX_CALLSTACK_TEXT);
	int r;

	if (group->n_frames == 0)
		return 0;
	csn_group_write_callstack(group, &canonical);
	csn_group_write_raw_callstack(group, &raw);
	/* Half a JSON text would be worse than none. */
	if (csn_buf_ok(&canonical)) {
		r = add_text(list, "callstack", csn_buf_text(&canonical), err);
		if (r < 0)
			return r;
	}
	return csn_buf_ok(&raw) ? add_text(list, "callstack.raw", csn_buf_text(&raw), err) : 0;
}

static int add_classifiers(struct list *list, const struct csn_snapshot *snapshot,
			   struct csn_error *err)
{
	cleanup_(csn_buf_done) struct csn_buf words = CSN_BUF_INIT(CSN_MAX_KV_BYTES);

	if (snapshot->n_classifiers == 0)
		return 0;
	for (size_t i = 0; i < snapshot->n_classifiers; i++)
		csn_buf_printf(&words, "%s%s", i ? " " : "", snapshot->classifiers[i]);
	return add_text(list, "classifiers", csn_buf_text(&words), err);
}

/* The fault as decoded outranks attributes of the same names. */
static int add_fault(struct list *list, const struct csn_snapshot *snapshot, struct csn_error *err)
{
	const struct csn_snapshot_fault *fault = &snapshot->fault;
	int r;

	if (!fault->present)
		return 0;
	r = add_text(list, "signal", fault->signal_name, err);
	if (r == 0)
		r = add_text(list, "fault.access", fault->access, err);
	if (r == 0 && fault->signal > 0)
		r = add_number(list, "signal.number", (uint64_t)fault->signal, err);
	if (r == 0 && fault->has_address)
		r = add_number(list, "fault.address", fault->address, err);
	return r;
}

static const char *fault_module(const struct csn_group *group)
{
	for (size_t i = 0; i < group->n_frames; i++)
		if (group->frames[i].kept)
			return group->frames[i].module;
	return NULL;
}

static int add_derived(struct list *list, const struct csn_snapshot *snapshot,
		       const struct csn_group *group, struct csn_error *err)
{
	const struct {
		const char *name, *text;
	} texts[] = {
		{ "fault.module", fault_module(group) },
		{ "fingerprint.confidence", group->given            ? "given"
					    : group->low_confidence ? "low"
								    : "normal" },
		{ "lang", snapshot->lang },
		{ "agent", snapshot->agent },
		{ "agent.version", snapshot->agent_version },
	};
	int r = add_stacks(list, group, err);

	if (r < 0)
		return r;
	r = add_classifiers(list, snapshot, err);
	if (r < 0)
		return r;
	r = add_fault(list, snapshot, err);
	for (size_t i = 0; r == 0 && i < csn_countof(texts); i++)
		r = add_text(list, texts[i].name, texts[i].text, err);
	return r;
}

/* ---- reading ---- */

static int read_snapshot(const void *data, size_t size_bytes, const char *format,
			 struct csn_snapshot **ret_snapshot, const char **ret_format,
			 struct csn_error *err)
{
	cleanup_(csn_buf_done) struct csn_buf json = CSN_BUF_INIT(CSN_MAX_SNAPSHOT_JSON);
	int r;

	if (!format || !*format)
		format = csn_btt_probe(data, size_bytes) ? "btt" : "json";
	if (strcmp(format, "btt") == 0) {
		*ret_format = "btt";
		r = csn_btt_unpack(data, size_bytes, &json, err);
		return r < 0 ? r : csn_snapshot_read_json(json.data, json.size, ret_snapshot, err);
	}
	if (strcmp(format, "json") == 0) {
		*ret_format = "json";
		return csn_snapshot_read_json(data, size_bytes, ret_snapshot, err);
	}
	return csn_fail(err, CSN_E_UNSUPPORTED, "format '%.32s' cannot be read; send btt or json",
			format);
}

int csn_document_read(struct csn_arena *arena, const void *data, size_t size_bytes,
		      const char *format, const char *component, struct csn_document *ret_document,
		      struct csn_error *err)
{
	cleanup_(csn_snapshot_freep) struct csn_snapshot *snapshot = NULL;
	struct csn_document document = { 0 };
	struct list given = { .arena = arena }, derived = { .arena = arena };
	struct csn_group group;
	int r = read_snapshot(data, size_bytes, format, &snapshot, &document.format, err);

	if (r < 0 || !snapshot)
		return r;
	r = csn_group_snapshot(snapshot->arena, snapshot, component, &group, err);
	if (r < 0)
		return r;
	if (!csn_uuid_parse(snapshot->uuid, document.uuid))
		csn_random_bytes(document.uuid, sizeof(document.uuid));
	document.timestamp = snapshot->timestamp;
	memcpy(document.fingerprint, group.fingerprint, sizeof(document.fingerprint));
	for (size_t i = 0; i < snapshot->n_attributes; i++) {
		if (is_ours(snapshot->attributes[i].name))
			continue;
		r = add_attribute(&given, &snapshot->attributes[i], err);
		if (r < 0)
			return r;
	}
	r = add_derived(&derived, snapshot, &group, err);
	if (r < 0)
		return r;
	document.given = given.values;
	document.n_given = given.count;
	document.derived = derived.values;
	document.n_derived = derived.count;
	*ret_document = document;
	return 0;
}

int csn_document_explain(const void *data, size_t size_bytes, const char *component,
			 struct csn_buf *out, struct csn_error *err)
{
	cleanup_(csn_snapshot_freep) struct csn_snapshot *snapshot = NULL;
	struct csn_json json = csn_json_to(out);
	struct csn_group group;
	const char *format;
	int r = read_snapshot(data, size_bytes, NULL, &snapshot, &format, err);

	if (r < 0 || !snapshot)
		return r;
	r = csn_group_snapshot(snapshot->arena, snapshot, component, &group, err);
	if (r < 0)
		return r;
	csn_group_explain(&group, &json);
	return csn_buf_check(out, "explanation of the group", err);
}
