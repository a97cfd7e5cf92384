/* The JSON reader: any report in the public format, ours or an SDK's.
 *
 * Tolerant where SDKs differ (numbers as strings, unknown members, frames without addresses),
 * strict where a report would be useless: the members that the public format requires. What the
 * model has no place for (memory, symbolication, source text) is passed over; the store keeps the
 * document as it came.
 *
 * The text is read once, front to back, and only what the model keeps is held: a report of many
 * thousand threads would be some gigabytes as a tree. Members may come in any order, so what one
 * says about another (a frame's source path, its module's build-id) is put in at the end. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json_read.h"
#include "base/limits.h"
#include "base/text.h"
#include "snapshot/document.h"
#include "snapshot/document_internal.h"
#include "snapshot/reader_internal.h"

struct source {
	const char *id, *path;
};

static void reader_done(struct csn_snapshot_reader *reader)
{
	struct csn_vec *const vecs[] = { &reader->threads, &reader->frames, &reader->registers,
					 &reader->modules, &reader->maps,   &reader->limits,
					 &reader->sources, &reader->words,  &reader->withheld };
	size_t i;

	csn_json_reader_done(&reader->json);
	csn_buf_done(&reader->scratch);
	for (i = 0; i < csn_countof(vecs); i++)
		free(vecs[i]->items);
}

/* --- attributes, words --- */

static int read_attribute(struct csn_snapshot_reader *reader, const char *name,
			  struct csn_error *err)
{
	struct csn_snapshot_attribute attribute = { .name = name, .kind = CSN_VALUE_STRING };
	char kind = csn_json_peek(&reader->json);
	struct csn_json_number number;
	const char *raw;
	size_t length;

	if (kind == 't' || kind == 'f') {
		attribute.kind = CSN_VALUE_BOOL;
		attribute.bool_ = csn_json_read_bool(&reader->json);
	} else if (kind == '0') {
		number = csn_json_read_number(&reader->json);
		attribute.kind = number.kind == CSN_JSON_UINT  ? CSN_VALUE_UINT
				 : number.kind == CSN_JSON_INT ? CSN_VALUE_INT
							       : CSN_VALUE_DOUBLE;
		if (number.kind == CSN_JSON_UINT)
			attribute.uint = number.uint;
		else if (number.kind == CSN_JSON_INT)
			attribute.int_ = number.int_;
		else
			attribute.double_ = number.double_;
		if (number.kind == CSN_JSON_NO_NUMBER)
			return 0;
	} else if (kind == '"') {
		attribute.string = csn_reader_text(reader);
	} else {
		raw = csn_json_read_raw(&reader->json, &length);
		if (kind != 'n' && raw)
			attribute.string = csn_reader_keep(reader, raw, length);
	}
	if (attribute.kind == CSN_VALUE_STRING && !attribute.string)
		return 0;
	return csn_snapshot_set(reader->snapshot, &attribute, err);
}

static int read_attributes(struct csn_snapshot_reader *reader, void *object, struct csn_error *err)
{
	const char *name, *kept;
	char kind = csn_json_peek(&reader->json);
	int r = 0;

	(void)object;
	if (kind && kind != '{' && kind != 'n')
		return csn_fail(err, CSN_E_FORMAT, "is no object");
	if (!csn_reader_enter(reader, '{'))
		return 0;
	while (r == 0 && (name = csn_json_next_member(&reader->json))) {
		kept = csn_reader_keep(reader, name, strlen(name));
		r = kept ? read_attribute(reader, kept, err) : csn_fail_nomem(err);
	}
	return r;
}

static int read_words(struct csn_snapshot_reader *reader,
		      int (*add)(struct csn_snapshot *snapshot, const char *text,
				 struct csn_error *err),
		      struct csn_error *err)
{
	const char *text;
	int r = 0;

	if (!csn_reader_enter(reader, '['))
		return 0;
	while (r == 0 && csn_json_next_item(&reader->json)) {
		text = csn_reader_text(reader);
		if (text)
			r = add(reader->snapshot, text, err);
	}
	return r;
}

static int read_classifiers(struct csn_snapshot_reader *reader, void *object, struct csn_error *err)
{
	(void)object;
	return read_words(reader, csn_snapshot_add_classifier, err);
}

