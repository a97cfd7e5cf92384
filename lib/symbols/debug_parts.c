/* Debug information that is in further files: .dwo files of split units, .dwp packages of them, the
 * alternate file that several programs share (dwz).
 *
 * The names of these files come from the debug information and so from the dead: whatever is there
 * is opened, and used only when it is an object with the id that was asked for. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "base/uuid.h"
#include "symbols/module_internal.h"

/* An object with split units. */
struct csn_debug_part {
	struct csn_debug_part *next;
	const char *path;
	struct csn_elf_file *elf; /* owned */
	struct csn_dwarf *dwarf;  /* owned */
};

/* NULL when there is no such file, or nothing split in it. */
static struct csn_debug_part *open_part(struct csn_module *module, const char *path)
{
	struct csn_module_impl *impl = module->impl;
	cleanup_(csn_elf_file_freep) struct csn_elf_file *elf = NULL;
	cleanup_(csn_dwarf_freep) struct csn_dwarf *dwarf = NULL;
	struct csn_debug_part *part;

	if (!path)
		return NULL;
	for (part = impl->parts; part; part = part->next)
		if (strcmp(part->path, path) == 0)
			return part;
	if (impl->n_parts >= CSN_MAX_SPLIT_FILES ||
	    csn_elf_file_open(csn_module_opener(module), path, &elf, NULL) < 0 ||
	    csn_dwarf_open_split(elf, &dwarf, NULL) < 0)
		return NULL;
	part = csn_arena_alloc(impl->modules->arena, sizeof(*part));
	if (!part)
		return NULL;
	part->path = path;
	part->elf = csn_take(elf);
	part->dwarf = csn_take(dwarf);
	part->next = impl->parts;
	impl->parts = part;
	impl->n_parts++;
	return part;
}

/* name in the folder of a file; NULL without a file. */
static const char *beside(struct csn_module *module, const char *file, const char *name)
{
	const char *slash = file ? strrchr(file, '/') : NULL;

	if (!slash)
		return NULL;
	return csn_arena_sprintf(module->impl->modules->arena, "%.*s/%s",
				 (int)csn_min_u64((uint64_t)(slash - file), CSN_MAX_PATH), file,
				 name);
}

static const char *package_of(struct csn_module *module, const char *file)
{
	return file ? csn_arena_sprintf(module->impl->modules->arena, "%s.dwp", file) : NULL;
}

/* Packages are few: all that there are stay open. */
static void open_packages(struct csn_module *module)
{
	struct csn_module_impl *impl = module->impl;
	const char *places[] = {
		csn_module_asset_path(module, ".dwp"),
		package_of(module, module->path),
		package_of(module, module->file),
		package_of(module, impl->debug_path),
		csn_build_id_path(impl->modules, module->build_id, module->build_id_size, ".dwp"),
	};
	size_t i;

	for (i = 0; i < CSN_MODULE_PLACES; i++) {
		struct csn_debug_part *part = open_part(module, places[i]);

		if (part)
			impl->packages[impl->n_packages++] = part;
	}
}

/* A .dwo file of the unit, where it was compiled or beside the program. */
static struct csn_dwarf *open_split_file(struct csn_module *module,
					 const struct csn_dwarf_split_name *wanted)
{
	struct csn_arena *arena = module->impl->modules->arena;
	const char *name = wanted->name;
	const char *short_name = csn_last_part(name), *places[CSN_MODULE_PLACES] = { NULL };
	size_t i;

	if (name[0] == '/')
		places[0] = name;
	else if (wanted->folder)
		places[0] = csn_arena_sprintf(arena, "%s/%s", wanted->folder, name);
	if (name[0] != '/')
		places[1] = beside(module, module->path, name);
	places[2] = beside(module, module->path, short_name);
	places[3] = beside(module, module->file, short_name);
	places[4] = beside(module, module->impl->debug_path, short_name);
	for (i = 0; i < CSN_MODULE_PLACES; i++) {
		struct csn_debug_part *part = open_part(module, places[i]);

		if (part && csn_dwarf_has_split(part->dwarf, wanted->id))
			return part->dwarf;
		if (part)
			csn_module_refuse(module, "%s is of another build than %s", part->path,
					  module->path);
	}
	return NULL;
}

