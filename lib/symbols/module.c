/* The module table: mappings of one file become one module.
 *
 * A mapping belongs to the module before it when it is of the same path and lies where that
 * module's program headers would put it. The offset alone does not tell: some linkers pack
 * segments so tightly that two of them start in page 0, and a program may map one library twice
 * (dlmopen) or as plain data. */
#include "symbols/module.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "elf/note.h"
#include "symbols/golang.h"
#include "symbols/module_internal.h"

#define DELETED " (deleted)"
/* Mappings of one module are neighbours, give or take a library mapped in between. */
#define MAX_LOOK_BACK 16
/* Segments are mapped by whole pages; no machine has larger ones. */
#define MAX_PAGE (64 * CSN_KIB)
#define MAX_NOTES (64 * CSN_KIB)
#define MAX_TABLE_BYTES (512 * CSN_MIB)
#define MAX_VDSO (64 * CSN_KIB)

size_t csn_module_read_memory(const struct csn_module *module, csn_addr addr, void *data,
			      size_t size_bytes)
{
	const struct csn_modules_input *input = &module->impl->modules->input;

	return input->read ? input->read(input->context, addr, data, size_bytes) : 0;
}

/* True when the segment's mapping, extended to whole pages, holds the bytes at offset. */
static bool segment_maps(const struct csn_elf_segment *segment, uint64_t offset)
{
	uint64_t end = segment->offset + segment->file_size;

	return segment->type == PT_LOAD && end >= segment->offset && offset < end &&
	       (offset >= segment->offset || segment->offset - offset < MAX_PAGE);
}

bool csn_module_bias_of(const struct csn_elf_header *header, const struct csn_span *image,
			csn_addr addr, uint64_t offset, csn_addr *ret_bias)
{
	struct csn_elf_segment segment;
	uint32_t i;

	for (i = 0; csn_elf_segment_read(header, image, i, &segment); i++) {
		if (!segment_maps(&segment, offset))
			continue;
		*ret_bias = addr - offset - (segment.address - segment.offset);
		return true;
	}
	return false;
}

/* Whether a mapping of the same file is a part of this module. */
static bool fits(const struct csn_module *module, const struct csn_module_mapping *mapping)
{
	const struct csn_module_impl *impl = module->impl;
	struct csn_elf_segment segment;
	uint32_t i;

	if (!impl->has_header || !module->bias_known)
		return mapping->offset != 0;
	for (i = 0; csn_elf_segment_read(&impl->header, &impl->head, i, &segment); i++) {
		if (segment_maps(&segment, mapping->offset) &&
		    mapping->start - mapping->offset ==
			    module->bias + segment.address - segment.offset)
			return true;
	}
	/* Program headers beyond the head, or a later mmap of a piece of the file. */
	return mapping->offset != 0;
}

static void read_build_id(struct csn_module *module)
{
	const struct csn_module_impl *impl = module->impl;
	struct csn_elf_segment segment;
	struct csn_span bytes, id;
	uint32_t i;

	for (i = 0; csn_elf_segment_read(&impl->header, &impl->head, i, &segment); i++) {
		cleanup_free uint8_t *notes = NULL;
		size_t size = csn_min_u64(segment.memory_size, MAX_NOTES);

		if (segment.type != PT_NOTE || size == 0)
			continue;
		notes = malloc(size);
		if (!notes)
			return;
		size = csn_module_read_memory(module, module->bias + segment.address, notes, size);
		bytes = csn_span_of(notes, size);
		if (!csn_elf_build_id_find(&bytes, segment.alignment, &id))
			continue;
		memcpy(module->build_id, id.data, id.size);
		module->build_id_size = id.size;
		return;
	}
}