static int read_truncated(struct csn_snapshot_reader *reader, void *object, struct csn_error *err)
{
	(void)object;
	return read_words(reader, csn_snapshot_add_truncated, err);
}

/* --- modules, maps, limits, sources --- */

#define MODULE(member) offsetof(struct csn_snapshot_module, member)

/* end holds the size until the module is whole. */
static const struct csn_member module_members[] = {
	{ "start", CSN_MEMBER_U64, MODULE(start), NULL },
	{ "size", CSN_MEMBER_U64, MODULE(end), NULL },
	{ "code_file", CSN_MEMBER_TEXT, MODULE(path), NULL },
	{ "debug_identifier", CSN_MEMBER_TEXT, MODULE(build_id), NULL },
	{ "debug_file", CSN_MEMBER_TEXT, MODULE(debug_path), NULL },
	{ "state", CSN_MEMBER_TEXT, MODULE(state), NULL },
	{ NULL },
};

static int read_modules(struct csn_snapshot_reader *reader, void *object, struct csn_error *err)
{
	struct csn_snapshot *snapshot = object;
	struct csn_snapshot_module *module;
	int r;

	reader->modules.count = 0;
	if (!csn_reader_enter(reader, '['))
		return 0;
	while (csn_json_next_item(&reader->json)) {
		module = csn_vec_push(&reader->modules, sizeof(*module), CSN_MAX_SNAPSHOT_MODULES,
				      "modules", err);
		if (!module)
			return -(int)err->code;
		r = csn_reader_object(reader, module_members, module, err);
		if (r < 0)
			return csn_wrap(err, "module %zu", reader->modules.count - 1);
		if (module->end > UINT64_MAX - module->start)
			module->end = 0;
		module->end += module->start;
	}
	snapshot->modules =
		csn_reader_take(reader, &reader->modules, sizeof(*module), &snapshot->n_modules);
	return 0;
}

/* [start, size, perms, offset, path] */
static int read_map(struct csn_snapshot_reader *reader, struct csn_snapshot_map *map,
		    struct csn_error *err)
{
	const char *perms = NULL;
	uint64_t size = 0;
	bool good = csn_json_peek(&reader->json) == '[' && csn_json_enter(&reader->json, '[');

	good = good && csn_json_next_item(&reader->json) && csn_reader_u64(reader, &map->start);
	good = good && csn_json_next_item(&reader->json) && csn_reader_u64(reader, &size);
	if (good && csn_json_next_item(&reader->json))
		perms = csn_reader_text(reader);
	if (!perms || strlen(perms) >= sizeof(map->perms) || size > UINT64_MAX - map->start)
		return csn_fail(err, CSN_E_FORMAT, "is not [start, size, perms, ...]");
	map->end = map->start + size;
	memcpy(map->perms, perms, strlen(perms) + 1);
	if (!csn_json_next_item(&reader->json))
		return 0;
	if (!csn_reader_u64(reader, &map->offset))
		map->offset = 0;
	if (!csn_json_next_item(&reader->json))
		return 0;
	map->path = csn_reader_text(reader);
	while (csn_json_next_item(&reader->json))
		csn_json_skip(&reader->json);
	return 0;
}

static int read_maps(struct csn_snapshot_reader *reader, void *object, struct csn_error *err)
{
	struct csn_snapshot *snapshot = object;
	struct csn_snapshot_map *map;
	int r;

	reader->maps.count = 0;
	if (!csn_reader_enter(reader, '['))
		return 0;
	while (csn_json_next_item(&reader->json)) {
		map = csn_vec_push(&reader->maps, sizeof(*map), CSN_MAX_SNAPSHOT_MAPS, "maps", err);
		if (!map)
			return -(int)err->code;
		r = read_map(reader, map, err);
		if (r < 0)
			return csn_wrap(err, "map %zu", reader->maps.count - 1);
	}
	snapshot->maps = csn_reader_take(reader, &reader->maps, sizeof(*map), &snapshot->n_maps);
	return 0;
}

