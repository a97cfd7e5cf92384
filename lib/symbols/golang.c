#include "symbols/golang.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "elf/note.h"
#include "symbols/module_internal.h"

#define NOTE_GO "Go"
#define NT_GO_BUILD_ID 4

/* Linkers align the table to at least this. */
#define TABLE_ALIGNMENT 16

/* Words of runtime.moduledata (runtime/symtab.go): the table's address, a slice of the names, and
 * further on the code and go.func.*. 1.20 put two words between them. */
#define MODULE_WORDS 41
#define MODULE_NAMES 1
#define MODULE_TEXT 22
#define MODULE_FUNC_1_18 38
#define MODULE_FUNC_1_20 40

/* A table in an object, and where its bytes come from. */
struct found {
	struct csn_module *module;
	struct csn_elf_file *elf;
	uint64_t address; /* link-time */
	struct csn_span bytes;
	csn_addr bias; /* what words in the object's bytes have been relocated by */
};

/* --- finding the table --- */

static bool find_by_section(struct found *found)
{
	static const char *const names[] = { ".gopclntab", ".data.rel.ro.gopclntab" };
	struct csn_elf_section section;

	for (size_t i = 0; i < csn_countof(names); i++) {
		if (!csn_elf_file_section_find(found->elf, names[i], &section) ||
		    csn_elf_file_section_read(found->elf, &section, &found->bytes, NULL) < 0 ||
		    !csn_pclntab_is_head(found->bytes.data, found->bytes.size))
			continue;
		found->address = section.address;
		return true;
	}
	return false;
}

/* Go's linker leaves a note where it was built from, which loaders map and strip keeps. */
static bool has_go_note(const struct csn_elf_file *elf)
{
	struct csn_elf_segment segment;
	struct csn_elf_note note;

	for (uint32_t i = 0; csn_elf_file_segment(elf, i, &segment); i++) {
		struct csn_span bytes;
		struct csn_elf_notes notes;

		if (segment.type != PT_NOTE)
			continue;
		bytes = csn_elf_file_at(elf, segment.address);
		bytes = csn_span_part(&bytes, 0, segment.file_size);
		if (!csn_span_ok(&bytes))
			continue;
		notes = csn_elf_notes_of(&bytes, segment.alignment);
		while (csn_elf_notes_next(&notes, &note))
			if (csn_elf_note_is(&note, NOTE_GO, NT_GO_BUILD_ID))
				return true;
	}
	return false;
}

/* Where sections are gone, or the linker has put the table among other read-only data. */
static bool find_by_magic(struct found *found)
{
	struct csn_elf_segment segment;

	if (!has_go_note(found->elf))
		return false;
	for (uint32_t i = 0; csn_elf_file_segment(found->elf, i, &segment); i++) {
		struct csn_span bytes;
		size_t at;

		if (segment.type != PT_LOAD || (segment.flags & PF_X))
			continue;
		bytes = csn_elf_file_at(found->elf, segment.address);
		for (at = -segment.address % TABLE_ALIGNMENT;
		     csn_span_ok(&bytes) && at < bytes.size; at += TABLE_ALIGNMENT) {
			struct csn_pclntab unused;

			if (!csn_pclntab_is_head(bytes.data + at, bytes.size - at))
				continue;
			found->bytes = csn_span_part(&bytes, at, bytes.size - at);
			found->address = segment.address + at;
			if (csn_pclntab_open(&found->bytes, 0, &unused))
				return true;
		}
	}
	return false;
}

/* --- what the table does not say itself --- */

/* Does runtime.moduledata begin here? */
static bool is_module_data(const struct found *found, const struct csn_pclntab *table,
			   struct csn_span at, csn_addr bias)
{
	return csn_span_uint(&at, table->word_bytes) == found->address + bias &&
	       csn_span_uint(&at, table->word_bytes) ==
		       found->address + table->names_offset + bias &&
	       csn_span_ok(&at);
}