/* Reads the ELF header page from memory, when it is there, and all that it tells. */
static void read_head(struct csn_module *module)
{
	struct csn_module_impl *impl = module->impl;
	uint8_t head[CSN_MODULE_HEAD_BYTES];
	size_t size;
	void *copy;

	if (impl->first_offset != 0)
		return;
	size = csn_module_read_memory(module, impl->first_start, head, sizeof(head));
	if (size < SELFMAG)
		return;
	if (memcmp(head, ELFMAG, SELFMAG) != 0) {
		impl->not_elf = true;
		return;
	}
	copy = csn_arena_copy(impl->modules->arena, head, size);
	if (!copy)
		return;
	impl->head = csn_span_of(copy, size);
	impl->has_header = csn_elf_header_read(&impl->head, &impl->header, NULL) == 0;
	if (!impl->has_header)
		return;
	module->bias_known =
		csn_module_bias_of(&impl->header, &impl->head, impl->first_start, 0, &module->bias);
	if (module->bias_known)
		read_build_id(module);
}

static struct csn_module *add_module(struct csn_modules *modules, const char *path)
{
	struct csn_module *module = csn_arena_alloc(modules->arena, sizeof(*module));
	struct csn_module_impl *impl = csn_arena_alloc(modules->arena, sizeof(*impl));
	struct csn_module **grown;
	const char *slash;

	if (!module || !impl)
		return NULL;
	grown = csn_arena_grow(modules->arena, modules->modules, modules->n_modules,
			       &modules->capacity, sizeof(struct csn_module *));
	if (!grown)
		return NULL;
	modules->modules = grown;
	slash = strrchr(path, '/');
	module->path = path;
	module->name = slash && slash[1] ? slash + 1 : path;
	module->impl = impl;
	impl->modules = modules;
	impl->head.failed = true;
	modules->modules[modules->n_modules++] = module;
	return module;
}

static struct csn_module *find_home(struct csn_modules *modules,
				    const struct csn_module_mapping *mapping, const char *path)
{
	size_t i, back = csn_min_u64(modules->n_modules, MAX_LOOK_BACK);

	for (i = 1; i <= back; i++) {
		struct csn_module *module = modules->modules[modules->n_modules - i];

		if (strcmp(module->path, path) == 0)
			return fits(module, mapping) ? module : NULL;
	}
	return NULL;
}

static int add_mapping(struct csn_modules *modules, const struct csn_module_mapping *mapping,
		       struct csn_error *err)
{
	size_t length = strlen(mapping->path), cut = strlen(DELETED);
	bool marked = length > cut && strcmp(mapping->path + length - cut, DELETED) == 0;
	char *path =
		csn_arena_strndup(modules->arena, mapping->path, marked ? length - cut : length);
	struct csn_module *module;

	if (!path)
		return csn_fail_nomem(err);
	module = find_home(modules, mapping, path);
	if (module) {
		module->end = csn_max_u64(module->end, mapping->end);
		module->impl->maybe_executable |= mapping->maybe_executable;
		return 0;
	}
	if (modules->n_modules >= CSN_MAX_MODULES)
		return csn_fail(err, CSN_E_LIMIT, "more than %u modules", CSN_MAX_MODULES);
	module = add_module(modules, path);
	if (!module)
		return csn_fail_nomem(err);
	module->deleted = marked || mapping->deleted;
	module->start = mapping->start;
	module->end = mapping->end;
	module->impl->first_start = mapping->start;
	module->impl->first_offset = mapping->offset;
	module->impl->maybe_executable = mapping->maybe_executable;
	read_head(module);
	return 0;
}

/* The kernel's own object has no mapping in NT_FILE. */
static int add_vdso(struct csn_modules *modules, csn_addr addr, struct csn_error *err)
{
	struct csn_module *module;
	struct csn_elf_segment segment;
	uint32_t i;

	if (!addr || csn_modules_find(modules, addr))
		return 0;
	module = add_module(modules, "[vdso]");
	if (!module)
		return csn_fail_nomem(err);
	module->is_vdso = true;
	module->start = module->impl->first_start = addr;
	module->end = addr + CSN_MODULE_HEAD_BYTES;
	module->impl->maybe_executable = true;
	read_head(module);
	for (i = 0; csn_elf_segment_read(&module->impl->header, &module->impl->head, i, &segment);
	     i++) {
		uint64_t end = module->bias + segment.address + segment.memory_size;

		/* Rounded up: the section headers behind the segment are mapped too. */
		if (segment.type == PT_LOAD && segment.memory_size < MAX_VDSO)
			module->end = csn_max_u64(module->end, (end + 4095) & ~(uint64_t)4095);
	}
	return 0;
}

