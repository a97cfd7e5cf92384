#include <stdlib.h>

#include "dwarf/source_internal.h"

/* Bytes behind a table's offset that are asked for at first. */
#define CSN_ABBREVS_STEP (16 * CSN_KIB)

/* Adds what a form takes to the abbreviation; false when that is not the same for every entry. */
static bool add_size(struct csn_abbrev *abbrev, uint16_t form)
{
	switch (form) {
	case DW_FORM_flag_present:
	case DW_FORM_implicit_const:
		return true;
	case DW_FORM_data1:
	case DW_FORM_ref1:
	case DW_FORM_flag:
	case DW_FORM_strx1:
	case DW_FORM_addrx1:
		abbrev->bytes += 1;
		return true;
	case DW_FORM_data2:
	case DW_FORM_ref2:
	case DW_FORM_strx2:
	case DW_FORM_addrx2:
		abbrev->bytes += 2;
		return true;
	case DW_FORM_strx3:
	case DW_FORM_addrx3:
		abbrev->bytes += 3;
		return true;
	case DW_FORM_data4:
	case DW_FORM_ref4:
	case DW_FORM_ref_sup4:
	case DW_FORM_strx4:
	case DW_FORM_addrx4:
		abbrev->bytes += 4;
		return true;
	case DW_FORM_data8:
	case DW_FORM_ref8:
	case DW_FORM_ref_sig8:
	case DW_FORM_ref_sup8:
		abbrev->bytes += 8;
		return true;
	case DW_FORM_data16:
		abbrev->bytes += 16;
		return true;
	case DW_FORM_addr:
		abbrev->addresses++;
		return true;
	case DW_FORM_strp:
	case DW_FORM_line_strp:
	case DW_FORM_sec_offset:
	case DW_FORM_strp_sup:
	case DW_FORM_GNU_ref_alt:
	case DW_FORM_GNU_strp_alt:
		abbrev->offsets++;
		return true;
	default:
		return false;
	}
}

static void note_attribute(struct csn_abbrev *abbrev, const struct csn_attr_spec *spec,
			   uint32_t index)
{
	if (spec->name == DW_AT_low_pc || spec->name == DW_AT_ranges)
		abbrev->has_code = true;
	if (spec->name == DW_AT_sibling && !abbrev->has_sibling) {
		abbrev->has_sibling = true;
		abbrev->sibling_is_fixed = abbrev->is_fixed;
		abbrev->sibling_bytes = abbrev->bytes;
		abbrev->sibling_addresses = abbrev->addresses;
		abbrev->sibling_offsets = abbrev->offsets;
		abbrev->sibling_spec = index;
	}
	if (abbrev->is_fixed)
		abbrev->is_fixed = add_size(abbrev, spec->form);
}

/* The next attribute; false behind the last. ret_spec may be NULL. */
static bool read_spec(struct csn_span *at, struct csn_attr_spec *ret_spec)
{
	uint64_t name = csn_span_uleb(at), form = csn_span_uleb(at);
	int64_t implicit = form == DW_FORM_implicit_const ? csn_span_sleb(at) : 0;

	if (!csn_span_ok(at) || (!name && !form))
		return false;
	/* Numbers too large for the format are not known either way. */
	if (ret_spec)
		*ret_spec = (struct csn_attr_spec){ .name = name > UINT16_MAX ? 0 : (uint16_t)name,
						    .form = form > UINT16_MAX ? 0 : (uint16_t)form,
						    .implicit = implicit };
	return true;
}

/* Attributes of one abbreviation, behind those already there. False at the end of memory. */
static bool read_specs(struct csn_dwarf *dwarf, struct csn_span *at, struct csn_abbrev *abbrev)
{
	struct csn_attr_spec *specs = NULL, spec;
	size_t capacity = 0, n = 0;

	abbrev->is_fixed = true;
	while (read_spec(at, &spec)) {
		specs = csn_arena_grow(dwarf->arena, specs, n, &capacity, sizeof(*specs));
		if (!specs)
			return false;
		specs[n] = spec;
		note_attribute(abbrev, &specs[n], (uint32_t)n);
		n++;
	}
	abbrev->specs = specs;
	abbrev->n_specs = (uint32_t)n;
	return true;
}

bool csn_abbrev_peek(struct csn_dwarf *dwarf, uint64_t offset, uint64_t code,
		     struct csn_attr_spec specs[CSN_MAX_ROOT_SPECS], struct csn_abbrev *ret_abbrev)
{
	unsigned n_skipped, n;
	struct csn_span at;

