#include <elf.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/uuid.h"
#include "engine/engine_internal.h"

static size_t csn_read_own(void *context, csn_addr addr, void *data, size_t size_bytes)
{
	return csn_target_read_own(context, addr, data, size_bytes);
}

/* Pages that the core left out come from the verified file of the module. */
static size_t csn_read_module_file(void *context, csn_addr addr, void *data, size_t size_bytes)
{
	struct csn_module *module = csn_modules_find(context, addr);

	return module ? csn_module_read_file(module, addr, data, size_bytes) : 0;
}

static int csn_collect_mappings(struct csn_engine *engine, struct csn_modules_input *input,
				struct csn_error *err)
{
	const struct csn_target *target = engine->target;
	struct csn_module_mapping *list =
		csn_arena_array(engine->snapshot->arena, target->n_mappings + 1, sizeof(*list));
	size_t count = 0;

	if (!list)
		return csn_fail_nomem(err);
	for (size_t i = 0; i < target->n_mappings; i++) {
		const struct csn_mapping *mapping = &target->mappings[i];

		if (!mapping->is_file)
			continue;
		list[count++] = (struct csn_module_mapping){
			.start = mapping->start,
			.end = mapping->end,
			.offset = mapping->offset,
			.path = mapping->path,
			.deleted = mapping->deleted,
			.maybe_executable = mapping->executable || !mapping->perms_known,
		};
	}
	input->mappings = list;
	input->n_mappings = count;
	return 0;
}

static const char *csn_find_executable(const struct csn_engine *engine)
{
	const char *own = engine->subject->executable;

	return engine->options->executable || !*own ? engine->options->executable : own;
}

/* What a file would have been good for is told when nobody can say whether there is one. */
static int csn_fetch(void *context, bool executable, const uint8_t *build_id, size_t size_bytes,
		     const char *name, char ret_path[CSN_MAX_PATH])
{
	struct csn_engine *engine = context;
	struct csn_error err = CSN_ERROR_INIT;
	const char *text;
	int fd;

	csn_progress_tell(&engine->options->progress, "asking for the debug information of", name,
			  0, 0);
	if (engine->options->fetch(engine->options->fetch_context, executable, build_id, size_bytes,
				   &fd, ret_path, &err) == 0)
		return fd;
	if (err.code == CSN_E_NOT_FOUND)
		return -1;
	text = csn_arena_sprintf(engine->snapshot->arena,
				 executable ? "debuginfod: %s; %s stays without its file"
					    : "debuginfod: %s; frames of %s stay without lines",
				 err.text, name);
	if (text && csn_snapshot_add_annotation(engine->snapshot, "warning", text, &err) < 0)
		return -1;
	return -1;
}

static void csn_refused(void *context, const char *name)
{
	struct csn_engine *engine = context;
	const char *text = csn_arena_sprintf(engine->snapshot->arena,
					     "debuginfod: the file that came for %s has another "
					     "build-id and was not used",
					     name);

	if (text && csn_snapshot_add_annotation(engine->snapshot, "warning", text, NULL) < 0)
		return;
}

int csn_engine_open_modules(struct csn_engine *engine, struct csn_error *err)
{
	struct csn_target *target = engine->target;
	struct csn_modules_input input = {
		.read = csn_read_own,
		.context = target,
		.executable = csn_find_executable(engine),
		.sysroot = engine->options->sysroot,
		.machine = target->arch->elf_machine,
		.is_64 = target->arch->word_bytes == 8,
		.assets = engine->options->assets,
		.progress = engine->options->progress,
		.opener = &engine->opener,
		.no_files = engine->options->salvage != NULL,
		.keep_answers = engine->options->keep_answers,
		.fetch = engine->options->fetch ? csn_fetch : NULL,
		.refused = csn_refused,
		.fetch_context = engine,
	};

	if (!target->live && !target->mappings_from_note && !engine->options->salvage &&
	    csn_engine_find_files(engine, err) < 0)
		return -CSN_E_NOMEM;
	csn_target_find_auxv(target, AT_SYSINFO_EHDR, &input.vdso);
	csn_target_find_auxv(target, AT_ENTRY, &input.entry);
	if (csn_collect_mappings(engine, &input, err) < 0 ||
	    csn_modules_new(&input, &engine->modules, err) < 0)
		return -CSN_E_NOMEM;
	if (!engine->options->salvage)
		csn_target_set_backing(target, csn_read_module_file, engine->modules);
	/* What is stored of each module needs its files in any case. */
	csn_modules_load_all(engine->modules);
	return csn_unwinder_new(target, engine->modules, &engine->unwinder, err);
}

const char *csn_engine_build_id(struct csn_engine *engine, const struct csn_module *module)
{
	char *text;

	if (!module->build_id_size)
		return NULL;
	text = csn_arena_alloc(engine->snapshot->arena, 2 * module->build_id_size + 1);
	if (text)
		csn_hex_format(module->build_id, module->build_id_size, text);
	return text;
}

const char *csn_engine_describe_missing(struct csn_engine *engine, const char *what,
					const struct csn_module *module)
{
	const char *reason = module->reason ? module->reason : "the file is missing";

	/* Reasons of failed system calls name the file themselves. */
	if (strncmp(reason, module->path, strlen(module->path)) == 0)
		return csn_arena_sprintf(engine->snapshot->arena, "%s %s", what, reason);
	return csn_arena_sprintf(engine->snapshot->arena, "%s %s: %s", what, module->path, reason);
}

/* The main program must be there for a snapshot to be whole; of the others only those on the
 * faulting stack count, and stacks.c notes them. */