/* "Max open files": [soft, hard, unit] */
static int read_limits(struct csn_snapshot_reader *reader, void *object, struct csn_error *err)
{
	struct csn_snapshot *snapshot = object;
	struct csn_snapshot_limit *limit;
	const char *name;
	size_t i;

	reader->limits.count = 0;
	if (!csn_reader_enter(reader, '{'))
		return 0;
	while ((name = csn_json_next_member(&reader->json))) {
		limit = csn_vec_push(&reader->limits, sizeof(*limit), CSN_MAX_SNAPSHOT_NOTES,
				     "limits", err);
		if (!limit)
			return -(int)err->code;
		limit->name = csn_reader_keep(reader, name, strlen(name));
		if (!csn_reader_enter(reader, '['))
			continue;
		for (i = 0; csn_json_next_item(&reader->json); i++) {
			const char *text = csn_reader_text(reader);

			if (i < 3)
				*(i == 0   ? &limit->soft
				  : i == 1 ? &limit->hard
					   : &limit->unit) = text;
		}
	}
	snapshot->limits =
		csn_reader_take(reader, &reader->limits, sizeof(*limit), &snapshot->n_limits);
	return 0;
}

#define WITHHELD(member) offsetof(struct csn_withheld, member)

static int read_withheld_frame(struct csn_snapshot_reader *reader, void *object,
			       struct csn_error *err)
{
	struct csn_withheld *withheld = object;
	uint64_t number;

	(void)err;
	withheld->has_frame = csn_reader_u64(reader, &number);
	withheld->frame = withheld->has_frame ? number : 0;
	return 0;
}

static const struct csn_member withheld_members[] = {
	{ "rule", CSN_MEMBER_TEXT, WITHHELD(rule), NULL },
	{ "why", CSN_MEMBER_TEXT, WITHHELD(why), NULL },
	{ "what", CSN_MEMBER_TEXT, WITHHELD(what), NULL },
	{ "name", CSN_MEMBER_TEXT, WITHHELD(name), NULL },
	{ "thread", CSN_MEMBER_TEXT, WITHHELD(thread), NULL },
	{ "frame", CSN_MEMBER_OTHER, 0, read_withheld_frame },
	{ "count", CSN_MEMBER_U64, WITHHELD(count), NULL },
	{ NULL },
};

static int read_withheld(struct csn_snapshot_reader *reader, void *object, struct csn_error *err)
{
	struct csn_snapshot *snapshot = object;
	struct csn_withheld *withheld;
	int r;

	reader->withheld.count = 0;
	if (!csn_reader_enter(reader, '['))
		return 0;
	while (csn_json_next_item(&reader->json)) {
		withheld = csn_vec_push(&reader->withheld, sizeof(*withheld), CSN_MAX_WITHHELD,
					"things withheld", err);
		if (!withheld)
			return -(int)err->code;
		r = csn_reader_object(reader, withheld_members, withheld, err);
		if (r < 0)
			return csn_wrap(err, "\"withheld\"");
	}
	snapshot->withheld = csn_reader_take(reader, &reader->withheld, sizeof(*withheld),
					     &snapshot->n_withheld);
	return 0;
}

static const struct csn_member source_members[] = {
	{ "path", CSN_MEMBER_TEXT, offsetof(struct source, path), NULL },
	{ NULL },
};

static int read_sources(struct csn_snapshot_reader *reader, void *object, struct csn_error *err)
{
	struct source *source;
	const char *name;

	(void)object;
	reader->sources.count = 0;
	if (!csn_reader_enter(reader, '{'))
		return 0;
	while ((name = csn_json_next_member(&reader->json))) {
		source = csn_vec_push(&reader->sources, sizeof(*source), CSN_MAX_SNAPSHOT_FRAMES,
				      "sources", err);
		if (!source)
			return -(int)err->code;
		source->id = csn_reader_keep(reader, name, strlen(name));
		if (csn_json_peek(&reader->json) != '{')
			csn_json_skip(&reader->json);
		else if (csn_reader_object(reader, source_members, source, err) < 0)
			return -(int)err->code;
	}
	return 0;
}

/* --- the rest of the root --- */

#define FAULT(member) offsetof(struct csn_snapshot_fault, member)

static int read_fault_address(struct csn_snapshot_reader *reader, void *object,
			      struct csn_error *err)
{
	struct csn_snapshot_fault *fault = object;

