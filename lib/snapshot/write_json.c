/* The JSON writer. The order of members is chosen so that a small document compresses well (like
 * stands beside like), and what another member already says is left out:
 * - a frame's build-id, when the module of its library has the same;
 * - source paths, which stand once in sourceCode and are named by number. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/limits.h"
#include "snapshot/document.h"
#include "snapshot/document_internal.h"

struct writer {
	struct csn_json json;
	const struct csn_snapshot *snapshot;
	struct csn_module_index modules;
	const char **sources; /* owned; sorted, unique; sourceCode "n" is sources[n - 1] */
	size_t n_sources;
};

static void writer_done(struct writer *writer)
{
	csn_module_index_done(&writer->modules);
	free(writer->sources);
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int collect_sources(struct writer *writer, struct csn_error *err)
{
	const struct csn_snapshot *snapshot = writer->snapshot;
	size_t t, f, n = 0, unique = 0;

	for (t = 0; t < snapshot->n_threads; t++)
		for (f = 0; f < snapshot->threads[t].n_frames; f++)
			n += snapshot->threads[t].frames[f].source_path != NULL;
	if (!n)
		return 0;
	writer->sources = calloc(n, sizeof(char *));
	if (!writer->sources)
		return csn_fail_nomem(err);
	n = 0;
	for (t = 0; t < snapshot->n_threads; t++)
		for (f = 0; f < snapshot->threads[t].n_frames; f++)
			if (snapshot->threads[t].frames[f].source_path)
				writer->sources[n++] = snapshot->threads[t].frames[f].source_path;
	qsort(writer->sources, n, sizeof(char *), compare_texts);
	for (f = 0; f < n; f++)
		if (!unique || strcmp(writer->sources[unique - 1], writer->sources[f]) != 0)
			writer->sources[unique++] = writer->sources[f];
	writer->n_sources = unique;
	return 0;
}

/* Numbers that a signed 64-bit reader would lose are written as decimal strings (4.6). */
static void write_uint(struct csn_json *json, uint64_t value)
{
	char text[24];

	if (value <= INT64_MAX) {
		csn_json_uint(json, value);
		return;
	}
	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	csn_json_string(json, text);
}

static void write_source_number(struct writer *writer, const char *path)
{
	const char **found =
		bsearch(&path, writer->sources, writer->n_sources, sizeof(char *), compare_texts);
	char number[24];

	snprintf(number, sizeof(number), "%zu", (size_t)(found - writer->sources) + 1);
	csn_json_member_string(&writer->json, "sourceCode", number);
}

static void member_if(struct csn_json *json, const char *name, const char *text)
{
	if (text)
		csn_json_member_string(json, name, text);
}

static void member_uint(struct csn_json *json, const char *name, uint64_t value)
{
	csn_json_key(json, name);
	write_uint(json, value);
}

static void flag_if(struct csn_json *json, const char *name, bool value)
{
	if (value)
		csn_json_member_bool(json, name, true);
}

static void write_registers(struct csn_json *json, const struct csn_snapshot_frame *frame)
{
	size_t i;

	if (!frame->n_registers)
		return;
	csn_json_key(json, "registers");
	csn_json_begin_object(json);
	for (i = 0; i < frame->n_registers; i++)
		csn_json_member_address(json, frame->registers[i].name, frame->registers[i].value);
	csn_json_end_object(json);
}

/* Deep in itself only as far as whoever made it went. */
static void write_variables(struct csn_json *json, const char *name,
			    const struct csn_snapshot_variable *variables, size_t count)
{
	csn_json_key(json, name);
	csn_json_begin_array(json);
	for (size_t i = 0; i < count; i++) {
		const struct csn_snapshot_variable *variable = &variables[i];

		csn_json_begin_object(json);
		if (variable->role != CSN_VARIABLE_PLAIN)
			csn_json_member_string(json, "role",
					       csn_variable_role_name(variable->role));
		member_if(json, "name", variable->name);
		member_if(json, "type", variable->type);
		member_if(json, "value", variable->value);
		member_if(json, "missing", variable->missing);
		member_if(json, "dynamic_type", variable->dynamic_type);
		member_if(json, "same_as", variable->same_as);
		if (variable->repeats > 1)
			member_uint(json, "repeats", variable->repeats);
		flag_if(json, "cut", variable->is_cut);
		if (variable->form != CSN_FORM_BRACES)
			csn_json_member_string(json, "form", csn_form_marks(variable->form)->name);
		if (variable->n_parts || (!variable->value && !variable->missing))
			write_variables(json, variable->parts_are_target ? "target" : "parts",
					variable->parts, variable->n_parts);
		csn_json_end_object(json);
	}
	csn_json_end_array(json);
}

static void write_frame(struct writer *writer, const struct csn_snapshot_frame *frame)
{
	const char *known = csn_module_index_find_build_id(&writer->modules, frame->library);
	struct csn_json *json = &writer->json;

	csn_json_begin_object(json);
	if (frame->kind != CSN_FRAME_UNKNOWN)
		csn_json_member_string(json, "unwind", csn_frame_kind_name(frame->kind));
	flag_if(json, "inlined", frame->inlined);
	flag_if(json, "faulted", frame->faulted);
	flag_if(json, "signal_frame", frame->signal_frame);
	flag_if(json, "guessed_frame", frame->guessed);
	member_if(json, "library", frame->library);
	if (frame->build_id && (!known || strcmp(known, frame->build_id) != 0))
		csn_json_member_string(json, "debug_identifier", frame->build_id);
	if (frame->source_path)
		write_source_number(writer, frame->source_path);
	if (frame->line)
		csn_json_member_uint(json, "line", frame->line);
	if (frame->column)
		csn_json_member_uint(json, "column", frame->column);
	member_if(json, "funcName", frame->function);
	if (frame->has_offset)
		member_uint(json, "offset", frame->offset);
	if (frame->has_address)
		csn_json_member_address(json, "address", frame->address);
	write_registers(json, frame);
	if (frame->n_variables)
		write_variables(json, "variables", frame->variables, frame->n_variables);
	csn_json_end_object(json);
}

/* Bytes as hexadecimal text, two digits each, in the order of addresses. */
static void write_raw_stack(struct csn_json *json, const struct csn_snapshot_raw_stack *raw)
{
	cleanup_(csn_buf_done) struct csn_buf hex = CSN_BUF_INIT(2 * CSN_MAX_SNAPSHOT_RAW_STACK);

	if (!raw->size_bytes)
		return;
	csn_json_key(json, "raw_stack");
	csn_json_begin_object(json);
	csn_json_member_address(json, "address", raw->address);
	csn_json_member_uint(json, "word", raw->word_bytes);
	for (size_t i = 0; i < raw->size_bytes; i++)
		csn_buf_printf(&hex, "%02x", raw->bytes[i]);
	csn_json_member_string(json, "bytes", csn_buf_text(&hex));
	csn_json_key(json, "code");
	csn_json_begin_array(json);
	for (size_t i = 0; i < raw->n_code; i++) {
		csn_json_begin_object(json);
		csn_json_member_uint(json, "at", raw->code[i].at);
		member_if(json, "funcName", raw->code[i].function);
		if (raw->code[i].function)
			member_uint(json, "offset", raw->code[i].offset);
		member_if(json, "library", raw->code[i].library);
		csn_json_end_object(json);
	}
	csn_json_end_array(json);
	csn_json_end_object(json);
}

static void write_threads(struct writer *writer)
{
	const struct csn_snapshot *snapshot = writer->snapshot;
	struct csn_json *json = &writer->json;
	char key[24];
	size_t t, f;

	csn_json_key(json, "threads");
	csn_json_begin_object(json);
	for (t = 0; t < snapshot->n_threads; t++) {
		const struct csn_snapshot_thread *thread = &snapshot->threads[t];

		csn_json_key(json, csn_snapshot_thread_key(thread, key));
		csn_json_begin_object(json);
		member_if(json, "name", thread->name);
		csn_json_member_bool(json, "fault", thread->fault);
		member_if(json, "state", thread->state);
		member_if(json, "unwind_end", thread->unwind_end);
		if (thread->frames_left_out)
			member_uint(json, "frames_left_out", thread->frames_left_out);
		write_raw_stack(json, &thread->raw_stack);
		csn_json_key(json, "stack");
		csn_json_begin_array(json);
		for (f = 0; f < thread->n_frames; f++)
			write_frame(writer, &thread->frames[f]);
		csn_json_end_array(json);
		csn_json_end_object(json);
	}
	csn_json_end_object(json);
}

static void write_sources(struct writer *writer)
{
	struct csn_json *json = &writer->json;
	char number[24];
	size_t i;

	if (!writer->n_sources)
		return;
	csn_json_key(json, "sourceCode");
	csn_json_begin_object(json);
	for (i = 0; i < writer->n_sources; i++) {
		snprintf(number, sizeof(number), "%zu", i + 1);
		csn_json_key(json, number);
		csn_json_begin_object(json);
		csn_json_member_string(json, "path", writer->sources[i]);
		csn_json_end_object(json);
	}
	csn_json_end_object(json);
}

/* The public form names each register's type; a frame's values follow it. */
static void write_arch(struct csn_json *json, const struct csn_snapshot *snapshot)
{
	const struct csn_snapshot_thread *thread = csn_snapshot_get_main_thread(snapshot);
	const struct csn_snapshot_frame *frame = NULL;
	size_t i;

	if (!snapshot->arch)
		return;
	/* Inlined frames have none of their own. */
	for (i = 0; thread && i < thread->n_frames && !frame; i++)
		frame = thread->frames[i].inlined ? NULL : &thread->frames[i];
	csn_json_key(json, "arch");
	csn_json_begin_object(json);
	csn_json_member_string(json, "name", snapshot->arch);
	csn_json_key(json, "registers");
	csn_json_begin_object(json);
	for (i = 0; frame && i < frame->n_registers; i++)
		csn_json_member_string(json, frame->registers[i].name, "u64");
	csn_json_end_object(json);
	csn_json_end_object(json);
}

static void write_fault(struct csn_json *json, const struct csn_snapshot_fault *fault)
{
	if (!fault->present)
		return;
	csn_json_key(json, "fault");
	csn_json_begin_object(json);
	csn_json_member_int(json, "signal", fault->signal);
	member_if(json, "name", fault->signal_name);
	csn_json_member_int(json, "code", fault->code);
	member_if(json, "code_name", fault->code_name);
	if (fault->has_address)
		csn_json_member_address(json, "address", fault->address);
	member_if(json, "access", fault->access);
	if (fault->sender_pid >= 0)
		csn_json_member_int(json, "sender_pid", fault->sender_pid);
	if (fault->sender_uid >= 0)
		csn_json_member_int(json, "sender_uid", fault->sender_uid);
	csn_json_end_object(json);
}

static void write_attributes(struct csn_json *json, const struct csn_snapshot *snapshot)
{
	size_t i;

	csn_json_key(json, "attributes");
	csn_json_begin_object(json);
	for (i = 0; i < snapshot->n_attributes; i++) {
		const struct csn_snapshot_attribute *attribute = &snapshot->attributes[i];

		csn_json_key(json, attribute->name);
		switch (attribute->kind) {
		case CSN_VALUE_STRING:
			csn_json_string(json, attribute->string);
			break;
		case CSN_VALUE_INT:
			csn_json_int(json, attribute->int_);
			break;
		case CSN_VALUE_UINT:
			write_uint(json, attribute->uint);
			break;
		case CSN_VALUE_DOUBLE:
			csn_json_double(json, attribute->double_);
			break;
		case CSN_VALUE_BOOL:
			csn_json_bool(json, attribute->bool_);
			break;
		}
	}
	csn_json_end_object(json);
}

static void write_modules(struct csn_json *json, const struct csn_snapshot *snapshot)
{
	size_t i;

	if (!snapshot->n_modules)
		return;
	csn_json_key(json, "modules");
	csn_json_begin_array(json);
	for (i = 0; i < snapshot->n_modules; i++) {
		const struct csn_snapshot_module *module = &snapshot->modules[i];

		csn_json_begin_object(json);
		csn_json_member_address(json, "start", module->start);
		member_uint(json, "size", module->end - module->start);
		member_if(json, "state", module->state);
		member_if(json, "code_file", module->path);
		member_if(json, "debug_file", module->debug_path);
		member_if(json, "debug_identifier", module->build_id);
		csn_json_end_object(json);
	}
	csn_json_end_array(json);
}

/* [start, size, perms, offset, path]; offset 0 and no path are left out at the end. */
static void write_maps(struct csn_json *json, const struct csn_snapshot *snapshot)
{
	size_t i;

	if (!snapshot->n_maps)
		return;
	csn_json_key(json, "maps");
	csn_json_begin_array(json);
	for (i = 0; i < snapshot->n_maps; i++) {
		const struct csn_snapshot_map *map = &snapshot->maps[i];

		csn_json_begin_array(json);
		csn_json_address(json, map->start);
		write_uint(json, map->end - map->start);
		csn_json_string(json, map->perms);
		if (map->offset || map->path)
			write_uint(json, map->offset);
		if (map->path)
			csn_json_string(json, map->path);
		csn_json_end_array(json);
	}
	csn_json_end_array(json);
}

/* "Max open files": [soft, hard, unit] */
static void write_limits(struct csn_json *json, const struct csn_snapshot *snapshot)
{
	size_t i;

	if (!snapshot->n_limits)
		return;
	csn_json_key(json, "limits");
	csn_json_begin_object(json);
	for (i = 0; i < snapshot->n_limits; i++) {
		const struct csn_snapshot_limit *limit = &snapshot->limits[i];

		csn_json_key(json, limit->name);
		csn_json_begin_array(json);
		csn_json_string(json, limit->soft);
		csn_json_string(json, limit->hard);
		if (limit->unit)
			csn_json_string(json, limit->unit);
		csn_json_end_array(json);
	}
	csn_json_end_object(json);
}

static void write_texts(struct csn_json *json, const char *name, const char *const *texts,
			size_t count)
{
	size_t i;

	csn_json_key(json, name);
	csn_json_begin_array(json);
	for (i = 0; i < count; i++)
		csn_json_string(json, texts[i]);
	csn_json_end_array(json);
}

static bool annotation_seen(const struct csn_snapshot *snapshot, size_t at)
{
	size_t i;

	for (i = 0; i < at; i++)
		if (strcmp(snapshot->annotations[i].name, snapshot->annotations[at].name) == 0)
			return true;
	return false;
}

/* A text, or an object that says whom it is about too. */
static void write_annotation_item(struct csn_json *json, const struct csn_annotation *annotation)
{
	if (!annotation->thread) {
		csn_json_string(json, annotation->text);
		return;
	}
	csn_json_begin_object(json);
	csn_json_member_string(json, "text", annotation->text);
	csn_json_member_string(json, "thread", annotation->thread);
	if (annotation->has_frame)
		csn_json_member_uint(json, "frame", annotation->frame);
	member_if(json, "variable", annotation->variable);
	csn_json_end_object(json);
}

/* Several of one name become one array. */
static void write_annotation(struct csn_json *json, const struct csn_snapshot *snapshot, size_t at)
{
	const char *name = snapshot->annotations[at].name;
	size_t i, n = 0;

	for (i = at; i < snapshot->n_annotations; i++)
		n += strcmp(snapshot->annotations[i].name, name) == 0;
	csn_json_key(json, name);
	if (n > 1)
		csn_json_begin_array(json);
	for (i = at; i < snapshot->n_annotations; i++)
		if (strcmp(snapshot->annotations[i].name, name) == 0)
			write_annotation_item(json, &snapshot->annotations[i]);
	if (n > 1)
		csn_json_end_array(json);
}

static void write_annotations(struct csn_json *json, const struct csn_snapshot *snapshot)
{
	size_t i;

	if (!snapshot->n_annotations)
		return;
	csn_json_key(json, "annotations");
	csn_json_begin_object(json);
	for (i = 0; i < snapshot->n_annotations; i++)
		if (!annotation_seen(snapshot, i))
			write_annotation(json, snapshot, i);
	csn_json_end_object(json);
}

static void write_withheld(struct csn_json *json, const struct csn_snapshot *snapshot)
{
	if (!snapshot->n_withheld)
		return;
	csn_json_key(json, "withheld");
	csn_json_begin_array(json);
	for (size_t i = 0; i < snapshot->n_withheld; i++) {
		const struct csn_withheld *withheld = &snapshot->withheld[i];

		csn_json_begin_object(json);
		member_if(json, "rule", withheld->rule);
		member_if(json, "why", withheld->why);
		member_if(json, "what", withheld->what);
		member_if(json, "name", withheld->name);
		member_if(json, "thread", withheld->thread);
		if (withheld->has_frame)
			csn_json_member_uint(json, "frame", withheld->frame);
		if (withheld->count > 1)
			member_uint(json, "count", withheld->count);
		csn_json_end_object(json);
	}
	csn_json_end_array(json);
}

static void write_head(struct csn_json *json, const struct csn_snapshot *snapshot)
{
	const struct csn_snapshot_thread *main_thread = csn_snapshot_get_main_thread(snapshot);
	const char *main_key = snapshot->main_thread;
	char key[24];

	if (!main_key)
		main_key = main_thread ? csn_snapshot_thread_key(main_thread, key) : "";
	csn_json_member_string(json, "uuid", snapshot->uuid);
	csn_json_member_int(json, "timestamp", snapshot->timestamp);
	csn_json_member_string(json, "lang", snapshot->lang ? snapshot->lang : "c");
	csn_json_member_string(json, "langVersion",
			       snapshot->lang_version ? snapshot->lang_version : "");
	csn_json_member_string(json, "agent", snapshot->agent ? snapshot->agent : "coresnap");
	csn_json_member_string(json, "agentVersion",
			       snapshot->agent_version ? snapshot->agent_version : "");
	member_if(json, "fingerprint", snapshot->fingerprint);
	csn_json_member_string(json, "mainThread", main_key);
	write_texts(json, "classifiers", snapshot->classifiers, snapshot->n_classifiers);
}

static void write_globals(struct csn_json *json, const struct csn_snapshot *snapshot)
{
	if (!snapshot->n_globals)
		return;
	csn_json_key(json, "globals");
	csn_json_begin_array(json);
	for (size_t i = 0; i < snapshot->n_globals; i++) {
		const struct csn_snapshot_globals *globals = &snapshot->globals[i];

		csn_json_begin_object(json);
		member_if(json, "library", globals->library);
		member_if(json, "file", globals->file);
		write_variables(json, "variables", globals->variables, globals->n_variables);
		csn_json_end_object(json);
	}
	csn_json_end_array(json);
}

int csn_snapshot_write_json(const struct csn_snapshot *snapshot, struct csn_buf *out,
			    struct csn_error *err)
{
	cleanup_(writer_done) struct writer writer = { .json = csn_json_to(out),
						       .snapshot = snapshot };
	struct csn_json *json = &writer.json;
	int r = csn_module_index_init(&writer.modules, snapshot, err);

	if (r == 0)
		r = collect_sources(&writer, err);
	if (r < 0)
		return r;
	csn_json_begin_object(json);
	write_head(json, snapshot);
	write_fault(json, &snapshot->fault);
	write_attributes(json, snapshot);
	write_limits(json, snapshot);
	write_annotations(json, snapshot);
	if (snapshot->n_truncated)
		write_texts(json, "truncated", snapshot->truncated, snapshot->n_truncated);
	write_withheld(json, snapshot);
	write_arch(json, snapshot);
	write_sources(&writer);
	write_threads(&writer);
	write_globals(json, snapshot);
	write_modules(json, snapshot);
	write_maps(json, snapshot);
	csn_json_end_object(json);
	return csn_buf_check(out, "snapshot", err);
}
