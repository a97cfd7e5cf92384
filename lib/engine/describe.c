#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "analyze/attributes.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/json.h"
#include "base/limits.h"
#include "engine/engine_internal.h"

/* The call stack attribute is for lists and grouping; deeper than this nobody compares. */
#define CSN_CALLSTACK_FRAMES 128u

static const char *csn_base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

/* A core without our note says nothing of its machine: it is mostly this one. */
static int csn_describe_machine(struct csn_snapshot *snapshot, struct csn_error *err)
{
	struct utsname name;
	int result = 0;

	if (csn_snapshot_find_attribute(snapshot, "uname.sysname") || uname(&name) < 0)
		return 0;
	if (!csn_snapshot_find_attribute(snapshot, "hostname"))
		result = csn_snapshot_set_string(snapshot, "hostname", name.nodename, err);
	if (result == 0)
		result = csn_snapshot_set_string(snapshot, "uname.sysname", name.sysname, err);
	if (result == 0)
		result = csn_snapshot_set_string(snapshot, "uname.release", name.release, err);
	if (result == 0)
		result = csn_snapshot_set_string(snapshot, "uname.version", name.version, err);
	if (result == 0)
		result = csn_snapshot_set_string(snapshot, "uname.machine", name.machine, err);
	if (result == 0)
		result = csn_snapshot_add_annotation(
			snapshot, "comment",
			"the core does not name its machine: hostname and uname are of the "
			"machine that analysed it",
			err);
	return result;
}

static int csn_describe_process(struct csn_engine *engine, struct csn_error *err)
{
	struct csn_snapshot *snapshot = engine->snapshot;
	const struct csn_target *target = engine->target;
	const struct csn_module *main_module = csn_modules_main(engine->modules);
	const char *path = csn_facts_string(engine->facts, "exe"), *build_id;
	const char *application = engine->options->application;
	int result = 0;

	if (!path)
		path = target->executable ? target->executable : engine->options->executable;
	if (!application)
		application = path ? csn_base_name(path) : target->process.comm;
	if (*application)
		result = csn_snapshot_set_string(snapshot, "application", application, err);
	if (result == 0 && path)
		result = csn_snapshot_set_string(snapshot, "process.path", path, err);
	if (result == 0 && target->process.pid >= 0)
		result = csn_snapshot_set_uint(snapshot, "process.id",
					       (uint64_t)target->process.pid, err);
	if (result == 0 && target->process.uid >= 0)
		result = csn_snapshot_set_uint(snapshot, "process.uid",
					       (uint64_t)target->process.uid, err);
	build_id = main_module ? csn_engine_build_id(engine, main_module) : NULL;
	if (result == 0 && build_id)
		result = csn_snapshot_set_string(snapshot, "build.id", build_id, err);
	if (result == 0 && !csn_snapshot_find_attribute(snapshot, "vm.threads"))
		result = csn_snapshot_set_uint(snapshot, "vm.threads", target->n_threads, err);
	if (result == 0 && target->live)
		result = csn_snapshot_set_uint(snapshot, "process.stopped.us",
					       target->stopped_ns / 1000, err);
	return result;
}

static void csn_write_callstack_frame(struct csn_json *json, struct csn_engine *engine,
				      const struct csn_snapshot_frame *frame)
{
	struct csn_module *module;
	char text[512];

	if (frame->function) {
		csn_json_string(json, frame->function);
		return;
	}
	if (frame->signal_frame) {
		csn_json_string(json, "<signal handler called>");
		return;
	}
	module = csn_modules_find(engine->modules, frame->address);
	if (module)
		snprintf(text, sizeof(text), "%s+0x%" PRIx64, module->name,
			 frame->address - module->start);
	else
		snprintf(text, sizeof(text), "0x%" PRIx64, frame->address);
	csn_json_string(json, text);
}

static int csn_describe_callstack(struct csn_engine *engine, struct csn_error *err)
{
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(CSN_MAX_SNAPSHOT_JSON);
	const struct csn_snapshot_thread *thread = csn_snapshot_get_main_thread(engine->snapshot);
	struct csn_json json = csn_json_to(&text);

	if (!thread)
		return 0;
	csn_json_begin_object(&json);
	csn_json_key(&json, "frame");
	csn_json_begin_array(&json);
	for (size_t i = 0; i < thread->n_frames && i < CSN_CALLSTACK_FRAMES; i++)
		csn_write_callstack_frame(&json, engine, &thread->frames[i]);
	csn_json_end_array(&json);
	csn_json_end_object(&json);
	if (csn_buf_check(&text, "callstack", err) < 0)
		return -CSN_E_NOMEM;
	return csn_snapshot_set_string(engine->snapshot, "callstack", csn_buf_text(&text), err);
}

