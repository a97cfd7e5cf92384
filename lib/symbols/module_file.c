/* Which file may speak for a module: the order of the search and the comparison with memory. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/uuid.h"
#include "symbols/module_internal.h"

enum verdict {
	SAME,
	OTHER, /* surely another file */
	UNKNOWN,
};

bool csn_module_has_build_id(const struct csn_module *module, const struct csn_elf_file *elf)
{
	struct csn_span id;

	return module->build_id_size && csn_elf_file_build_id(elf, &id) &&
	       id.size == module->build_id_size && memcmp(id.data, module->build_id, id.size) == 0;
}

/* Section fields are left out: stripping changes them and nothing that is loaded. */
static bool same_headers(const struct csn_module *module, const struct csn_elf_file *elf)
{
	const struct csn_elf_header *a = &module->impl->header, *b = csn_elf_file_header(elf);
	uint64_t offset = a->segments_offset, size = csn_elf_segments_end(a) - offset;
	struct csn_span mine, theirs;

	if (a->is_64 != b->is_64 || a->type != b->type || a->machine != b->machine ||
	    a->entry != b->entry || a->flags != b->flags || a->segments_offset != offset ||
	    b->segments_offset != offset || a->n_segments != b->n_segments ||
	    a->segment_size != b->segment_size || offset > module->impl->head.size)
		return false;
	/* As much of the table as the head of the module shows. */
	size = csn_min_u64(size, module->impl->head.size - offset);
	mine = csn_span_part(&module->impl->head, offset, size);
	theirs = csn_span_part(csn_elf_file_bytes(elf), offset, size);
	return csn_span_ok(&mine) && csn_span_ok(&theirs) &&
	       memcmp(mine.data, theirs.data, size) == 0;
}

static enum verdict compare(const struct csn_module *module, const struct csn_elf_file *elf,
			    enum csn_module_proof *ret_proof)
{
	*ret_proof = CSN_PROOF_NONE;
	if (module->build_id_size) {
		*ret_proof = CSN_PROOF_BUILD_ID;
		return csn_module_has_build_id(module, elf) ? SAME : OTHER;
	}
	if (module->impl->has_header) {
		*ret_proof = CSN_PROOF_HEADERS;
		return same_headers(module, elf) ? SAME : OTHER;
	}
	return UNKNOWN;
}

static void keep_file(struct csn_module *module, struct csn_elf_file *elf, const char *path)
{
	struct csn_module_impl *impl = module->impl;
	struct csn_span id;

	impl->elf = elf;
	module->state = CSN_MODULE_OK;
	module->file = path;
	if (!module->bias_known)
		module->bias_known =
			csn_module_bias_of(csn_elf_file_header(elf), csn_elf_file_bytes(elf),
					   impl->first_start, impl->first_offset, &module->bias);
	if (!module->build_id_size && csn_elf_file_build_id(elf, &id)) {
		memcpy(module->build_id, id.data, id.size);
		module->build_id_size = id.size;
	}
}

/* Why path is not used, for people. */
static void tell_mismatch(struct csn_module *module, const char *path,
			  const struct csn_elf_file *elf)
{
	char hex[2 * CSN_MAX_BUILD_ID + 1] = "none";
	struct csn_span id;

	if (csn_elf_file_build_id(elf, &id))
		csn_hex_format(id.data, id.size, hex);
	module->state = CSN_MODULE_MISMATCH;
	if (module->build_id_size)
		module->reason =
			csn_arena_sprintf(module->impl->modules->arena,
					  "%s is another file: its build-id is %s", path, hex);
	else
		module->reason = csn_arena_sprintf(module->impl->modules->arena,
						   "%s is another file: its headers differ", path);
}

/* True when the file was taken. need_build_id: nothing less counts as proof. */
static bool try_file(struct csn_module *module, const char *path, bool need_build_id)
{
	const struct csn_modules_input *input = &module->impl->modules->input;
	cleanup_(csn_elf_file_freep) struct csn_elf_file *elf = NULL;
	struct csn_error err = CSN_ERROR_INIT;
	enum csn_module_proof proof;
	enum verdict verdict;

	if (!path)
		return false;
	if (csn_elf_file_open(csn_module_opener(module), path, &elf, &err) < 0) {
		if (!module->reason)
			module->reason = csn_arena_strdup(module->impl->modules->arena, err.text);
		return false;
	}
	if (!csn_elf_file_is_of(elf, input->machine, input->is_64)) {
		module->reason = csn_arena_sprintf(module->impl->modules->arena,
						   "%s is of another machine", path);
		return false;
	}
	verdict = compare(module, elf, &proof);
	if (verdict == OTHER) {
		tell_mismatch(module, path, elf);
		return false;
	}
	if (need_build_id && proof != CSN_PROOF_BUILD_ID) {
		module->reason = csn_arena_sprintf(
			module->impl->modules->arena,
			"%s was deleted and nothing proves that the file there now is the same",
			path);
		return false;
	}
	module->proof = proof;
	keep_file(module, csn_take(elf), path);
	return true;
}