static struct csn_dwarf *open_split(void *context, const struct csn_dwarf_split_name *wanted)
{
	struct csn_module *module = context;
	struct csn_module_impl *impl = module->impl;
	struct csn_dwarf *found;
	size_t i;

	if (!impl->packages_tried)
		open_packages(module);
	impl->packages_tried = true;
	for (i = 0; i < impl->n_packages; i++)
		if (csn_dwarf_has_split(impl->packages[i]->dwarf, wanted->id))
			return impl->packages[i]->dwarf;
	found = open_split_file(module, wanted);
	if (!found)
		csn_module_refuse(module, "%s, which has debug information of %s, was not found",
				  wanted->name, module->path);
	return found;
}

/* True when the file was taken. */
static bool try_alternate(struct csn_module *module, const char *path, const struct csn_span *id)
{
	struct csn_module_impl *impl = module->impl;
	cleanup_(csn_elf_file_freep) struct csn_elf_file *elf = NULL;

	if (!path || csn_elf_file_open(csn_module_opener(module), path, &elf, NULL) < 0)
		return false;
	if (!csn_elf_file_is_alternate(elf, id)) {
		csn_module_refuse(module,
				  "%s is not the alternate debug file of %s: its id differs", path,
				  module->path);
		return false;
	}
	if (csn_dwarf_open(elf, NULL, &impl->alternate, NULL) < 0)
		return false;
	impl->alternate_elf = csn_take(elf);
	return true;
}

/* A name that is not absolute counts from the folder where the file really is: debug files are
 * found through links. */
static const char *beside_real(struct csn_module *module, const char *file, const char *name)
{
	const struct csn_opener *opener = csn_module_opener(module);
	char real[CSN_MAX_PATH];

	if (file && opener->locate(opener->context, file, real, NULL) == 0)
		file = real;
	return beside(module, file, name);
}

static struct csn_dwarf *open_alternate(void *context)
{
	struct csn_module *module = context;
	struct csn_module_impl *impl = module->impl;
	struct csn_arena *arena = impl->modules->arena;
	const char *name, *places[CSN_MODULE_PLACES] = { NULL };
	struct csn_span id;
	size_t i;

	if (!csn_elf_file_alternate(impl->dwarf_elf, &name, &id))
		return NULL;
	places[0] = csn_build_id_path(impl->modules, id.data, id.size, ".debug");
	places[1] = name[0] == '/' ? name : beside_real(module, impl->dwarf_path, name);
	places[2] = csn_arena_sprintf(arena, "%s/.dwz/%s", impl->modules->debug_root,
				      csn_last_part(name));
	for (i = 0; i < CSN_MODULE_PLACES; i++)
		if (try_alternate(module, places[i], &id))
			return impl->alternate;
	csn_module_refuse(module, "%s, which has debug information of %s, was not found", name,
			  module->path);
	return NULL;
}

bool csn_module_open_dwarf(struct csn_module *module, struct csn_elf_file *elf, const char *path)
{
	struct csn_module_impl *impl = module->impl;
	const struct csn_dwarf_links links = { .open_split = open_split,
					       .open_alternate = open_alternate,
					       .context = module };
	bool alone = impl->modules->input.no_files || !path;

	impl->dwarf_elf = elf;
	impl->dwarf_path = path;
	if (csn_dwarf_open(elf, alone ? NULL : &links, &impl->dwarf, NULL) == 0)
		return true;
	impl->dwarf = NULL;
	return false;
}

void csn_module_close_dwarf(struct csn_module *module)
{
	struct csn_module_impl *impl = module->impl;
	struct csn_debug_part *part;

	csn_dwarf_free(impl->dwarf);
	csn_dwarf_free(impl->alternate);
	csn_elf_file_free(impl->alternate_elf);
	for (part = impl->parts; part; part = part->next) {
		csn_dwarf_free(part->dwarf);
		csn_elf_file_free(part->elf);
	}
}