/* "unlimited", or the number. */
static const char *csn_limit_text(struct csn_arena *arena, const json_t *value)
{
	if (json_is_integer(value))
		return csn_arena_sprintf(arena, "%lld", (long long)json_integer_value(value));
	return json_is_string(value) ? csn_arena_strdup(arena, json_string_value(value))
				     : "unlimited";
}

static int csn_describe_limits(struct csn_engine *engine, struct csn_error *err)
{
	json_t *limits = json_object_get(engine->facts, "limits"), *pair;
	struct csn_snapshot *snapshot = engine->snapshot;
	size_t count = json_object_size(limits);
	const char *name;

	if (!count || count > 64)
		return 0;
	snapshot->limits = csn_arena_array(snapshot->arena, count, sizeof(*snapshot->limits));
	if (!snapshot->limits)
		return csn_fail_nomem(err);
	json_object_foreach(limits, name, pair)
	{
		struct csn_snapshot_limit *limit = &snapshot->limits[snapshot->n_limits++];

		limit->name = csn_arena_strdup(snapshot->arena, name);
		limit->soft = csn_limit_text(snapshot->arena, json_array_get(pair, 0));
		limit->hard = csn_limit_text(snapshot->arena, json_array_get(pair, 1));
		if (!limit->name || !limit->soft || !limit->hard)
			return csn_fail_nomem(err);
	}
	return 0;
}

/* A small text file is attached whole, as an annotation; folders are for objects. */
static int csn_attach_resource(const struct csn_engine *engine, const char *path,
			       struct csn_error *err)
{
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(CSN_MAX_RESOURCE_TEXT);
	struct csn_snapshot *snapshot = engine->snapshot;
	cleanup_close int fd = -1;
	char name[256];

	if (csn_opener_open(&engine->opener, CSN_OPEN_GIVEN, path, &fd, NULL) < 0)
		return 0;
	snprintf(name, sizeof(name), "resource/%s", csn_base_name(path));
	if (csn_read_fd(fd, path, &text, NULL) < 0 ||
	    memchr(csn_buf_text(&text), '\0', text.size)) {
		char warning[512];

		snprintf(warning, sizeof(warning),
			 "%s was not attached: it is larger than 64 KiB or no text", name);
		return csn_snapshot_add_annotation(snapshot, "warning", warning, err);
	}
	return csn_snapshot_add_annotation(snapshot, name, csn_buf_text(&text), err);
}

static int csn_describe_given(struct csn_engine *engine, struct csn_error *err)
{
	const struct csn_engine_options *options = engine->options;
	struct csn_snapshot *snapshot = engine->snapshot;
	const char *own = csn_facts_string(engine->facts, "env.BACKTRACE_DEFAULTS");
	uint64_t dumpable = 0;
	int result = csn_attributes_from_defaults(snapshot, options->defaults, "BACKTRACE_DEFAULTS",
						  err);

	/* A privileged process may not be named by whoever started it. */
	if (result == 0 && csn_facts_number(engine->facts, "dumpable", &dumpable) && dumpable == 1)
		result = csn_attributes_from_defaults(snapshot, own,
						      "BACKTRACE_DEFAULTS of the process", err);
	for (size_t i = 0; i < options->n_kv && result == 0; i++)
		result = csn_attributes_from_kv(snapshot, options->kv[i], err);
	for (size_t i = 0; i < options->n_resources && result == 0; i++)
		result = csn_attach_resource(engine, options->resources[i], err);
	return result;
}

int csn_engine_describe(struct csn_engine *engine, struct csn_error *err)
{
	int result = csn_attributes_from_facts(engine->snapshot, engine->facts, err);

	if (result == 0)
		result = csn_describe_machine(engine->snapshot, err);
	if (result == 0)
		result = csn_describe_process(engine, err);
	if (result == 0)
		result = csn_describe_callstack(engine, err);
	if (result == 0)
		result = csn_describe_limits(engine, err);
	return result == 0 ? csn_describe_given(engine, err) : result;
}