static uint64_t module_word(const struct csn_pclntab *table, const struct csn_span *data,
			    unsigned index)
{
	struct csn_span at =
		csn_span_part(data, (uint64_t)index * table->word_bytes, table->word_bytes);

	return csn_span_uint(&at, table->word_bytes);
}

/* Looks for runtime.moduledata in bytes whose pointers have been relocated by bias. */
static bool take_module_data(const struct found *found, struct csn_pclntab *table,
			     const struct csn_span *bytes, csn_addr bias)
{
	unsigned function =
		table->version == CSN_PCLNTAB_1_18 ? MODULE_FUNC_1_18 : MODULE_FUNC_1_20;
	size_t size = (size_t)MODULE_WORDS * table->word_bytes;

	for (size_t at = 0; csn_span_ok(bytes) && at + size <= bytes->size;
	     at += table->word_bytes) {
		struct csn_span data = csn_span_part(bytes, at, size);

		if (!is_module_data(found, table, data, bias))
			continue;
		table->text = module_word(table, &data, MODULE_TEXT) - bias;
		table->trees =
			csn_elf_file_at(found->elf, module_word(table, &data, function) - bias);
		return true;
	}
	return false;
}

/* In the process's own memory, where the loader has relocated it. */
static bool take_from_memory(const struct found *found, struct csn_pclntab *table, uint64_t address,
			     uint64_t size_bytes)
{
	cleanup_free uint8_t *copy = NULL;
	struct csn_span bytes;

	if (size_bytes > CSN_MAX_GO_DATA)
		return false;
	copy = malloc(size_bytes ? size_bytes : 1);
	if (!copy)
		return false;
	bytes = csn_span_of(copy,
			    csn_module_read_memory(found->module, address + found->module->bias,
						   copy, size_bytes));
	return take_module_data(found, table, &bytes, found->module->bias);
}

static bool take_from(const struct found *found, struct csn_pclntab *table, uint64_t address,
		      uint64_t size_bytes)
{
	struct csn_span bytes = csn_elf_file_at(found->elf, address);

	bytes = csn_span_part(&bytes, 0, csn_min_u64(size_bytes, bytes.size));
	return take_module_data(found, table, &bytes, found->bias) ||
	       take_from_memory(found, table, address, size_bytes);
}

/* All read-only data: the segment that holds the table. */
static void take_segment(const struct found *found, struct csn_pclntab *table)
{
	struct csn_elf_segment segment;

	for (uint32_t i = 0; csn_elf_file_segment(found->elf, i, &segment); i++) {
		if (segment.type != PT_LOAD || found->address < segment.address ||
		    found->address - segment.address >= segment.memory_size)
			continue;
		table->trees = csn_elf_file_at(found->elf, segment.address);
		table->trees_address = segment.address;
		return;
	}
}

/* The inline trees and, where the loader moved the program, the code's address. */
static void complete(const struct found *found, struct csn_pclntab *table)
{
	struct csn_elf_section section;
	struct csn_elf_segment segment;

	if (table->version == CSN_PCLNTAB_1_16)
		take_segment(found, table);
	if (table->version < CSN_PCLNTAB_1_18 ||
	    (csn_elf_file_section_find(found->elf, ".noptrdata", &section) &&
	     take_from(found, table, section.address, section.size)))
		return;
	for (uint32_t i = 0; csn_elf_file_segment(found->elf, i, &segment); i++)
		if (segment.type == PT_LOAD && (segment.flags & PF_W) &&
		    take_from(found, table, segment.address, segment.file_size))
			return;
}

static struct csn_pclntab *open_table(struct csn_module *module)
{
	struct found found = { .module = module, .elf = csn_module_elf(module) };
	struct csn_pclntab table, *kept;

