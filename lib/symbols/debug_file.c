/* The separate debug file of a module, where distributions put it (GDB manual, "Separate Debug
 * Files"): by build-id, then by the debug link's name in three folders. */
#include <string.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/uuid.h"
#include "symbols/module_internal.h"

static void keep(struct csn_module *module, struct csn_elf_file **elf, const char *path)
{
	module->impl->debug_elf = csn_take(*elf);
	module->impl->debug_path = path;
}

static bool try_build_id(struct csn_module *module)
{
	cleanup_(csn_elf_file_freep) struct csn_elf_file *elf = NULL;
	struct csn_modules *modules = module->impl->modules;
	char hex[2 * CSN_MAX_BUILD_ID + 1];
	const char *path;

	if (module->build_id_size < 2)
		return false;
	csn_hex_format(module->build_id, module->build_id_size, hex);
	path = csn_arena_sprintf(modules->arena, "%s/.build-id/%.2s/%s.debug", modules->debug_root,
				 hex, hex + 2);
	if (!path || csn_elf_file_open(path, &elf, NULL) < 0 ||
	    !csn_module_has_build_id(module, elf))
		return false;
	keep(module, &elf, path);
	return true;
}

/* Equal build-ids prove it; the checksum, which reads the whole file, only where there are none. */
static bool is_linked(const struct csn_module *module, const struct csn_elf_file *elf, uint32_t crc)
{
	const struct csn_span *bytes = csn_elf_file_bytes(elf);
	struct csn_span id;

	if (module->build_id_size && csn_elf_file_build_id(elf, &id))
		return csn_module_has_build_id(module, elf);
	return csn_crc32(bytes->data, bytes->size) == crc;
}

static bool try_link(struct csn_module *module, const char *path, uint32_t crc)
{
	cleanup_(csn_elf_file_freep) struct csn_elf_file *elf = NULL;

	/* A link may name the file it stands in. */
	if (!path || (module->file && strcmp(path, module->file) == 0))
		return false;
	if (csn_elf_file_open(path, &elf, NULL) < 0 || !is_linked(module, elf, crc))
		return false;
	keep(module, &elf, path);
	return true;
}

void csn_module_find_debug(struct csn_module *module)
{
	struct csn_modules *modules = module->impl->modules;
	int folder = (int)csn_min_u64((uint64_t)(module->name - module->path), CSN_MAX_PATH);
	const char *root = modules->debug_root, *name;
	uint32_t crc;

	if (modules->input.no_files || module->is_vdso || try_build_id(module))
		return;
	if (!module->impl->elf || !csn_elf_file_debug_link(module->impl->elf, &name, &crc))
		return;
	/* folder ends with its slash. */
	if (try_link(module,
		     csn_arena_sprintf(modules->arena, "%.*s%s", folder, module->path, name),
		     crc) ||
	    try_link(module,
		     csn_arena_sprintf(modules->arena, "%.*s.debug/%s", folder, module->path, name),
		     crc) ||
	    try_link(module,
		     csn_arena_sprintf(modules->arena, "%s%.*s%s", root, folder, module->path,
				       name),
		     crc))
		return;
}
