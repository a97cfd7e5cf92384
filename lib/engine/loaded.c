/* Which files were mapped, for a core without NT_FILE (qemu's, old kernels').
 *
 * The auxiliary vector tells the entry point and the path of the main program; its file then tells
 * where its dynamic section is, and there begins the dynamic linker's list of libraries. The
 * program headers of each file say what it had mapped. A file is taken only when its own addresses
 * agree with those that the process has. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "engine/engine_internal.h"
#include "symbols/link_map.h"
#include "target/core.h"

#define CSN_PAGE 4096u

struct csn_finding {
	struct csn_engine *engine;
	struct csn_core_file *files; /* in the target's arena */
	size_t count, capacity;
	struct csn_error *err;
};

/* The file at path, below root, if it is of the process's machine. */
static struct csn_elf_file *csn_open_object(const struct csn_finding *finding, const char *root,
					    const char *path)
{
	const struct csn_arch *arch = finding->engine->target->arch;
	cleanup_(csn_buf_done) struct csn_buf name = CSN_BUF_INIT(2ull * CSN_MAX_PATH);
	cleanup_(csn_elf_file_freep) struct csn_elf_file *elf = NULL;

	csn_buf_puts(&name, root);
	csn_buf_puts(&name, path);
	if (!csn_buf_ok(&name) ||
	    csn_elf_file_open(&finding->engine->opener, csn_buf_text(&name), &elf, NULL) < 0 ||
	    !csn_elf_file_is_of(elf, arch->elf_machine, arch->word_bytes == 8))
		return NULL;
	return csn_take(elf);
}

/* Below the sysroot first. */
static struct csn_elf_file *csn_find_object(const struct csn_finding *finding, const char *path)
{
	const char *sysroot = finding->engine->options->sysroot;
	struct csn_elf_file *elf = sysroot ? csn_open_object(finding, sysroot, path) : NULL;

	return elf ? elf : csn_open_object(finding, "", path);
}

/* The link-time address of the dynamic section; 0 none. */
static csn_addr csn_dynamic_of(const struct csn_elf_file *elf)
{
	struct csn_elf_segment segment;

	return csn_elf_file_segment_of_type(elf, PT_DYNAMIC, &segment) ? segment.address : 0;
}

/* Every segment of the file becomes a line of the list. */
static int csn_add_object(struct csn_finding *finding, const struct csn_elf_file *elf,
			  csn_addr bias, const char *path)
{
	struct csn_arena *arena = finding->engine->target->arena;
	const char *name = csn_arena_strdup(arena, path);
	struct csn_elf_segment segment;

	if (!name)
		return csn_fail_nomem(finding->err);
	for (uint32_t i = 0; csn_elf_file_segment(elf, i, &segment); i++) {
		uint64_t skew = segment.address % CSN_PAGE;
		struct csn_core_file file = {
			.start = bias + segment.address - skew,
			.end = (bias + segment.address + segment.file_size + CSN_PAGE - 1) &
			       ~(csn_addr)(CSN_PAGE - 1),
			.offset = segment.offset - skew,
			.path = name,
		};

		if (segment.type != PT_LOAD || !segment.file_size || segment.offset < skew ||
		    file.end <= file.start)
			continue;
		finding->files = csn_arena_grow(arena, finding->files, finding->count,
						&finding->capacity, sizeof(file));
		if (!finding->files)
			return csn_fail_nomem(finding->err);
		finding->files[finding->count++] = file;
	}
	return 0;
}

/* The main program: the file given, or what the process itself was started as. *ret_path is
 * absolute, in the target's arena; NULL with the result when there is none. */
static struct csn_elf_file *csn_find_program(const struct csn_finding *finding,
					     const char **ret_path)
{
	struct csn_target *target = finding->engine->target;
	const char *given = finding->engine->options->executable, *started = NULL, *path;
	const struct csn_opener *opener = &finding->engine->opener;
	char real[CSN_MAX_PATH];
	struct csn_elf_file *elf;
	uint64_t name;

	if (csn_target_find_auxv(target, AT_EXECFN, &name))
		started = csn_target_read_string(target, target->arena, name, CSN_MAX_PATH);
	path = given ? given : started;
	if (!path || !*path)
		return NULL;
	elf = given ? csn_open_object(finding, "", given) : csn_find_object(finding, started);
	if (!elf)
		return NULL;
	if (started && *started == '/') {
		*ret_path = started;
		return elf;
	}
	if (opener->locate(opener->context, path, real, NULL) == 0)
		*ret_path = csn_arena_strdup(target->arena, real);
	return elf;
}

