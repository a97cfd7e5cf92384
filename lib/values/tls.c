/* Storage of threads. Behind the thread pointer lies a vector with the address of each object's
 * block (Drepper, "ELF Handling For Thread-Local Storage", 3). An object's number in it is known to
 * the dynamic linker only, which keeps it in a place of its list of objects that the C library
 * tells debuggers: constants _thread_db_..., three numbers each, size in bits, count, offset in
 * bytes. The main program's block lies beside the thread pointer, so it is found without that. */
#include <elf.h>
#include <string.h>

#include "symbols/link_map.h"
#include "values/values_internal.h"

/* A member of a structure that is not ours. */
struct place {
	uint64_t offset, size_bytes;
};

struct csn_tls {
	struct csn_loaded *loaded;
	size_t n_loaded;
	bool has_vectors;                  /* the four below are known */
	struct place number, distance;     /* in the linker's list */
	struct place vector, entry, where; /* in the thread, of the vector, in its entry */
};

static size_t read_target(void *context, csn_addr address, void *data, size_t size_bytes)
{
	return csn_target_read_some(context, address, data, size_bytes);
}

static bool read_number(struct csn_values *values, csn_addr address, uint64_t size_bytes,
			uint64_t *ret_number)
{
	uint8_t bytes[8];

	if (!size_bytes || size_bytes > sizeof(bytes) ||
	    csn_target_read_some(values->target, address, bytes, size_bytes) != size_bytes)
		return false;
	*ret_number = csn_number_of(bytes, size_bytes, false);
	return true;
}

/* --- what the C library says --- */

/* The object in which the C library's constants are: by the name that its own object has. */
static struct csn_module *find_library(struct csn_values *values)
{
	for (size_t i = 0; i < csn_modules_count(values->modules); i++) {
		struct csn_module *module = csn_modules_get(values->modules, i);

		if (strncmp(module->name, "libc.so", 7) == 0 ||
		    strncmp(module->name, "libc-2.", 7) == 0)
			return module;
	}
	return csn_modules_main(values->modules);
}

static void keep_places(struct csn_values *values, struct csn_module *module,
			const struct csn_elf_symbols *symbols, struct csn_tls *tls)
{
	static const char prefix[] = "_thread_db_";
	const struct {
		const char *name;
		struct place *place;
	} wanted[] = {
		{ "link_map_l_tls_modid", &tls->number },
		{ "link_map_l_tls_offset", &tls->distance },
		{ "pthread_dtvp", &tls->vector },
		{ "dtv_dtv", &tls->entry },
		{ "dtv_t_pointer_val", &tls->where },
	};
	struct csn_elf_symbol symbol;
	uint64_t words[3];

	for (size_t i = 0; csn_elf_symbols_get(symbols, i, &symbol); i++) {
		const char *name = csn_elf_symbols_name(symbols, symbol.name_offset);

		if (!name || strncmp(name, prefix, sizeof(prefix) - 1) != 0)
			continue;
		name += sizeof(prefix) - 1;
		for (size_t k = 0; k < csn_countof(wanted); k++) {
			csn_addr at = symbol.address + module->bias;

			if (strcmp(name, wanted[k].name) == 0 &&
			    read_number(values, at, 4, &words[0]) &&
			    read_number(values, at + 8, 4, &words[2]))
				*wanted[k].place = (struct place){ words[2], words[0] / 8 };
		}
	}
	tls->has_vectors = tls->number.size_bytes && tls->vector.size_bytes &&
			   tls->entry.size_bytes && tls->where.size_bytes;
}

static void read_list(struct csn_values *values, struct csn_tls *tls)
{
	struct csn_module *program = csn_modules_main(values->modules);
	struct csn_elf_file *elf = program ? csn_module_elf(program) : NULL;
	struct csn_link_map_input input = { .read = read_target,
					    .context = values->target,
					    .word_bytes = values->target->arch->word_bytes };
	struct csn_elf_segment segment;

	if (!elf || !csn_elf_file_segment_of_type(elf, PT_DYNAMIC, &segment))
		return;
	input.dynamic = segment.address + program->bias;
	if (csn_link_map_read(values->arena, &input, &tls->loaded, &tls->n_loaded, NULL) < 0)
		tls->n_loaded = 0;
}