	(void)err;
	fault->has_address = csn_reader_u64(reader, &fault->address);
	return 0;
}

static const struct csn_member fault_members[] = {
	{ "signal", CSN_MEMBER_INT, FAULT(signal), NULL },
	{ "name", CSN_MEMBER_TEXT, FAULT(signal_name), NULL },
	{ "code", CSN_MEMBER_INT, FAULT(code), NULL },
	{ "code_name", CSN_MEMBER_TEXT, FAULT(code_name), NULL },
	{ "address", CSN_MEMBER_OTHER, 0, read_fault_address },
	{ "access", CSN_MEMBER_TEXT, FAULT(access), NULL },
	{ "sender_pid", CSN_MEMBER_I64, FAULT(sender_pid), NULL },
	{ "sender_uid", CSN_MEMBER_I64, FAULT(sender_uid), NULL },
	{ NULL },
};

static int read_fault(struct csn_snapshot_reader *reader, void *object, struct csn_error *err)
{
	struct csn_snapshot_fault *fault = &((struct csn_snapshot *)object)->fault;

	if (csn_json_peek(&reader->json) != '{') {
		csn_json_skip(&reader->json);
		return 0;
	}
	fault->present = true;
	return csn_reader_object(reader, fault_members, fault, err);
}

static int read_arch(struct csn_snapshot_reader *reader, void *object, struct csn_error *err)
{
	static const struct csn_member members[] = {
		{ "name", CSN_MEMBER_TEXT, offsetof(struct csn_snapshot, arch), NULL },
		{ NULL },
	};

	if (csn_json_peek(&reader->json) == '{')
		return csn_reader_object(reader, members, object, err);
	csn_json_skip(&reader->json);
	return 0;
}

/* With or without dashes, either case. */
static int read_uuid(struct csn_snapshot_reader *reader, void *object, struct csn_error *err)
{
	struct csn_snapshot *snapshot = object;
	const char *text = csn_reader_text(reader);
	uint8_t bytes[16];

	if (!text || (!csn_uuid_parse(text, bytes) && !csn_hex_parse(text, bytes, sizeof(bytes))))
		return csn_fail(err, CSN_E_FORMAT, "is no UUID");
	csn_uuid_format(bytes, snapshot->uuid);
	return 0;
}

static int read_timestamp(struct csn_snapshot_reader *reader, void *object, struct csn_error *err)
{
	struct csn_snapshot *snapshot = object;

	if (!csn_reader_i64(reader, &snapshot->timestamp))
		return csn_fail(err, CSN_E_FORMAT, "is no number");
	return 0;
}

#define ROOT(member) offsetof(struct csn_snapshot, member)
#define N_REQUIRED 8

/* The required ones first. */
static const struct csn_member root_members[] = {
	{ "uuid", CSN_MEMBER_OTHER, 0, read_uuid },
	{ "timestamp", CSN_MEMBER_OTHER, 0, read_timestamp },
	{ "lang", CSN_MEMBER_TEXT, ROOT(lang), NULL },
	{ "langVersion", CSN_MEMBER_TEXT, ROOT(lang_version), NULL },
	{ "agent", CSN_MEMBER_TEXT, ROOT(agent), NULL },
	{ "agentVersion", CSN_MEMBER_TEXT, ROOT(agent_version), NULL },
	{ "threads", CSN_MEMBER_OTHER, 0, csn_reader_threads },
	{ "mainThread", CSN_MEMBER_TEXT, ROOT(main_thread), NULL },
	{ "fingerprint", CSN_MEMBER_TEXT, ROOT(fingerprint), NULL },
	{ "classifiers", CSN_MEMBER_OTHER, 0, read_classifiers },
	{ "fault", CSN_MEMBER_OTHER, 0, read_fault },
	{ "attributes", CSN_MEMBER_OTHER, 0, read_attributes },
	{ "annotations", CSN_MEMBER_OTHER, 0, csn_reader_annotations },
	{ "limits", CSN_MEMBER_OTHER, 0, read_limits },
	{ "truncated", CSN_MEMBER_OTHER, 0, read_truncated },
	{ "withheld", CSN_MEMBER_OTHER, 0, read_withheld },
	{ "arch", CSN_MEMBER_OTHER, 0, read_arch },
	{ "sourceCode", CSN_MEMBER_OTHER, 0, read_sources },
	{ "globals", CSN_MEMBER_OTHER, 0, csn_reader_globals },
	{ "modules", CSN_MEMBER_OTHER, 0, read_modules },
	{ "maps", CSN_MEMBER_OTHER, 0, read_maps },
	{ NULL },
};

