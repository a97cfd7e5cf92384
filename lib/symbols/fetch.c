/* Files from elsewhere, when the search has come to its end. Whoever brings one may be wrong or
 * lie: it counts only with the build-id that was asked for. */
#include "base/cleanup.h"
#include "symbols/module_internal.h"

struct csn_elf_file *csn_module_fetch(struct csn_module *module, bool executable,
				      const char **ret_path)
{
	const struct csn_modules *modules = module->impl->modules;
	const struct csn_modules_input *input = &modules->input;
	struct csn_elf_file *elf = NULL;
	cleanup_close int fd = -1;
	char place[CSN_MAX_PATH];
	const char *path;

	if (!input->fetch || module->is_vdso || !module->build_id_size)
		return NULL;
	fd = input->fetch(input->fetch_context, executable, module->build_id, module->build_id_size,
			  module->name, place);
	if (fd < 0)
		return NULL;
	path = csn_arena_strdup(modules->arena, place);
	if (!path || csn_elf_file_open_fd(fd, path, &elf, NULL) < 0)
		return NULL;
	if (!csn_module_has_build_id(module, elf)) {
		csn_elf_file_free(elf);
		input->refused(input->fetch_context, module->name);
		return NULL;
	}
	*ret_path = path;
	return elf;
}