/* A library, when its file has its dynamic section where the process has it. */
static int csn_add_library(struct csn_finding *finding, const struct csn_loaded *loaded)
{
	cleanup_(csn_elf_file_freep) struct csn_elf_file *elf = NULL;

	if (loaded->name[0] != '/')
		return 0;
	elf = csn_find_object(finding, loaded->name);
	if (!elf || loaded->bias + csn_dynamic_of(elf) != loaded->dynamic)
		return 0;
	return csn_add_object(finding, elf, loaded->bias, loaded->name);
}

/* Before the dynamic linker has made its list there is only itself. */
static int csn_add_linker(struct csn_finding *finding, const struct csn_elf_file *program)
{
	cleanup_(csn_elf_file_freep) struct csn_elf_file *elf = NULL;
	struct csn_elf_segment segment;
	struct csn_span bytes;
	const char *path;
	uint64_t base;

	if (!csn_target_find_auxv(finding->engine->target, AT_BASE, &base) || !base ||
	    !csn_elf_file_segment_of_type(program, PT_INTERP, &segment))
		return 0;
	bytes = csn_elf_file_at(program, segment.address);
	path = csn_span_cstr(&bytes);
	elf = path && path[0] == '/' ? csn_find_object(finding, path) : NULL;
	return elf ? csn_add_object(finding, elf, base, path) : 0;
}

static size_t csn_read_target(void *context, csn_addr addr, void *data, size_t size_bytes)
{
	return csn_target_read_own(context, addr, data, size_bytes);
}

static int csn_add_libraries(struct csn_finding *finding, const struct csn_elf_file *program,
			     csn_addr bias)
{
	struct csn_target *target = finding->engine->target;
	const struct csn_link_map_input input = {
		.read = csn_read_target,
		.context = target,
		.word_bytes = target->arch->word_bytes,
		.dynamic = bias + csn_dynamic_of(program),
	};
	struct csn_loaded *loaded = NULL;
	size_t count = 0;

	if (csn_link_map_read(target->arena, &input, &loaded, &count, finding->err) < 0)
		return -CSN_E_NOMEM;
	if (!count)
		return csn_add_linker(finding, program);
	for (size_t i = 0; i < count; i++)
		if (csn_add_library(finding, &loaded[i]) < 0)
			return -CSN_E_NOMEM;
	return 0;
}

int csn_engine_find_files(struct csn_engine *engine, struct csn_error *err)
{
	cleanup_(csn_elf_file_freep) struct csn_elf_file *program = NULL;
	struct csn_finding finding = { .engine = engine, .err = err };
	struct csn_target *target = engine->target;
	const char *path = NULL;
	uint64_t entry, headers, count;
	csn_addr bias;

	if (!csn_target_find_auxv(target, AT_ENTRY, &entry) ||
	    !csn_target_find_auxv(target, AT_PHDR, &headers) ||
	    !csn_target_find_auxv(target, AT_PHNUM, &count))
		return 0;
	program = csn_find_program(&finding, &path);
	if (!program || !path)
		return 0;
	bias = entry - csn_elf_file_header(program)->entry;
	/* The headers of another program would lie elsewhere or be others in number. */
	if (bias % CSN_PAGE || count != csn_elf_file_header(program)->n_segments ||
	    headers % CSN_PAGE != csn_elf_file_header(program)->segments_offset % CSN_PAGE)
		return 0;
	if (csn_add_object(&finding, program, bias, path) < 0 ||
	    csn_add_libraries(&finding, program, bias) < 0)
		return -CSN_E_NOMEM;
	return csn_core_set_files(target, finding.files, finding.count, err);
}
