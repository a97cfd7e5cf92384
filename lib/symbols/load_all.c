/* All modules at once: what will be asked of the opener is said beforehand, some modules at a time.
 * Files and debug files by build-id come first; where a debug link leads is only known then. */
#include "symbols/module_internal.h"

/* So that their names fit into one batch of any opener. */
#define AT_ONCE 6u
#define MAX_NAMES ((size_t)AT_ONCE * CSN_MODULE_LINK_PLACES)

struct names {
	const struct csn_opener *opener;
	const char *paths[MAX_NAMES];
	size_t n;
};

static void add_name(struct names *names, const char *path)
{
	if (path && names->n < MAX_NAMES)
		names->paths[names->n++] = path;
}

static void tell_names(struct names *names)
{
	/* One alone is asked for as quickly as foreseen. */
	if (names->n > 1)
		names->opener->foresee(names->opener->context, names->paths, names->n);
	names->n = 0;
}

static void load_files(struct csn_modules *modules, size_t from, size_t end, struct names *names)
{
	for (size_t i = from; i < end; i++) {
		struct csn_module *module = modules->modules[i];

		if (module->is_vdso)
			continue;
		if (!module->impl->loaded)
			add_name(names, module->path);
		if (!module->impl->debug_id_tried)
			add_name(names, csn_build_id_path(modules, module->build_id,
							  module->build_id_size, ".debug"));
	}
	tell_names(names);
	for (size_t i = from; i < end; i++) {
		csn_module_load(modules->modules[i]);
		csn_module_find_debug_by_id(modules->modules[i]);
	}
}

static void load_linked(struct csn_modules *modules, size_t from, size_t end, struct names *names)
{
	for (size_t i = from; i < end; i++) {
		struct csn_module *module = modules->modules[i];
		const char *places[CSN_MODULE_LINK_PLACES], *name;
		uint32_t crc;

		if (module->is_vdso || module->impl->debug_tried || module->impl->debug_elf ||
		    !module->impl->elf || !csn_elf_file_debug_link(module->impl->elf, &name, &crc))
			continue;
		for (size_t k = 0, n = csn_module_link_places(module, name, places); k < n; k++)
			add_name(names, places[k]);
	}
	tell_names(names);
	for (size_t i = from; i < end; i++)
		(void)csn_module_local_debug_elf(modules->modules[i]);
}

void csn_modules_load_all(struct csn_modules *modules)
{
	struct names names = { .opener = modules->input.opener };

	/* Elsewhere it is done when somebody asks. */
	if (!names.opener->foresee || modules->input.no_files)
		return;
	for (size_t from = 0; from < modules->n_modules; from += AT_ONCE) {
		size_t end = csn_min_u64(from + AT_ONCE, modules->n_modules);

		load_files(modules, from, end, &names);
		load_linked(modules, from, end, &names);
	}
}
