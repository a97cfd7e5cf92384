/* Finding the entry for an address.
 *
 * .eh_frame_hdr holds a sorted table, made by the linker, from function start to entry: a binary
 * search and one entry read. It is used when the entry it leads to agrees with it. Where it is
 * missing, of an unusual form, not sorted or wrong, we walk the section once and sort what is
 * there; .debug_frame never has a table and is always walked, but only when .eh_frame has no
 * answer. */
#include "dwarf/cfi.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "dwarf/cfi_internal.h"
#include "elf/file.h"

/* How far back to look for an entry that covers the address although a later one starts before
 * it: overlaps come from discarded functions and are rare. */
#define MAX_OVERLAP 16

struct place {
	uint64_t start, end, offset;
};

/* All entries of one section, by start. */
struct place_index {
	struct place *places; /* owned */
	size_t n_places, capacity;
	bool made;
};

/* The linker's table, when it has the form that all linkers write: pairs of 32-bit offsets. */
struct search_table {
	struct csn_span pairs;
	size_t n_pairs;
	uint64_t base; /* address that the offsets count from */
	bool checked, sorted;
};

struct csn_cfi {
	struct csn_elf_file *elf; /* borrowed; NULL: no lazy .debug_frame */
	struct csn_cfi_section eh, debug;
	bool debug_frame_tried;
	struct search_table table;
	struct place_index eh_index, debug_index;
	struct csn_cie last_cie;
	struct csn_cfi_scratch scratch;
};

/* True and filled when the header is one we can search. Tells the address of .eh_frame too. */
static bool read_table(struct csn_span hdr, const struct csn_eh_bases *bases,
		       struct search_table *ret_table, uint64_t *ret_eh_frame)
{
	uint8_t version = csn_span_u8(&hdr), frame_encoding = csn_span_u8(&hdr);
	uint8_t count_encoding = csn_span_u8(&hdr), table_encoding = csn_span_u8(&hdr);
	uint64_t count;

	if (version != 1 || !csn_eh_pointer_read(&hdr, frame_encoding, bases, ret_eh_frame))
		return false;
	if (!csn_eh_pointer_read(&hdr, count_encoding, bases, &count) ||
	    table_encoding != (CSN_EH_DATAREL | CSN_EH_SDATA4))
		return true;
	/* A table that is cut short misses functions: no use. */
	if (count > csn_span_left(&hdr) / 8)
		return true;
	ret_table->pairs = csn_span_take(&hdr, count * 8);
	ret_table->n_pairs = count;
	ret_table->base = bases->section_address;
	return true;
}

static int32_t pair_word(const struct search_table *table, size_t index, size_t half)
{
	int32_t value;

	memcpy(&value, table->pairs.data + index * 8 + half * 4, sizeof(value));
	return value;
}

static uint64_t pair_start(const struct search_table *table, size_t index)
{
	return table->base + (uint64_t)(int64_t)pair_word(table, index, 0);
}