	if (!found.elf || !module->bias_known || module->is_vdso)
		return NULL;
	/* Not a file's bytes but the process's: relocated. */
	if (module->state != CSN_MODULE_OK)
		found.bias = module->bias;
	if ((!find_by_section(&found) && !find_by_magic(&found)) ||
	    !csn_pclntab_open(&found.bytes, 0, &table))
		return NULL;
	table.text -= table.text ? found.bias : 0;
	complete(&found, &table);
	kept = csn_arena_alloc(module->impl->modules->arena, sizeof(*kept));
	if (kept)
		*kept = table;
	return kept;
}

struct csn_pclntab *csn_module_pclntab(struct csn_module *module)
{
	struct csn_module_impl *impl = module->impl;

	if (!impl->go_tried) {
		impl->go_tried = true;
		impl->go = open_table(module);
	}
	return impl->go;
}

bool csn_module_go_function(struct csn_module *module, csn_addr addr,
			    struct csn_pclntab_function *ret_function)
{
	struct csn_pclntab *table = csn_module_pclntab(module);

	return table && csn_pclntab_find(table, addr - module->bias, ret_function);
}

/* --- rows --- */

/* It is called by the kernel: its caller is the trampoline that leads back. */
static bool is_signal_handler(const char *name)
{
	static const char *const names[] = { "runtime.sigtramp", "runtime.cgoSigtramp" };

	for (size_t i = 0; i < csn_countof(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

/* How a machine calls: cmd/internal/obj/<machine>. */
static const struct machine {
	uint16_t machine;
	uint8_t sp, fp, return_column; /* DWARF numbers */
	bool has_fp;
	bool has_link; /* a call leaves the return address in a register: it is stored at the
			  stack's top, and the frame pointer below */
} machines[] = {
	{ EM_X86_64, 7, 6, 16, true, false },
	{ EM_386, 4, 5, 8, false, false },
	{ EM_AARCH64, 31, 29, 30, true, true },
};

static const struct machine *find_machine(struct csn_module *module)
{
	const struct csn_elf_header *header = csn_elf_file_header(csn_module_elf(module));

	for (size_t i = 0; i < csn_countof(machines); i++)
		if (machines[i].machine == header->machine)
			return &machines[i];
	return NULL;
}

static void set_saved(struct csn_cfi_row *row, unsigned number, int64_t offset)
{
	row->registers[number] = (struct csn_cfi_rule){ .kind = CSN_CFI_OFFSET };
	row->registers[number].offset = offset;
}

static void fill_row(const struct machine *machine, unsigned word, int64_t depth,
		     struct csn_cfi_row *row)
{
	row->cfa.kind = CSN_CFI_OFFSET;
	row->cfa.offset = depth + (machine->has_link ? 0 : word);
	row->cfa_register = machine->sp;
	row->return_column = machine->return_column;
	if (!machine->has_link) {
		set_saved(row, machine->return_column, -(int64_t)word);
		if (depth && machine->has_fp)
			set_saved(row, machine->fp, -2 * (int64_t)word);
	} else if (depth) {
		set_saved(row, machine->return_column, -depth);
		set_saved(row, machine->fp, -depth - (int64_t)word);
	} else {
		row->registers[machine->return_column].kind = CSN_CFI_SAME;
	}
}

bool csn_module_go_row(struct csn_module *module, csn_addr addr, struct csn_cfi_row *ret_row)
{
	const struct machine *machine = csn_module_pclntab(module) ? find_machine(module) : NULL;
	struct csn_pclntab_function function;
	uint32_t depth;

	if (!machine || !csn_module_go_function(module, addr, &function) ||
	    !csn_pclntab_depth(module->impl->go, &function, addr - module->bias, &depth))
		return false;
	*ret_row = (struct csn_cfi_row){
		.start = addr - module->bias,
		.end = addr - module->bias + 1,
		.function_start = function.start,
		.function_end = function.end,
	};
	fill_row(machine, module->impl->go->word_bytes, depth, ret_row);
	if (function.is_top && !is_signal_handler(function.name))
		ret_row->registers[machine->return_column] =
			(struct csn_cfi_rule){ .kind = CSN_CFI_UNDEFINED };
	return true;
}