static const struct csn_tls *get_tls(struct csn_values *values)
{
	struct csn_module *library;
	struct csn_elf_symbols symbols;
	struct csn_elf_file *elf;

	if (values->tls)
		return values->tls;
	values->tls = csn_arena_alloc(values->arena, sizeof(*values->tls));
	library = values->tls ? find_library(values) : NULL;
	elf = library ? csn_module_elf(library) : NULL;
	if (elf && csn_elf_symbols_find(elf, CSN_ELF_DYNSYM, &symbols))
		keep_places(values, library, &symbols, values->tls);
	if (values->tls && values->tls->has_vectors)
		read_list(values, values->tls);
	return values->tls;
}

/* --- where a block is --- */

static bool find_thread_pointer(struct csn_values *values, const struct csn_thread *thread,
				csn_addr *ret_pointer)
{
	const struct csn_arch *arch = values->target->arch;

	for (unsigned i = 0; i < arch->n_registers; i++) {
		if (strcmp(arch->registers[i].name, "fs_base") != 0)
			continue;
		*ret_pointer = thread->registers.value[i];
		return csn_register_known(&thread->registers, i);
	}
	*ret_pointer = thread->thread_pointer;
	return thread->thread_pointer != 0;
}

/* On AArch64 blocks lie behind the thread pointer and two words of the C library. */
static bool is_behind(const struct csn_values *values)
{
	return values->target->arch->elf_machine == EM_AARCH64;
}

static csn_addr block_of_program(const struct csn_values *values, csn_addr pointer,
				 const struct csn_elf_segment *segment)
{
	uint64_t align = segment->alignment ? segment->alignment : 1;
	uint64_t words = 2ull * values->target->arch->word_bytes;

	if (is_behind(values))
		return pointer + (words + align - 1) / align * align;
	return pointer - (segment->memory_size + align - 1) / align * align;
}

/* By the vector, or where that is not yet filled, by the distance that was set at the start. */
static bool block_of_entry(struct csn_values *values, const struct csn_tls *tls, csn_addr pointer,
			   csn_addr entry, csn_addr *ret_block)
{
	uint64_t number, vector, block, distance;
	uint64_t none = values->target->arch->word_bytes == 8 ? UINT64_MAX : UINT32_MAX;
	/* The thread pointer stands at the end of the C library's own structure there, and the
	 * vector is its first word. */
	csn_addr at = is_behind(values) ? pointer : pointer + tls->vector.offset;

	if (!read_number(values, entry + tls->number.offset, tls->number.size_bytes, &number) ||
	    !number)
		return false;
	if (read_number(values, at, tls->vector.size_bytes, &vector) &&
	    read_number(values, vector + number * tls->entry.size_bytes + tls->where.offset,
			tls->where.size_bytes, &block) &&
	    block && block != none) {
		*ret_block = block;
		return true;
	}
	/* 0 and -1 stand for storage that is not set aside at the start, and more like that. */
	if (!read_number(values, entry + tls->distance.offset, tls->distance.size_bytes,
			 &distance) ||
	    !distance || distance >= none - 1)
		return false;
	*ret_block = is_behind(values) ? pointer + distance : pointer - distance;
	return true;
}

static bool find_block(struct csn_values *values, const struct csn_thread *thread,
		       struct csn_module *module, const struct csn_elf_segment *segment,
		       csn_addr *ret_block)
{
	const struct csn_tls *tls = get_tls(values);
	csn_addr pointer;

	if (!find_thread_pointer(values, thread, &pointer))
		return false;
	for (size_t i = 0; tls && tls->has_vectors && i < tls->n_loaded; i++)
		if (tls->loaded[i].dynamic >= module->start &&
		    tls->loaded[i].dynamic < module->end &&
		    block_of_entry(values, tls, pointer, tls->loaded[i].entry, ret_block))
			return true;
	if (!module->is_main)
		return false;
	*ret_block = block_of_program(values, pointer, segment);
	return true;
}

bool csn_tls_address(struct csn_values *values, const struct csn_thread *thread,
		     struct csn_module *module, uint64_t offset, csn_addr *ret_address)
{
	struct csn_elf_file *elf = module ? csn_module_elf(module) : NULL;
	struct csn_elf_segment segment;
	csn_addr block;

	if (!elf || !csn_elf_file_segment_of_type(elf, PT_TLS, &segment) ||
	    !find_block(values, thread, module, &segment, &block))
		return false;
	/* In split units gcc writes an address in the segment. */
	if (offset >= segment.memory_size && offset - segment.address < segment.memory_size)
		offset -= segment.address;
	*ret_address = block + offset;
	return true;
}
