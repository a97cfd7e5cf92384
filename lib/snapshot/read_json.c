/* The JSON reader: any report in the public format, ours or an SDK's.
 *
 * Tolerant where SDKs differ (numbers as strings, unknown members, frames without addresses),
 * strict where a report would be useless: the members that the public format requires. What the
 * model has no place for (memory, symbolication, source text) is not read; the store keeps the
 * document as it came. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json_load.h"
#include "base/limits.h"
#include "base/text.h"
#include "snapshot/document.h"
#include "snapshot/document_internal.h"

struct reader {
	struct csn_snapshot *snapshot;
	struct csn_arena *arena; /* the snapshot's */
	const json_t *sources;   /* sourceCode; may be NULL */
	struct csn_module_index modules;
	size_t n_frames;
};

static void reader_done(struct reader *reader)
{
	csn_module_index_done(&reader->modules);
}

/* A string or a number as text. */
static int read_text(struct reader *reader, const json_t *value, const char **ret_text,
		     struct csn_error *err)
{
	const char *text = NULL;

	if (json_is_string(value))
		text = csn_arena_strdup(reader->arena, json_string_value(value));
	else if (json_is_integer(value))
		text = csn_arena_sprintf(reader->arena, "%lld",
					 (long long)json_integer_value(value));
	else if (json_is_real(value))
		text = csn_arena_sprintf(reader->arena, "%.15g", json_real_value(value));
	else
		return 0;
	if (!text)
		return csn_fail_nomem(err);
	*ret_text = text;
	return 0;
}

static int read_member_text(struct reader *reader, const json_t *object, const char *name,
			    const char **ret_text, struct csn_error *err)
{
	return read_text(reader, json_object_get(object, name), ret_text, err);
}

static uint32_t member_u32(const json_t *object, const char *name)
{
	uint64_t value;

	if (!csn_json_number_u64(json_object_get(object, name), &value) || value > UINT32_MAX)
		return 0;
	return (uint32_t)value;
}

static bool member_u64(const json_t *object, const char *name, uint64_t *ret_value)
{
	return csn_json_number_u64(json_object_get(object, name), ret_value);
}

static void *make_array(struct reader *reader, size_t count, size_t max, size_t item_bytes,
			const char *what, struct csn_error *err)
{
	void *array;

	if (count > max) {
		csn_fail(err, CSN_E_LIMIT, "more than %zu %s", max, what);
		return NULL;
	}
	array = csn_arena_array(reader->arena, count ? count : 1, item_bytes);
	if (!array)
		csn_fail_nomem(err);
	return array;
}

static int code_of(const struct csn_error *err)
{
	return -(int)err->code;
}

static int read_registers(struct reader *reader, const json_t *object,
			  struct csn_snapshot_frame *frame, struct csn_error *err)
{
	const char *name;
	json_t *value;
	uint64_t number;

	if (!json_is_object(object) || json_object_size(object) == 0)
		return 0;
	frame->registers = make_array(reader, json_object_size(object), CSN_MAX_SNAPSHOT_REGISTERS,
				      sizeof(*frame->registers), "registers in a frame", err);
	if (!frame->registers)
		return code_of(err);
	json_object_foreach((json_t *)object, name, value)
	{
		if (!csn_json_number_u64(value, &number))
			continue;
		frame->registers[frame->n_registers].name = csn_arena_strdup(reader->arena, name);
		if (!frame->registers[frame->n_registers].name)
			return csn_fail_nomem(err);
		frame->registers[frame->n_registers++].value = number;
	}
	return 0;
}

static int read_source(struct reader *reader, const json_t *object,
		       struct csn_snapshot_frame *frame, struct csn_error *err)
{
	const char *id = NULL;
	int r = read_member_text(reader, object, "sourceCode", &id, err);

	if (r < 0 || !id)
		return r;
	return read_member_text(reader, json_object_get(reader->sources, id), "path",
				&frame->source_path, err);
}

static int read_frame_texts(struct reader *reader, const json_t *object,
			    struct csn_snapshot_frame *frame, struct csn_error *err)
{
	const char *known;
	int r = read_member_text(reader, object, "funcName", &frame->function, err);

	if (r == 0)
		r = read_member_text(reader, object, "library", &frame->library, err);
	if (r == 0)
		r = read_member_text(reader, object, "debug_identifier", &frame->build_id, err);
	if (r == 0)
		r = read_source(reader, object, frame, err);
	if (r < 0)
		return r;
	if (!frame->build_id) {
		known = csn_module_index_find_build_id(&reader->modules, frame->library);
		frame->build_id = known;
	}
	return 0;
}