static int read_root(struct csn_snapshot_reader *reader, struct csn_error *err)
{
	const char *name;
	size_t i;
	int r = 0;

	if (csn_json_peek(&reader->json) != '{') {
		csn_json_skip(&reader->json);
		return csn_fail(err, CSN_E_FORMAT, "not a report: the JSON is no object");
	}
	csn_json_enter(&reader->json, '{');
	while (r == 0 && (name = csn_json_next_member(&reader->json))) {
		for (i = 0; root_members[i].name; i++)
			if (strcmp(root_members[i].name, name) == 0)
				break;
		if (i < N_REQUIRED)
			reader->seen |= 1u << i;
		if (!root_members[i].name)
			csn_json_skip(&reader->json);
		else
			r = csn_reader_member(reader, &root_members[i], reader->snapshot, err);
		if (r < 0)
			return csn_wrap(err, "member \"%s\"", root_members[i].name);
	}
	return r;
}

static int check_required(const struct csn_snapshot_reader *reader, struct csn_error *err)
{
	size_t i;

	for (i = 0; i < N_REQUIRED; i++)
		if (!(reader->seen & 1u << i))
			return csn_fail(err, CSN_E_FORMAT, "not a report: member \"%s\" is missing",
					root_members[i].name);
	return 0;
}

static int compare_sources(const void *a, const void *b)
{
	return strcmp(((const struct source *)a)->id, ((const struct source *)b)->id);
}

/* Source ids become paths, frames without a build-id get their module's. */
static int resolve(struct csn_snapshot_reader *reader, struct csn_error *err)
{
	struct csn_snapshot *snapshot = reader->snapshot;
	struct csn_module_index modules;
	size_t t, f;
	int r = csn_module_index_init(&modules, snapshot, err);

	if (r < 0)
		return r;
	if (reader->sources.count)
		qsort(reader->sources.items, reader->sources.count, sizeof(struct source),
		      compare_sources);
	for (t = 0; t < snapshot->n_threads; t++) {
		for (f = 0; f < snapshot->threads[t].n_frames; f++) {
			struct csn_snapshot_frame *frame = &snapshot->threads[t].frames[f];
			struct source wanted = { .id = frame->source_path }, *found = NULL;

			if (wanted.id && reader->sources.count)
				found = bsearch(&wanted, reader->sources.items,
						reader->sources.count, sizeof(wanted),
						compare_sources);
			frame->source_path = found ? found->path : NULL;
			if (!frame->build_id)
				frame->build_id =
					csn_module_index_find_build_id(&modules, frame->library);
		}
	}
	csn_module_index_done(&modules);
	return 0;
}

int csn_snapshot_read_json(const char *text, size_t length, struct csn_snapshot **ret_snapshot,
			   struct csn_error *err)
{
	cleanup_(csn_snapshot_freep) struct csn_snapshot *snapshot = csn_snapshot_new();
	cleanup_(reader_done) struct csn_snapshot_reader reader = { .snapshot = snapshot };
	struct csn_error local = CSN_ERROR_INIT;
	int r;

	if (!snapshot)
		return csn_fail_nomem(err);
	if (!err)
		err = &local;
	csn_json_reader_init(&reader.json, text, length);
	reader.arena = snapshot->arena;
	reader.scratch = (struct csn_buf)CSN_BUF_INIT(CSN_MAX_SNAPSHOT_JSON);
	r = read_root(&reader, err);
	/* A mistake in the JSON itself comes before what it seemed to say. */
	if (reader.json.failed || r == 0)
		r = csn_json_reader_check(&reader.json, true, err);
	if (r == 0 && reader.out_of_memory)
		r = csn_fail_nomem(err);
	if (r == 0)
		r = check_required(&reader, err);
	if (r == 0)
		r = resolve(&reader, err);
	if (r < 0)
		return r;
	*ret_snapshot = csn_take(snapshot);
	return 0;
}