static int compare_modules(const void *a, const void *b)
{
	const struct csn_module *x = *(struct csn_module *const *)a;
	const struct csn_module *y = *(struct csn_module *const *)b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* Drops files that are only data; fonts, archives and message catalogues are mapped too. */
static void drop_data_files(struct csn_modules *modules)
{
	size_t i, kept = 0;

	for (i = 0; i < modules->n_modules; i++) {
		struct csn_module *module = modules->modules[i];
		const struct csn_module_impl *impl = module->impl;

		if (!impl->not_elf && (impl->has_header || impl->maybe_executable))
			modules->modules[kept++] = module;
	}
	modules->n_modules = kept;
}

/* .bss behind the last file mapping belongs to the module, as far as nothing else is there. */
static void extend_to_bss(struct csn_modules *modules, size_t index)
{
	struct csn_module *module = modules->modules[index];
	csn_addr limit = UINT64_MAX, end;
	struct csn_elf_segment segment;
	uint32_t i;

	if (!module->bias_known || module->is_vdso)
		return;
	if (index + 1 < modules->n_modules)
		limit = modules->modules[index + 1]->start;
	for (i = 0; csn_elf_segment_read(&module->impl->header, &module->impl->head, i, &segment);
	     i++) {
		end = module->bias + segment.address + segment.memory_size;
		if (segment.type == PT_LOAD && end > module->end && end > module->start &&
		    end <= limit)
			module->end = end;
	}
}

static int copy_strings(struct csn_modules *modules, struct csn_error *err)
{
	struct csn_modules_input *input = &modules->input;
	const char **strings[] = { &input->executable, &input->sysroot, &input->assets,
				   &input->debug_root };
	size_t i;

	for (i = 0; i < csn_countof(strings); i++) {
		if (!*strings[i])
			continue;
		*strings[i] = csn_arena_strdup(modules->arena, *strings[i]);
		if (!*strings[i])
			return csn_fail_nomem(err);
	}
	modules->debug_root = input->debug_root;
	if (!modules->debug_root)
		modules->debug_root = csn_arena_sprintf(modules->arena, "%s/usr/lib/debug",
							input->sysroot ? input->sysroot : "");
	return modules->debug_root ? 0 : csn_fail_nomem(err);
}

static int build(struct csn_modules *modules, struct csn_error *err)
{
	const struct csn_modules_input *input = &modules->input;
	size_t i;
	int rc = copy_strings(modules, err);

	for (i = 0; i < input->n_mappings && rc == 0; i++) {
		const struct csn_module_mapping *mapping = &input->mappings[i];

		if (mapping->path && mapping->path[0] && mapping->path[0] != '[' &&
		    mapping->end > mapping->start)
			rc = add_mapping(modules, mapping, err);
	}
	if (rc == 0) {
		drop_data_files(modules);
		rc = add_vdso(modules, input->vdso, err);
	}
	if (rc < 0)
		return rc;
	if (modules->n_modules)
		qsort(modules->modules, modules->n_modules, sizeof(struct csn_module *),
		      compare_modules);
	for (i = 0; i < modules->n_modules; i++)
		extend_to_bss(modules, i);
	modules->main = input->entry ? csn_modules_find(modules, input->entry) : NULL;
	if (modules->main)
		modules->main->is_main = true;
	modules->input.mappings = NULL;
	modules->input.n_mappings = 0;
	return 0;
}

void csn_module_tell(const struct csn_module *module, const char *phase)
{
	csn_progress_tell(&module->impl->modules->input.progress, phase, module->name, 0, 0);
}

int csn_modules_new(const struct csn_modules_input *input, struct csn_modules **ret_modules,
		    struct csn_error *err)
{
	cleanup_(csn_modules_freep) struct csn_modules *modules = calloc(1, sizeof(*modules));
	int rc;

	if (!modules)
		return csn_fail_nomem(err);
	modules->input = *input;
	csn_local_files_init(&modules->local, NULL);
	modules->opened_here = csn_local_files_opener(&modules->local);
	if (!input->opener)
		modules->input.opener = &modules->opened_here;
	modules->arena = csn_arena_new(MAX_TABLE_BYTES);
	if (!modules->arena)
		return csn_fail_nomem(err);
	rc = build(modules, err);
	if (rc < 0)
		return rc;
	*ret_modules = csn_take(modules);
	return 0;
}

void csn_modules_free(struct csn_modules *modules)
{
	size_t i;

	if (!modules)
		return;
	for (i = 0; i < modules->n_modules; i++) {
		struct csn_module_impl *impl = modules->modules[i]->impl;

		csn_cfi_free(impl->cfi);
		csn_cfi_free(impl->debug_cfi);
		csn_answers_free(impl->answers);
		csn_module_close_dwarf(modules->modules[i]);
		csn_elf_file_free(impl->elf);
		csn_elf_file_free(impl->debug_elf);
	}
	csn_arena_free(modules->arena);
	free(modules);
}

void csn_modules_freep(struct csn_modules **modules)
{
	csn_modules_free(*modules);
}

size_t csn_modules_count(const struct csn_modules *modules)
{
	return modules->n_modules;
}

struct csn_module *csn_modules_get(struct csn_modules *modules, size_t index)
{
	return index < modules->n_modules ? modules->modules[index] : NULL;
}

struct csn_module *csn_modules_find(struct csn_modules *modules, csn_addr addr)
{
	size_t low = 0, high = modules->n_modules;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (modules->modules[middle]->start <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0 || addr >= modules->modules[low - 1]->end)
		return NULL;
	return modules->modules[low - 1];
}

struct csn_module *csn_modules_main(struct csn_modules *modules)
{
	return modules->main;
}

enum csn_module_state csn_module_load(struct csn_module *module)
{
	if (!module->impl->loaded) {
		module->impl->loaded = true;
		csn_module_find_file(module);
	}
	return module->state;
}

struct csn_elf_file *csn_module_elf(struct csn_module *module)
{
	(void)csn_module_load(module);
	return module->impl->elf;
}

struct csn_elf_file *csn_module_local_debug_elf(struct csn_module *module)
{
	(void)csn_module_load(module);
	if (!module->impl->debug_tried) {
		module->impl->debug_tried = true;
		csn_module_find_debug(module);
	}
	return module->impl->debug_elf;
}

struct csn_elf_file *csn_module_debug_elf(struct csn_module *module)
{
	struct csn_module_impl *impl = module->impl;

	if (csn_module_local_debug_elf(module) || impl->debug_fetched)
		return impl->debug_elf;
	impl->debug_fetched = true;
	impl->debug_elf = csn_module_fetch(module, false, &impl->debug_path);
	return impl->debug_elf;
}

const char *csn_module_debug_path(struct csn_module *module)
{
	return csn_module_local_debug_elf(module) ? module->impl->debug_path : NULL;
}

struct csn_dwarf *csn_module_dwarf(struct csn_module *module)
{
	struct csn_module_impl *impl = module->impl;
	struct csn_elf_file *elf = csn_module_elf(module), *debug;

	if (impl->dwarf_tried)
		return impl->dwarf;
	impl->dwarf_tried = true;
	if (elf && csn_module_open_dwarf(module, elf, module->file))
		return impl->dwarf;
	debug = csn_module_debug_elf(module);
	if (debug)
		(void)csn_module_open_dwarf(module, debug, impl->debug_path);
	return impl->dwarf;
}

/* Equal build-ids mean equal code, but one file may be stripped where another is not. */
static uint64_t stamp_of(struct csn_module *module)
{
	const struct csn_elf_file *debug = csn_module_local_debug_elf(module);
	struct csn_elf_section own;
	uint64_t sizes[2];

	/* What has its own needs no other from far away. */
	if (!debug && !csn_elf_file_section_find(module->impl->elf, ".debug_info", &own))
		debug = csn_module_debug_elf(module);
	sizes[0] = csn_elf_file_bytes(module->impl->elf)->size;
	sizes[1] = debug ? csn_elf_file_bytes(debug)->size : 0;
	return csn_hash_bytes(sizes, sizeof(sizes));
}

struct csn_answers *csn_module_answers(struct csn_module *module)
{
	struct csn_module_impl *impl = module->impl;
	struct csn_answers_key key = {
		.opener = impl->modules->input.opener,
		.build_id = module->build_id,
	};

	if (impl->answers_tried)
		return impl->answers;
	impl->answers_tried = true;
	if (!impl->modules->input.keep_answers || csn_module_load(module) != CSN_MODULE_OK ||
	    module->proof != CSN_PROOF_BUILD_ID)
		return NULL;
	key.build_id_size = module->build_id_size;
	key.stamp = stamp_of(module);
	impl->answers = csn_answers_open(&key);
	return impl->answers;
}

void csn_modules_save(struct csn_modules *modules)
{
	for (size_t i = 0; i < modules->n_modules; i++)
		if (modules->modules[i]->impl->answers)
			csn_answers_save(modules->modules[i]->impl->answers);
}

static struct csn_cfi *open_cfi(struct csn_elf_file *elf)
{
	struct csn_cfi *cfi = NULL;

	if (!elf || csn_cfi_open(elf, &cfi, NULL) < 0)
		return NULL;
	return cfi;
}

enum csn_cfi_answer csn_module_find_row(struct csn_module *module, csn_addr addr,
					struct csn_cfi_row *ret_row)
{
	struct csn_module_impl *impl = module->impl;
	enum csn_cfi_answer answer = CSN_CFI_NONE, second;

	/* Go's own table says more than its .debug_frame, which is compressed besides. */
	if (csn_module_go_row(module, addr, ret_row))
		return CSN_CFI_FOUND;
	if (!impl->cfi_tried) {
		impl->cfi_tried = true;
		impl->cfi = open_cfi(csn_module_elf(module));
	}
	if (!module->bias_known)
		return CSN_CFI_NONE;
	if (impl->cfi)
		answer = csn_cfi_find(impl->cfi, addr - module->bias, ret_row);
	if (answer == CSN_CFI_FOUND)
		return answer;
	if (!impl->debug_cfi_tried) {
		impl->debug_cfi_tried = true;
		impl->debug_cfi = open_cfi(csn_module_debug_elf(module));
	}
	if (!impl->debug_cfi)
		return answer;
	second = csn_cfi_find(impl->debug_cfi, addr - module->bias, ret_row);
	return second == CSN_CFI_NONE ? answer : second;
}

size_t csn_module_read_file(struct csn_module *module, csn_addr addr, void *data, size_t size_bytes)
{
	struct csn_elf_segment segment;
	struct csn_elf_file *elf;
	struct csn_span bytes;
	uint64_t link;
	uint32_t i;

	/* Loading may settle the bias. */
	if (csn_module_load(module) != CSN_MODULE_OK || !module->bias_known)
		return 0;
	link = addr - module->bias;
	elf = module->impl->elf;
	for (i = 0; csn_elf_file_segment(elf, i, &segment); i++) {
		if (segment.type != PT_LOAD || (segment.flags & PF_W) || link < segment.address ||
		    link - segment.address >= segment.file_size)
			continue;
		bytes = csn_elf_file_at(elf, link);
		size_bytes = csn_min_u64(size_bytes, csn_span_left(&bytes));
		if (size_bytes)
			memcpy(data, bytes.data, size_bytes);
		return size_bytes;
	}
	return 0;
}

const char *csn_module_state_name(enum csn_module_state state)
{
	static const char *const names[] = {
		[CSN_MODULE_OK] = "ok",
		[CSN_MODULE_MISMATCH] = "mismatch",
		[CSN_MODULE_MISSING] = "missing",
		[CSN_MODULE_MEMORY] = "memory",
	};

	return (size_t)state < csn_countof(names) ? names[state] : "missing";
}