static int read_frame(struct reader *reader, const json_t *object, struct csn_snapshot_frame *frame,
		      struct csn_error *err)
{
	int r;

	if (!json_is_object(object))
		return csn_fail(err, CSN_E_FORMAT, "a frame that is no object");
	r = read_frame_texts(reader, object, frame, err);
	if (r < 0)
		return r;
	frame->has_address = member_u64(object, "address", &frame->address);
	frame->has_offset = member_u64(object, "offset", &frame->offset);
	frame->line = member_u32(object, "line");
	frame->column = member_u32(object, "column");
	frame->kind = csn_frame_kind_find(csn_json_get_string(object, "unwind", NULL));
	frame->inlined = csn_json_get_bool(object, "inlined", false);
	frame->faulted = csn_json_get_bool(object, "faulted", false);
	frame->signal_frame = csn_json_get_bool(object, "signal_frame", false);
	frame->guessed = csn_json_get_bool(object, "guessed_frame", false);
	return read_registers(reader, json_object_get(object, "registers"), frame, err);
}

static int read_stack(struct reader *reader, const json_t *stack,
		      struct csn_snapshot_thread *thread, struct csn_error *err)
{
	size_t i;
	json_t *frame;
	int r;

	if (!stack || json_is_null(stack))
		return 0;
	if (!json_is_array(stack))
		return csn_fail(err, CSN_E_FORMAT, "\"stack\" is no array");
	reader->n_frames += json_array_size(stack);
	thread->frames =
		make_array(reader, json_array_size(stack),
			   reader->n_frames > CSN_MAX_SNAPSHOT_FRAMES ? 0 : CSN_MAX_SNAPSHOT_FRAMES,
			   sizeof(*thread->frames), "frames", err);
	if (!thread->frames)
		return code_of(err);
	json_array_foreach(stack, i, frame)
	{
		r = read_frame(reader, frame, &thread->frames[i], err);
		if (r < 0)
			return csn_wrap(err, "frame %zu", i);
		thread->n_frames = i + 1;
	}
	return 0;
}

static int read_thread(struct reader *reader, const char *key, const json_t *object,
		       struct csn_snapshot_thread *thread, struct csn_error *err)
{
	char decimal[24];
	int r;

	if (!json_is_object(object))
		return csn_fail(err, CSN_E_FORMAT, "is no object");
	if (!csn_parse_i64(key, &thread->tid) || thread->tid < 0)
		thread->tid = -1;
	if (thread->tid < 0 || strcmp(csn_snapshot_thread_key(thread, decimal), key) != 0) {
		thread->key = csn_arena_strdup(reader->arena, key);
		if (!thread->key)
			return csn_fail_nomem(err);
	}
	thread->fault = csn_json_get_bool(object, "fault", false);
	if (!member_u64(object, "frames_left_out", &thread->frames_left_out))
		thread->frames_left_out = 0;
	r = read_member_text(reader, object, "name", &thread->name, err);
	if (r == 0)
		r = read_member_text(reader, object, "state", &thread->state, err);
	if (r == 0)
		r = read_member_text(reader, object, "unwind_end", &thread->unwind_end, err);
	if (r == 0)
		r = read_stack(reader, json_object_get(object, "stack"), thread, err);
	return r;
}

static int read_threads(struct reader *reader, const json_t *root, struct csn_error *err)
{
	struct csn_snapshot *snapshot = reader->snapshot;
	json_t *threads = json_object_get(root, "threads"), *thread;
	const char *key;
	int r;

	if (!json_is_object(threads))
		return csn_fail(err, CSN_E_FORMAT, "member \"threads\" is no object");
	snapshot->threads = make_array(reader, json_object_size(threads), CSN_MAX_SNAPSHOT_THREADS,
				       sizeof(*snapshot->threads), "threads", err);
	if (!snapshot->threads)
		return code_of(err);
	json_object_foreach(threads, key, thread)
	{
		r = read_thread(reader, key, thread, &snapshot->threads[snapshot->n_threads], err);
		if (r < 0)
			return csn_wrap(err, "thread \"%.40s\"", key);
		snapshot->n_threads++;
	}
	return 0;
}

static int read_attribute(struct reader *reader, const char *name, const json_t *value,
			  struct csn_error *err)
{
	struct csn_attribute attribute = { .name = name };
	cleanup_free char *nested = NULL;