static int csn_note_main_program(struct csn_engine *engine, struct csn_error *err)
{
	struct csn_module *main_module = csn_modules_main(engine->modules);
	const char *text;

	if (!main_module) {
		if (engine->target->mappings_from_note || engine->target->live)
			return 0;
		return csn_snapshot_add_truncated(engine->snapshot,
						  "the core does not say which files were mapped",
						  err);
	}
	if (main_module->state == CSN_MODULE_OK)
		return 0;
	text = csn_engine_describe_missing(engine, "executable", main_module);
	return text ? csn_snapshot_add_truncated(engine->snapshot, text, err) : csn_fail_nomem(err);
}

/* Two paths of one object. */
static bool csn_is_same_object(const struct csn_opener *opener, const char *one, const char *other)
{
	cleanup_close int first = -1, second = -1;
	struct stat a, b;

	return strcmp(one, other) == 0 ||
	       (csn_opener_open(opener, CSN_OPEN_OBJECT, one, &first, NULL) == 0 &&
		csn_opener_open(opener, CSN_OPEN_OBJECT, other, &second, NULL) == 0 &&
		fstat(first, &a) == 0 && fstat(second, &b) == 0 && a.st_dev == b.st_dev &&
		a.st_ino == b.st_ino);
}

/* A file given by hand that is not the program of this core is not used, and that is said. */
static int csn_note_wrong_executable(struct csn_engine *engine, struct csn_error *err)
{
	const struct csn_module *main_module = csn_modules_main(engine->modules);
	const char *given = engine->options->executable, *text;

	if (!given || !main_module || !main_module->file ||
	    csn_is_same_object(&engine->opener, given, main_module->file))
		return 0;
	text = csn_arena_sprintf(engine->snapshot->arena,
				 "%s is not the program of %s; %s was used", given,
				 engine->target->name, main_module->file);
	return text ? csn_snapshot_add_annotation(engine->snapshot, "warning", text, err)
		    : csn_fail_nomem(err);
}

/* Names and lines may be missing or older than people think: they should know why. */
static int csn_note_refused_files(struct csn_engine *engine, struct csn_error *err)
{
	size_t i, n = 0, count = csn_modules_count(engine->modules);

	for (i = 0; i < count && n < CSN_MAX_REFUSED_NOTES; i++) {
		const struct csn_module *module = csn_modules_get(engine->modules, i);

		if (!module->refused)
			continue;
		if (csn_snapshot_add_annotation(engine->snapshot, "warning", module->refused, err) <
		    0)
			return -CSN_E_NOMEM;
		n++;
	}
	return 0;
}

static int csn_store_module(struct csn_engine *engine, struct csn_module *module,
			    struct csn_snapshot_module *stored, struct csn_error *err)
{
	struct csn_arena *arena = engine->snapshot->arena;
	const char *debug = NULL;

	if (engine->options->salvage) {
		stored->state = csn_module_state_name(CSN_MODULE_MISSING);
	} else {
		csn_module_load(module);
		debug = csn_module_debug_path(module);
		stored->state = csn_module_state_name(module->state);
	}
	stored->start = module->start;
	stored->end = module->end;
	stored->path = csn_arena_strdup(arena, module->path);
	stored->build_id = csn_engine_build_id(engine, module);
	stored->debug_path = debug ? csn_arena_strdup(arena, debug) : NULL;
	return stored->path ? 0 : csn_fail_nomem(err);
}

int csn_engine_store_modules(struct csn_engine *engine, struct csn_error *err)
{
	struct csn_snapshot *snapshot = engine->snapshot;
	size_t count = csn_modules_count(engine->modules);

	snapshot->modules = csn_arena_array(snapshot->arena, count + 1, sizeof(*snapshot->modules));
	if (!snapshot->modules)
		return csn_fail_nomem(err);
	for (size_t i = 0; i < count; i++)
		if (csn_store_module(engine, csn_modules_get(engine->modules, i),
				     &snapshot->modules[i], err) < 0)
			return -CSN_E_NOMEM;
	snapshot->n_modules = count;
	if (engine->options->salvage)
		return 0;
	if (csn_note_wrong_executable(engine, err) < 0 || csn_note_refused_files(engine, err) < 0)
		return -CSN_E_NOMEM;
	return csn_note_main_program(engine, err);
}

int csn_engine_store_maps(struct csn_engine *engine, struct csn_error *err)
{
	struct csn_snapshot *snapshot = engine->snapshot;
	const struct csn_target *target = engine->target;

	snapshot->maps =
		csn_arena_array(snapshot->arena, target->n_mappings + 1, sizeof(*snapshot->maps));
	if (!snapshot->maps)
		return csn_fail_nomem(err);
	for (size_t i = 0; i < target->n_mappings; i++) {
		const struct csn_mapping *mapping = &target->mappings[i];
		struct csn_snapshot_map *stored = &snapshot->maps[i];

		stored->start = mapping->start;
		stored->end = mapping->end;
		stored->offset = mapping->offset;
		if (mapping->perms_known)
			snprintf(stored->perms, sizeof(stored->perms), "%c%c%c%c",
				 mapping->readable ? 'r' : '-', mapping->writable ? 'w' : '-',
				 mapping->executable ? 'x' : '-', mapping->shared ? 's' : 'p');
		else
			memcpy(stored->perms, "????", 5);
		stored->path =
			mapping->path ? csn_arena_strdup(snapshot->arena, mapping->path) : NULL;
		if (mapping->path && !stored->path)
			return csn_fail_nomem(err);
	}
	snapshot->n_maps = target->n_mappings;
	return 0;
}