	if (offset > UINT64_MAX - CSN_ABBREVS_STEP)
		return false;
	at = csn_dwarf_bytes(dwarf, CSN_DEBUG_ABBREV, offset + CSN_ABBREVS_STEP);
	csn_span_seek(&at, offset);
	for (n_skipped = 0; n_skipped < CSN_MAX_ROOT_SKIPPED; n_skipped++) {
		struct csn_abbrev abbrev = { .code = csn_span_uleb(&at), .specs = specs };

		(void)csn_span_uleb(&at);
		csn_span_skip(&at, 1);
		for (n = 0; read_spec(&at, n < CSN_MAX_ROOT_SPECS ? &specs[n] : NULL); n++)
			;
		abbrev.n_specs = n;
		if (!csn_span_ok(&at) || !abbrev.code)
			return false;
		if (abbrev.code != code)
			continue;
		*ret_abbrev = abbrev;
		return n <= CSN_MAX_ROOT_SPECS;
	}
	return false;
}

static int compare_codes(const void *a, const void *b)
{
	const struct csn_abbrev *x = a, *y = b;

	return x->code < y->code ? -1 : x->code > y->code;
}

/* The table as far as it lies in the first size_bytes of the section. False at the end of memory;
 * ret_cut: its end was not reached. */
static bool read_prefix(struct csn_dwarf *dwarf, struct csn_abbrevs *table, uint64_t size_bytes,
			bool *ret_cut)
{
	struct csn_span at = csn_dwarf_bytes(dwarf, CSN_DEBUG_ABBREV, size_bytes);
	size_t capacity = 0;
	bool sorted = true;

	*table = (struct csn_abbrevs){ .offset = table->offset };
	csn_span_seek(&at, table->offset);
	for (;;) {
		struct csn_abbrev abbrev = { .code = csn_span_uleb(&at) };
		uint64_t tag;

		if (!csn_span_ok(&at) || !abbrev.code)
			break;
		tag = csn_span_uleb(&at);
		abbrev.tag = tag > UINT16_MAX ? 0 : (uint16_t)tag;
		abbrev.children = csn_span_u8(&at) != 0;
		if (!read_specs(dwarf, &at, &abbrev))
			return false;
		if (!csn_span_ok(&at))
			break;
		table->items = csn_arena_grow(dwarf->arena, table->items, table->n_items, &capacity,
					      sizeof(*table->items));
		if (!table->items)
			return false;
		if (table->n_items && table->items[table->n_items - 1].code >= abbrev.code)
			sorted = false;
		table->any_sibling |= abbrev.has_sibling;
		table->items[table->n_items++] = abbrev;
	}
	if (!sorted)
		qsort(table->items, table->n_items, sizeof(*table->items), compare_codes);
	*ret_cut = !csn_span_ok(&at) && at.size >= size_bytes;
	return true;
}

/* Tables are small and their size is told nowhere, while the section may be large and compressed:
 * more of it is asked for only when the table goes on. */
static bool read_table(struct csn_dwarf *dwarf, struct csn_abbrevs *table)
{
	uint64_t step = CSN_ABBREVS_STEP;
	bool cut = true;

	for (; cut && table->offset <= UINT64_MAX - step; step *= 4)
		if (!read_prefix(dwarf, table, table->offset + step, &cut))
			return false;
	return table->n_items > 0;
}

struct csn_abbrevs *csn_abbrevs_get(struct csn_dwarf *dwarf, uint64_t offset)
{
	struct csn_abbrevs **bucket =
		&dwarf->abbrevs[(offset * 0x9e3779b97f4a7c15ull >> 32) % CSN_DWARF_BUCKETS];
	struct csn_abbrevs *table;

	for (table = *bucket; table; table = table->next)
		if (table->offset == offset)
			return table->n_items ? table : NULL;
	table = csn_arena_alloc(dwarf->arena, sizeof(*table));
	if (!table)
		return NULL;
	table->offset = offset;
	if (!read_table(dwarf, table))
		table->n_items = 0;
	table->next = *bucket;
	*bucket = table;
	return table->n_items ? table : NULL;
}

const struct csn_abbrev *csn_abbrevs_search(const struct csn_abbrevs *abbrevs, uint64_t code)
{
	const struct csn_abbrev key = { .code = code };

	return bsearch(&key, abbrevs->items, abbrevs->n_items, sizeof(key), compare_codes);
}