	if (json_is_string(value)) {
		attribute.kind = CSN_VALUE_STRING;
		attribute.string = json_string_value(value);
	} else if (json_is_integer(value) && json_integer_value(value) >= 0) {
		attribute.kind = CSN_VALUE_UINT;
		attribute.uint = (uint64_t)json_integer_value(value);
	} else if (json_is_integer(value)) {
		attribute.kind = CSN_VALUE_INT;
		attribute.int_ = json_integer_value(value);
	} else if (json_is_real(value)) {
		attribute.kind = CSN_VALUE_DOUBLE;
		attribute.double_ = json_real_value(value);
	} else if (json_is_boolean(value)) {
		attribute.kind = CSN_VALUE_BOOL;
		attribute.bool_ = json_is_true(value);
	} else if (json_is_null(value)) {
		return 0;
	} else {
		nested = json_dumps(value, JSON_COMPACT);
		if (!nested)
			return csn_fail_nomem(err);
		attribute.kind = CSN_VALUE_STRING;
		attribute.string = nested;
	}
	return csn_snapshot_set(reader->snapshot, &attribute, err);
}

static int read_attributes(struct reader *reader, const json_t *root, struct csn_error *err)
{
	json_t *attributes = json_object_get(root, "attributes"), *value;
	const char *name;
	int r;

	if (!attributes || json_is_null(attributes))
		return 0;
	if (!json_is_object(attributes))
		return csn_fail(err, CSN_E_FORMAT, "member \"attributes\" is no object");
	if (json_object_size(attributes) > CSN_MAX_ATTRIBUTES)
		return csn_fail(err, CSN_E_LIMIT, "more than %d attributes", CSN_MAX_ATTRIBUTES);
	json_object_foreach(attributes, name, value)
	{
		r = read_attribute(reader, name, value, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int add_annotation(struct reader *reader, const char *name, const json_t *value,
			  struct csn_error *err)
{
	cleanup_free char *nested = NULL;

	if (json_is_string(value))
		return csn_snapshot_add_annotation(reader->snapshot, name, json_string_value(value),
						   err);
	nested = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
	if (!nested)
		return csn_fail_nomem(err);
	return csn_snapshot_add_annotation(reader->snapshot, name, nested, err);
}

static bool all_strings(const json_t *array)
{
	size_t i;

	for (i = 0; i < json_array_size(array); i++)
		if (!json_is_string(json_array_get(array, i)))
			return false;
	return json_array_size(array) > 0;
}

static int read_annotations(struct reader *reader, const json_t *root, struct csn_error *err)
{
	json_t *annotations = json_object_get(root, "annotations"), *value, *item;
	const char *name;
	size_t i;
	int r = 0;

	json_object_foreach(annotations, name, value)
	{
		if (!all_strings(value)) {
			r = add_annotation(reader, name, value, err);
			if (r < 0)
				return r;
			continue;
		}
		json_array_foreach(value, i, item)
		{
			r = add_annotation(reader, name, item, err);
			if (r < 0)
				return r;
		}
	}
	return r;
}

static int read_classifiers(struct reader *reader, const json_t *root, struct csn_error *err)
{
	json_t *array = json_object_get(root, "classifiers"), *item;
	size_t i;
	int r;

	json_array_foreach(array, i, item)
	{
		if (!json_is_string(item))
			continue;
		r = csn_snapshot_add_classifier(reader->snapshot, json_string_value(item), err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_truncated(struct reader *reader, const json_t *root, struct csn_error *err)
{
	json_t *array = json_object_get(root, "truncated"), *item;
	size_t i;
	int r;

	json_array_foreach(array, i, item)
	{
		if (!json_is_string(item))
			continue;
		r = csn_snapshot_add_truncated(reader->snapshot, json_string_value(item), err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_module(struct reader *reader, const json_t *object,
		       struct csn_snapshot_module *module, struct csn_error *err)
{
	uint64_t size;
	int r;

	if (!member_u64(object, "start", &module->start))
		module->start = 0;
	module->end = module->start;
	if (member_u64(object, "size", &size) && size <= UINT64_MAX - module->start)
		module->end += size;
	r = read_member_text(reader, object, "code_file", &module->path, err);
	if (r == 0)
		r = read_member_text(reader, object, "debug_identifier", &module->build_id, err);
	if (r == 0)
		r = read_member_text(reader, object, "debug_file", &module->debug_path, err);
	if (r == 0)
		r = read_member_text(reader, object, "state", &module->state, err);
	return r;
}

static int read_modules(struct reader *reader, const json_t *root, struct csn_error *err)
{
	struct csn_snapshot *snapshot = reader->snapshot;
	json_t *array = json_object_get(root, "modules"), *item;
	size_t i;
	int r;

	if (!json_is_array(array))
		return 0;
	snapshot->modules = make_array(reader, json_array_size(array), CSN_MAX_SNAPSHOT_MODULES,
				       sizeof(*snapshot->modules), "modules", err);
	if (!snapshot->modules)
		return code_of(err);
	json_array_foreach(array, i, item)
	{
		r = read_module(reader, item, &snapshot->modules[i], err);
		if (r < 0)
			return r;
		snapshot->n_modules++;
	}
	return 0;
}

static int read_map(struct reader *reader, const json_t *array, struct csn_snapshot_map *map,
		    struct csn_error *err)
{
	const char *perms = json_string_value(json_array_get(array, 2));
	uint64_t size;

	if (!csn_json_number_u64(json_array_get(array, 0), &map->start) ||
	    !csn_json_number_u64(json_array_get(array, 1), &size) ||
	    size > UINT64_MAX - map->start || !perms || strlen(perms) >= sizeof(map->perms))
		return csn_fail(err, CSN_E_FORMAT, "is not [start, size, perms, ...]");
	map->end = map->start + size;
	memcpy(map->perms, perms, strlen(perms) + 1);
	if (!csn_json_number_u64(json_array_get(array, 3), &map->offset))
		map->offset = 0;
	return read_text(reader, json_array_get(array, 4), &map->path, err);
}

static int read_maps(struct reader *reader, const json_t *root, struct csn_error *err)
{
	struct csn_snapshot *snapshot = reader->snapshot;
	json_t *array = json_object_get(root, "maps"), *item;
	size_t i;
	int r;

	if (!json_is_array(array))
		return 0;
	snapshot->maps = make_array(reader, json_array_size(array), CSN_MAX_SNAPSHOT_MAPS,
				    sizeof(*snapshot->maps), "maps", err);
	if (!snapshot->maps)
		return code_of(err);
	json_array_foreach(array, i, item)
	{
		r = read_map(reader, item, &snapshot->maps[i], err);
		if (r < 0)
			return csn_wrap(err, "map %zu", i);
		snapshot->n_maps++;
	}
	return 0;
}

static int read_limit(struct reader *reader, const char *name, const json_t *array,
		      struct csn_snapshot_limit *limit, struct csn_error *err)
{
	int r = read_text(reader, json_array_get(array, 0), &limit->soft, err);

	if (r == 0)
		r = read_text(reader, json_array_get(array, 1), &limit->hard, err);
	if (r == 0)
		r = read_text(reader, json_array_get(array, 2), &limit->unit, err);
	limit->name = csn_arena_strdup(reader->arena, name);
	if (r == 0 && !limit->name)
		r = csn_fail_nomem(err);
	return r;
}

static int read_limits(struct reader *reader, const json_t *root, struct csn_error *err)
{
	struct csn_snapshot *snapshot = reader->snapshot;
	json_t *object = json_object_get(root, "limits"), *item;
	const char *name;
	int r;

	if (!json_is_object(object))
		return 0;
	snapshot->limits = make_array(reader, json_object_size(object), CSN_MAX_SNAPSHOT_NOTES,
				      sizeof(*snapshot->limits), "limits", err);
	if (!snapshot->limits)
		return code_of(err);
	json_object_foreach(object, name, item)
	{
		r = read_limit(reader, name, item, &snapshot->limits[snapshot->n_limits], err);
		if (r < 0)
			return r;
		snapshot->n_limits++;
	}
	return 0;
}

static int read_fault(struct reader *reader, const json_t *root, struct csn_error *err)
{
	struct csn_snapshot_fault *fault = &reader->snapshot->fault;
	const json_t *object = json_object_get(root, "fault");
	int r;

	if (!json_is_object(object))
		return 0;
	fault->present = true;
	fault->signal = (int)csn_json_get_int(object, "signal", 0);
	fault->code = (int)csn_json_get_int(object, "code", 0);
	fault->has_address = member_u64(object, "address", &fault->address);
	fault->sender_pid = csn_json_get_int(object, "sender_pid", -1);
	fault->sender_uid = csn_json_get_int(object, "sender_uid", -1);
	r = read_member_text(reader, object, "name", &fault->signal_name, err);
	if (r == 0)
		r = read_member_text(reader, object, "code_name", &fault->code_name, err);
	if (r == 0)
		r = read_member_text(reader, object, "access", &fault->access, err);
	return r;
}

static int check_required(const json_t *root, struct csn_error *err)
{
	static const char *const required[] = {
		"uuid",  "timestamp",    "lang",    "langVersion",
		"agent", "agentVersion", "threads", "mainThread",
	};
	size_t i;

	if (!json_is_object(root))
		return csn_fail(err, CSN_E_FORMAT, "not a report: the JSON is no object");
	for (i = 0; i < csn_countof(required); i++)
		if (!json_object_get(root, required[i]))
			return csn_fail(err, CSN_E_FORMAT, "not a report: member \"%s\" is missing",
					required[i]);
	return 0;
}

/* With or without dashes, either case. */
static bool read_uuid(const char *text, char ret_uuid[CSN_UUID_TEXT])
{
	uint8_t bytes[16];

	if (!text || (!csn_uuid_parse(text, bytes) && !csn_hex_parse(text, bytes, sizeof(bytes))))
		return false;
	csn_uuid_format(bytes, ret_uuid);
	return true;
}

static int read_timestamp(const json_t *value, int64_t *ret_seconds, struct csn_error *err)
{
	double real = json_real_value(value);

	if (json_is_integer(value))
		*ret_seconds = json_integer_value(value);
	else if (json_is_real(value) && real >= 0 && real < 1e15)
		*ret_seconds = (int64_t)real;
	else if (!json_is_string(value) || !csn_parse_i64(json_string_value(value), ret_seconds))
		return csn_fail(err, CSN_E_FORMAT, "member \"timestamp\" is no number");
	return 0;
}

static int read_head(struct reader *reader, const json_t *root, struct csn_error *err)
{
	struct csn_snapshot *snapshot = reader->snapshot;
	const struct {
		const char *name;
		const char **place;
	} texts[] = {
		{ "lang", &snapshot->lang },
		{ "langVersion", &snapshot->lang_version },
		{ "agent", &snapshot->agent },
		{ "agentVersion", &snapshot->agent_version },
		{ "mainThread", &snapshot->main_thread },
		{ "fingerprint", &snapshot->fingerprint },
	};
	size_t i;
	int r;

	if (!read_uuid(csn_json_get_string(root, "uuid", NULL), snapshot->uuid))
		return csn_fail(err, CSN_E_FORMAT, "member \"uuid\" is no UUID");
	r = read_timestamp(json_object_get(root, "timestamp"), &snapshot->timestamp, err);
	for (i = 0; r == 0 && i < csn_countof(texts); i++)
		r = read_member_text(reader, root, texts[i].name, texts[i].place, err);
	if (r == 0)
		r = read_member_text(reader, json_object_get(root, "arch"), "name", &snapshot->arch,
				     err);
	return r;
}

static int read_root(struct reader *reader, const json_t *root, struct csn_error *err)
{
	static int (*const parts[])(struct reader *, const json_t *, struct csn_error *) = {
		read_head,        read_fault,     read_attributes, read_limits, read_annotations,
		read_classifiers, read_truncated, read_modules,    read_maps,
	};
	size_t i;
	int r = check_required(root, err);

	for (i = 0; r == 0 && i < csn_countof(parts); i++)
		r = parts[i](reader, root, err);
	if (r == 0)
		r = csn_module_index_init(&reader->modules, reader->snapshot, err);
	reader->sources = json_object_get(root, "sourceCode");
	if (r == 0)
		r = read_threads(reader, root, err);
	return r;
}

int csn_snapshot_read_json(const char *text, size_t length, struct csn_snapshot **ret_snapshot,
			   struct csn_error *err)
{
	cleanup_(csn_snapshot_freep) struct csn_snapshot *snapshot = csn_snapshot_new();
	cleanup_(reader_done) struct reader reader = { .snapshot = snapshot };
	cleanup_json json_t *root = NULL;
	struct csn_error local = CSN_ERROR_INIT;
	int r;

	if (!snapshot)
		return csn_fail_nomem(err);
	reader.arena = snapshot->arena;
	if (!err)
		err = &local;
	r = csn_json_load(text, length, &root, err);
	if (r == 0)
		r = read_root(&reader, root, err);
	if (r < 0)
		return r;
	*ret_snapshot = csn_take(snapshot);
	return 0;
}