static bool try_assets(struct csn_module *module)
{
	const char *reason = module->reason;
	bool taken = try_file(module, csn_module_asset_path(module, ""), true);

	/* Most files are not among the assets: no news. */
	if (!taken && module->state != CSN_MODULE_MISMATCH)
		module->reason = reason;
	return taken;
}

static bool try_sysroot(struct csn_module *module)
{
	const struct csn_modules *modules = module->impl->modules;

	return modules->input.sysroot &&
	       try_file(module,
			csn_arena_sprintf(modules->arena, "%s%s", modules->input.sysroot,
					  module->path),
			module->deleted);
}

/* One piece after another, over the holes that a core leaves. */
static void copy_segment(const struct csn_module *module, const struct csn_elf_segment *segment,
			 uint64_t lowest, uint8_t *image, size_t image_size)
{
	uint64_t at = segment->address & ~(uint64_t)4095;
	uint64_t end = segment->address + segment->memory_size;

	while (at < end && at >= lowest && at - lowest < image_size) {
		size_t want = csn_min_u64(end - at, image_size - (at - lowest));
		size_t got = csn_module_read_memory(module, module->bias + at,
						    image + (at - lowest), want);

		at = got ? at + got : (at & ~(uint64_t)4095) + 4096;
	}
}

struct csn_elf_file *csn_module_open_image(const struct csn_module *module)
{
	const struct csn_module_impl *impl = module->impl;
	cleanup_free uint8_t *image = NULL;
	struct csn_elf_file *elf = NULL;
	struct csn_elf_segment segment;
	uint64_t lowest = 0, highest = 0, size;
	bool any = false;
	uint32_t i;
	int rc;

	if (!impl->has_header || !module->bias_known)
		return NULL;
	lowest = impl->first_start - module->bias;
	for (i = 0; csn_elf_segment_read(&impl->header, &impl->head, i, &segment); i++) {
		if (segment.type != PT_LOAD || segment.address + segment.memory_size < lowest)
			continue;
		highest = csn_max_u64(highest, segment.address + segment.memory_size);
		any = true;
	}
	/* Its end was settled with a cap of its own, section headers included. */
	if (module->is_vdso)
		highest = module->end - module->bias;
	size = highest - lowest;
	if (!any || highest <= lowest || size > CSN_MAX_MODULE_IMAGE)
		return NULL;
	image = calloc(1, size);
	if (!image)
		return NULL;
	for (i = 0; csn_elf_segment_read(&impl->header, &impl->head, i, &segment); i++) {
		/* Code of its own segment tells no names and may be large; the first segment holds
		 * symbols and CFI even where linkers put code behind them. */
		if (segment.type == PT_LOAD &&
		    (!(segment.flags & PF_X) || segment.address <= lowest))
			copy_segment(module, &segment, lowest, image, size);
	}
	memcpy(image, impl->head.data, csn_min_u64(size, impl->head.size));
	if (module->is_vdso) {
		/* It is mapped as a whole, section headers included: image and file are one. */
		csn_module_read_memory(module, module->start, image, size);
		rc = csn_elf_file_open_memory(image, size, &elf, NULL);
	} else {
		rc = csn_elf_file_open_image(image, size, module->bias, &elf, NULL);
	}
	if (rc == 0)
		(void)csn_take(image);
	return elf;
}

static bool take_fetched(struct csn_module *module)
{
	const char *path;
	struct csn_elf_file *elf = csn_module_fetch(module, true, &path);

	if (!elf)
		return false;
	module->proof = CSN_PROOF_BUILD_ID;
	keep_file(module, elf, path);
	return true;
}

void csn_module_find_file(struct csn_module *module)
{
	const struct csn_modules *modules = module->impl->modules;

	module->state = CSN_MODULE_MISSING;
	if (!modules->input.no_files && !module->is_vdso) {
		if (module->is_main && try_file(module, modules->input.executable, false))
			return;
		if (try_assets(module) || try_sysroot(module) ||
		    try_file(module, module->path, module->deleted))
			return;
	}
	if (take_fetched(module))
		return;
	module->impl->elf = csn_module_open_image(module);
	if (module->impl->elf && module->state != CSN_MODULE_MISMATCH)
		module->state = CSN_MODULE_MEMORY;
	if (!module->bias_known && module->state == CSN_MODULE_MISSING && !module->reason)
		module->reason = "its header is not in memory";
}
