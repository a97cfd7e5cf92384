/* The separate debug file of a module, where distributions put it (GDB manual, "Separate Debug
 * Files"): by build-id, files of the dead first, then by the debug link's name in three folders. */
#include <string.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/uuid.h"
#include "symbols/module_internal.h"

void csn_module_refuse(struct csn_module *module, const char *format, ...)
{
	va_list args;

	/* One is enough to look into. */
	if (module->refused)
		return;
	va_start(args, format);
	module->refused = csn_arena_vsprintf(module->impl->modules->arena, format, args);
	va_end(args);
}

const char *csn_build_id_path(struct csn_modules *modules, const uint8_t *id, size_t size_bytes,
			      const char *suffix)
{
	char hex[2 * CSN_MAX_BUILD_ID + 1];

	if (size_bytes < 2 || size_bytes > CSN_MAX_BUILD_ID)
		return NULL;
	csn_hex_format(id, size_bytes, hex);
	return csn_arena_sprintf(modules->arena, "%s/.build-id/%.2s/%s%s", modules->debug_root, hex,
				 hex + 2, suffix);
}

const char *csn_module_asset_path(const struct csn_module *module, const char *suffix)
{
	const struct csn_modules *modules = module->impl->modules;
	char hex[2 * CSN_MAX_BUILD_ID + 1];

	if (!modules->input.assets || !module->build_id_size)
		return NULL;
	csn_hex_format(module->build_id, module->build_id_size, hex);
	return csn_arena_sprintf(modules->arena, "%s/%s%s", modules->input.assets, hex, suffix);
}

static void keep(struct csn_module *module, struct csn_elf_file **elf, const char *path)
{
	module->impl->debug_elf = csn_take(*elf);
	module->impl->debug_path = path;
}

static bool try_build_id(struct csn_module *module, const char *path)
{
	cleanup_(csn_elf_file_freep) struct csn_elf_file *elf = NULL;

	if (!path || csn_elf_file_open(csn_module_opener(module), path, &elf, NULL) < 0)
		return false;
	if (!csn_module_has_build_id(module, elf)) {
		csn_module_refuse(module, "%s has another build-id than its name says", path);
		return false;
	}
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
	if (csn_elf_file_open(csn_module_opener(module), path, &elf, NULL) < 0)
		return false;
	if (!is_linked(module, elf, crc)) {
		csn_module_refuse(module, "%s is the debug file of another build than %s", path,
				  module->path);
		return false;
	}
	keep(module, &elf, path);
	return true;
}

/* In the folder of a file, which may not be where the process had it (given by hand, among the
 * files of the dead, below another root), and in .debug there. */
static size_t places_beside(struct csn_module *module, const char *file, const char *name,
			    const char **places)
{
	struct csn_arena *arena = module->impl->modules->arena;
	const char *slash = file ? strrchr(file, '/') : NULL;
	int folder;

	if (!slash)
		return 0;
	folder = (int)csn_min_u64((uint64_t)(slash - file), CSN_MAX_PATH);
	places[0] = csn_arena_sprintf(arena, "%.*s/%s", folder, file, name);
	places[1] = csn_arena_sprintf(arena, "%.*s/.debug/%s", folder, file, name);
	return 2;
}

size_t csn_module_link_places(struct csn_module *module, const char *name,
			      const char *ret_places[CSN_MODULE_LINK_PLACES])
{
	struct csn_modules *modules = module->impl->modules;
	int folder = (int)csn_min_u64((uint64_t)(module->name - module->path), CSN_MAX_PATH);
	size_t n = places_beside(module, module->path, name, ret_places);

	if (module->file && strcmp(module->file, module->path) != 0)
		n += places_beside(module, module->file, name, ret_places + n);
	/* folder ends with its slash. */
	ret_places[n++] = csn_arena_sprintf(modules->arena, "%s%.*s%s", modules->debug_root, folder,
					    module->path, name);
	return n;
}

void csn_module_find_debug_by_id(struct csn_module *module)
{
	struct csn_modules *modules = module->impl->modules;

	if (module->impl->debug_id_tried || modules->input.no_files || module->is_vdso)
		return;
	module->impl->debug_id_tried = true;
	if (!try_build_id(module, csn_module_asset_path(module, ".debug")))
		(void)try_build_id(module, csn_build_id_path(modules, module->build_id,
							     module->build_id_size, ".debug"));
}

void csn_module_find_debug(struct csn_module *module)
{
	struct csn_module_impl *impl = module->impl;
	const char *places[CSN_MODULE_LINK_PLACES], *name;
	size_t i, n;
	uint32_t crc;

	if (impl->modules->input.no_files || module->is_vdso)
		return;
	csn_module_find_debug_by_id(module);
	if (impl->debug_elf || !impl->elf || !csn_elf_file_debug_link(impl->elf, &name, &crc))
		return;
	n = csn_module_link_places(module, name, places);
	for (i = 0; i < n && !try_link(module, places[i], crc); i++)
		;
}