/* Index of the last pair that starts at or before address, counted from 1; 0: none. */
static size_t search_pairs(const struct search_table *table, uint64_t address)
{
	size_t low = 0, high = table->n_pairs;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (pair_start(table, middle) <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool table_is_sorted(struct search_table *table)
{
	size_t i;

	if (table->checked)
		return table->sorted;
	table->checked = true;
	table->sorted = table->n_pairs > 0;
	for (i = 1; i < table->n_pairs && table->sorted; i++)
		table->sorted = pair_word(table, i - 1, 0) <= pair_word(table, i, 0);
	return table->sorted;
}

static int compare_places(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static bool index_add(struct place_index *index, const struct place *place)
{
	if (index->n_places == index->capacity) {
		size_t capacity = index->capacity ? index->capacity * 2 : 256;
		void *places = realloc(index->places, capacity * sizeof(*index->places));

		if (!places)
			return false;
		index->places = places;
		index->capacity = capacity;
	}
	index->places[index->n_places++] = *place;
	return true;
}

/* The number of entries is bounded by the section: each takes eight bytes or more of it. */
static void make_index(struct csn_cfi *cfi, const struct csn_cfi_section *section,
		       struct place_index *index)
{
	enum csn_cfi_entry kind = CSN_CFI_ENTRY_OTHER;
	uint64_t offset = 0, next = 0;
	struct csn_fde fde;

	index->made = true;
	while (kind != CSN_CFI_ENTRY_END) {
		kind = csn_fde_read(section, offset, &cfi->last_cie, &fde, &next);
		if (kind == CSN_CFI_ENTRY_FDE && fde.end > fde.start &&
		    !index_add(index, &(struct place){ fde.start, fde.end, offset }))
			break;
		offset = next;
	}
	if (index->n_places)
		qsort(index->places, index->n_places, sizeof(*index->places), compare_places);
	cfi->last_cie = (struct csn_cie){ 0 };
}

/* Offset of the entry that covers address; false: none. */
static bool index_find(const struct place_index *index, uint64_t address, uint64_t *ret_offset)
{
	size_t low = 0, high = index->n_places, back;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (index->places[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	for (back = 0; back < MAX_OVERLAP && low > 0; back++) {
		const struct place *place = &index->places[--low];

		if (address >= place->end)
			continue;
		*ret_offset = place->offset;
		return true;
	}
	return false;
}

static enum csn_cfi_answer find_indexed(struct csn_cfi *cfi, const struct csn_cfi_section *section,
					struct place_index *index, uint64_t address,
					struct csn_fde *ret_fde)
{
	uint64_t offset, next;

	if (!csn_span_ok(&section->bytes) || section->bytes.size == 0)
		return CSN_CFI_NONE;
	if (!index->made)
		make_index(cfi, section, index);
	if (!index_find(index, address, &offset))
		return CSN_CFI_NONE;
	return csn_fde_read(section, offset, NULL, ret_fde, &next) == CSN_CFI_ENTRY_FDE
		       ? CSN_CFI_FOUND
		       : CSN_CFI_BROKEN;
}

/* BROKEN here means: the table cannot be believed. */
static enum csn_cfi_answer find_by_table(struct csn_cfi *cfi, uint64_t address,
					 struct csn_fde *ret_fde)
{
	struct search_table *table = &cfi->table;
	size_t found = search_pairs(table, address);
	uint64_t entry, next;

	if (found == 0)
		return table_is_sorted(table) ? CSN_CFI_NONE : CSN_CFI_BROKEN;
	entry = table->base + (uint64_t)(int64_t)pair_word(table, found - 1, 1) -
		cfi->eh.bases.section_address;
	if (csn_fde_read(&cfi->eh, entry, NULL, ret_fde, &next) != CSN_CFI_ENTRY_FDE ||
	    ret_fde->start != pair_start(table, found - 1))
		return CSN_CFI_BROKEN;
	if (address < ret_fde->end)
		return CSN_CFI_FOUND;
	return table_is_sorted(table) ? CSN_CFI_NONE : CSN_CFI_BROKEN;
}

/* .debug_frame may be compressed, so it is opened only when it is needed. */
static void open_debug_frame(struct csn_cfi *cfi)
{
	struct csn_elf_section section;

	if (cfi->debug_frame_tried)
		return;
	cfi->debug_frame_tried = true;
	if (!cfi->elf || !csn_elf_file_section_find(cfi->elf, ".debug_frame", &section))
		return;
	if (csn_elf_file_section_read(cfi->elf, &section, &cfi->debug.bytes, NULL) < 0)
		cfi->debug.bytes.failed = true;
}

enum csn_cfi_answer csn_cfi_find(struct csn_cfi *cfi, uint64_t address, struct csn_cfi_row *ret_row)
{
	const struct csn_cfi_section *section = &cfi->eh;
	enum csn_cfi_answer answer = CSN_CFI_BROKEN;
	struct csn_fde fde;

	if (cfi->table.n_pairs)
		answer = find_by_table(cfi, address, &fde);
	if (answer == CSN_CFI_BROKEN)
		answer = find_indexed(cfi, section, &cfi->eh_index, address, &fde);
	if (answer != CSN_CFI_FOUND) {
		open_debug_frame(cfi);
		section = &cfi->debug;
		answer = find_indexed(cfi, section, &cfi->debug_index, address, &fde);
	}
	if (answer != CSN_CFI_FOUND)
		return answer;
	return csn_fde_run(section, &fde, address, &cfi->scratch, ret_row) ? CSN_CFI_FOUND
									   : CSN_CFI_BROKEN;
}

int csn_cfi_new(const struct csn_cfi_input *input, struct csn_cfi **ret_cfi, struct csn_error *err)
{
	struct csn_cfi *cfi = calloc(1, sizeof(*cfi));
	struct csn_eh_bases hdr_bases = { .section_address = input->eh_frame_hdr_address,
					  .data = input->eh_frame_hdr_address,
					  .text = input->text_address,
					  .address_size = input->address_size };
	uint64_t unused;

	if (!cfi)
		return csn_fail_nomem(err);
	cfi->eh.bytes = input->eh_frame;
	cfi->eh.bases = (struct csn_eh_bases){ .section_address = input->eh_frame_address,
					       .text = input->text_address,
					       .data = input->data_address,
					       .address_size = input->address_size };
	cfi->debug.bytes = input->debug_frame;
	cfi->debug.bases = cfi->eh.bases;
	cfi->debug.bases.section_address = 0;
	cfi->debug.is_debug_frame = true;
	if (csn_span_ok(&input->eh_frame) && input->eh_frame.size > 0 &&
	    !read_table(input->eh_frame_hdr, &hdr_bases, &cfi->table, &unused))
		cfi->table = (struct search_table){ 0 };
	*ret_cfi = cfi;
	return 0;
}

static struct csn_span section_bytes(struct csn_elf_file *file, const char *name,
				     uint64_t *ret_address)
{
	struct csn_span bytes = { .failed = true };
	struct csn_elf_section section;

	if (!csn_elf_file_section_find(file, name, &section))
		return bytes;
	*ret_address = section.address;
	if (csn_elf_file_section_read(file, &section, &bytes, NULL) < 0)
		bytes.failed = true;
	return bytes;
}

/* Without section headers: the header has a segment of its own and points to the table. */
static void find_by_segment(struct csn_elf_file *file, struct csn_cfi_input *input)
{
	struct csn_eh_bases bases = { .address_size = input->address_size };
	struct search_table unused = { 0 };
	struct csn_elf_segment segment;

	if (!csn_elf_file_segment_of_type(file, PT_GNU_EH_FRAME, &segment))
		return;
	input->eh_frame_hdr = csn_elf_file_at(file, segment.address);
	input->eh_frame_hdr.size = csn_min_u64(input->eh_frame_hdr.size, segment.memory_size);
	input->eh_frame_hdr_address = segment.address;
	bases.section_address = bases.data = segment.address;
	if (read_table(input->eh_frame_hdr, &bases, &unused, &input->eh_frame_address))
		input->eh_frame = csn_elf_file_at(file, input->eh_frame_address);
}

int csn_cfi_open(struct csn_elf_file *file, struct csn_cfi **ret_cfi, struct csn_error *err)
{
	const struct csn_elf_header *header = csn_elf_file_header(file);
	struct csn_cfi_input input = { .machine = header->machine,
				       .address_size = header->is_64 ? 8 : 4 };
	struct csn_elf_section section;
	int rc;

	input.eh_frame = section_bytes(file, ".eh_frame", &input.eh_frame_address);
	input.eh_frame_hdr = section_bytes(file, ".eh_frame_hdr", &input.eh_frame_hdr_address);
	/* Debug files have the section without its bytes, and segments that are somewhere else. */
	if (!csn_elf_file_section_find(file, ".eh_frame", &section))
		find_by_segment(file, &input);
	if (csn_elf_file_section_find(file, ".text", &section))
		input.text_address = section.address;
	if (csn_elf_file_section_find(file, ".got.plt", &section) ||
	    csn_elf_file_section_find(file, ".got", &section))
		input.data_address = section.address;
	rc = csn_cfi_new(&input, ret_cfi, err);
	if (rc == 0)
		(*ret_cfi)->elf = file;
	return rc;
}

void csn_cfi_free(struct csn_cfi *cfi)
{
	if (!cfi)
		return;
	free(cfi->eh_index.places);
	free(cfi->debug_index.places);
	free(cfi->scratch.saved);
	free(cfi);
}

void csn_cfi_freep(struct csn_cfi **cfi)
{
	csn_cfi_free(*cfi);
}
