/* Names in .gdb_index (GDB manual, "Index Section Format") and .debug_names (DWARF 5, 6.1.1). Both
 * are hash tables. What they say is only where to look: an entry counts when it has the name. */
#include <ctype.h>
#include <string.h>

#include "dwarf/index_internal.h"
#include "dwarf/outer_internal.h"

/* --- .gdb_index --- */

#define SLOT_BYTES 8u
#define CSN_KIND_TYPE 1u
#define CSN_KIND_VARIABLE 2u

struct gdb_names {
	struct csn_span units, slots, pool;
	uint64_t n_slots;
	bool has_kinds; /* vectors say what a symbol is */
};

static struct csn_span part(const struct csn_span *all, uint64_t start, uint64_t end)
{
	if (end < start)
		return (struct csn_span){ .failed = true };
	return csn_span_part(all, start, end - start);
}

static bool open_gdb_names(struct csn_dwarf *dwarf, struct gdb_names *names)
{
	struct csn_span all = csn_dwarf_bytes(dwarf, CSN_DEBUG_GDB_INDEX, UINT64_MAX), at = all;
	uint32_t version = csn_span_u32(&at), units = csn_span_u32(&at), types = csn_span_u32(&at);
	uint32_t symbols, pool, shortcuts;

	(void)csn_span_u32(&at);
	symbols = csn_span_u32(&at);
	pool = shortcuts = csn_span_u32(&at);
	if (version >= 9) {
		pool = csn_span_u32(&at);
		(void)shortcuts;
	}
	/* Before 5 names were hashed with their case. */
	if (!csn_span_ok(&at) || version < 5 || version > 9)
		return false;
	names->has_kinds = version >= 7;
	names->units = part(&all, units, types);
	names->slots = part(&all, symbols, version >= 9 ? shortcuts : pool);
	names->pool = part(&all, pool, all.size);
	names->n_slots = names->slots.size / SLOT_BYTES;
	return csn_span_ok(&names->units) && csn_span_ok(&names->slots) &&
	       csn_span_ok(&names->pool) && names->n_slots &&
	       (names->n_slots & (names->n_slots - 1)) == 0;
}

/* False: the slot is free. */
static bool read_slot(const struct gdb_names *names, uint64_t number, const char **ret_name,
		      uint32_t *ret_vector)
{
	struct csn_span at = names->slots, text = names->pool;
	uint32_t name;

	csn_span_seek(&at, number * SLOT_BYTES);
	name = csn_span_u32(&at);
	*ret_vector = csn_span_u32(&at);
	if (!csn_span_ok(&at) || (!name && !*ret_vector))
		return false;
	csn_span_seek(&text, name);
	*ret_name = csn_span_cstr(&text);
	return true;
}

/* Calls for the units of a symbol that is of a kind; false: enough. */
static bool each_unit(const struct gdb_names *names, uint32_t vector, unsigned wanted_kind,
		      csn_indexed_name_fn each, void *context)
{
	struct csn_span at = names->pool, unit;
	uint32_t count;

	csn_span_seek(&at, vector);
	count = csn_span_u32(&at);
	for (uint32_t i = 0; i < count && csn_span_left(&at); i++) {
		uint32_t word = csn_span_u32(&at);
		unsigned kind = word >> 28 & 7;

		/* Units of types come behind the others: they hold no variables. */
		if (names->has_kinds && kind && kind != wanted_kind)
			continue;
		unit = names->units;
		csn_span_seek(&unit, (uint64_t)(word & 0xffffff) * 16);
		if (csn_span_left(&unit) >= 16 && !each(context, csn_span_u64(&unit), 0))
			return false;
	}
	return true;
}

static uint32_t hash_gdb(const char *name)
{
	uint32_t hash = 0;

	for (; *name; name++)
		hash = hash * 67 + (uint32_t)tolower((unsigned char)*name) - 113;
	return hash;
}

static void find_gdb(const struct gdb_names *names, bool variables, const char *full,
		     csn_indexed_name_fn each, void *context)
{
	uint32_t hash = hash_gdb(full), vector;
	uint64_t mask = names->n_slots - 1, slot = hash & mask,
		 step = ((uint64_t)hash * 17 & mask) | 1;
	const char *name;

	for (uint64_t tries = 0; tries < names->n_slots; tries++, slot = (slot + step) & mask) {
		if (!read_slot(names, slot, &name, &vector))
			return;
		if (name && strcmp(name, full) == 0) {
			(void)each_unit(names, vector,
					variables ? CSN_KIND_VARIABLE : CSN_KIND_TYPE, each,
					context);
			return;
		}
	}
}

/* --- .debug_names --- */

struct names_table {
	struct csn_span all;
	uint8_t offset_size;
	uint32_t n_units, n_buckets, n_names;
	uint64_t units, buckets, hashes, strings, entries, abbrevs, pool;
};

/* The next table; false at the end. One that is not understood has no names. */
static bool next_table(struct csn_span *section, struct names_table *table)
{
	uint32_t n_local, n_foreign, abbrev_bytes, augmentation;
	struct csn_span at;
	uint64_t length;

	*table = (struct names_table){ 0 };
	if (!csn_span_left(section))
		return false;
	length = csn_length_read(section, &table->offset_size);
	at = table->all = csn_span_take(section, length);
	if (csn_span_u16(&at) != 5)
		return csn_span_ok(section);
	csn_span_skip(&at, 2);
	table->n_units = csn_span_u32(&at);
	n_local = csn_span_u32(&at);
	n_foreign = csn_span_u32(&at);
	table->n_buckets = csn_span_u32(&at);
	table->n_names = csn_span_u32(&at);
	abbrev_bytes = csn_span_u32(&at);
	augmentation = csn_span_u32(&at);
	csn_span_skip(&at, ((uint64_t)augmentation + 3) & ~(uint64_t)3);
	table->units = at.at;
	table->buckets = table->units + ((uint64_t)table->n_units + n_local) * table->offset_size +
			 (uint64_t)n_foreign * 8;
	table->hashes = table->buckets + (uint64_t)table->n_buckets * 4;
	table->strings = table->hashes + (table->n_buckets ? (uint64_t)table->n_names * 4 : 0);
	table->entries = table->strings + (uint64_t)table->n_names * table->offset_size;
	table->abbrevs = table->entries + (uint64_t)table->n_names * table->offset_size;
	table->pool = table->abbrevs + abbrev_bytes;
	if (!csn_span_ok(&at) || table->pool > table->all.size)
		table->n_names = table->n_buckets = 0;
	return csn_span_ok(section);
}

static uint64_t read_at(const struct names_table *table, uint64_t offset, unsigned width)
{
	struct csn_span at = table->all;

	csn_span_seek(&at, offset);
	return csn_span_uint(&at, width);
}

static const char *name_of(struct csn_dwarf *dwarf, const struct names_table *table, uint32_t name)
{
	uint64_t at = table->strings + (uint64_t)name * table->offset_size;

	return csn_dwarf_text(dwarf, CSN_DEBUG_STR, read_at(table, at, table->offset_size));
}

/* What an entry of the pool says (DWARF 5, table 6.1). */
struct names_entry {
	uint64_t tag, unit, offset;
	bool has_offset, is_of_type_unit;
};

static bool read_form(struct csn_span *at, uint64_t form, uint64_t *ret_value)
{
	switch (form) {
	case DW_FORM_flag_present:
		*ret_value = 1;
		return true;
	case DW_FORM_data1:
	case DW_FORM_ref1:
	case DW_FORM_flag:
		*ret_value = csn_span_u8(at);
		break;
	case DW_FORM_data2:
	case DW_FORM_ref2:
		*ret_value = csn_span_u16(at);
		break;
	case DW_FORM_data4:
	case DW_FORM_ref4:
		*ret_value = csn_span_u32(at);
		break;
	case DW_FORM_data8:
	case DW_FORM_ref8:
		*ret_value = csn_span_u64(at);
		break;
	case DW_FORM_udata:
	case DW_FORM_ref_udata:
		*ret_value = csn_span_uleb(at);
		break;
	default:
		return false;
	}
	return csn_span_ok(at);
}

/* The abbreviation of a code; *ret_at then stands at its attributes. */
static bool find_abbrev(const struct names_table *table, uint64_t code, uint64_t *ret_tag,
			struct csn_span *ret_at)
{
	struct csn_span at =
		csn_span_part(&table->all, table->abbrevs, table->pool - table->abbrevs);
	uint64_t found, index, form;

	while (csn_span_left(&at) && (found = csn_span_uleb(&at))) {
		*ret_tag = csn_span_uleb(&at);
		*ret_at = at;
		if (found == code)
			return csn_span_ok(&at);
		do {
			index = csn_span_uleb(&at);
			form = csn_span_uleb(&at);
		} while (csn_span_ok(&at) && (index || form));
	}
	return false;
}

/* One entry of a list; false at its end. */
static bool next_entry(const struct names_table *table, struct csn_span *at,
		       struct names_entry *entry)
{
	enum { IDX_compile_unit = 1, IDX_type_unit, IDX_die_offset };
	uint64_t code = csn_span_uleb(at), index, form, value = 0;
	struct csn_span specs;

	*entry = (struct names_entry){ 0 };
	if (!csn_span_ok(at) || !code || !find_abbrev(table, code, &entry->tag, &specs))
		return false;
	for (;;) {
		index = csn_span_uleb(&specs);
		form = csn_span_uleb(&specs);
		if (!csn_span_ok(&specs) || (!index && !form))
			return csn_span_ok(&specs);
		if (!read_form(at, form, &value))
			return false;
		if (index == IDX_compile_unit)
			entry->unit = value;
		else if (index == IDX_die_offset)
			entry->offset = value;
		entry->is_of_type_unit |= index == IDX_type_unit;
	}
}

static bool is_kind(uint64_t tag, bool variables)
{
	return variables ? tag == DW_TAG_variable
			 : tag == DW_TAG_structure_type || tag == DW_TAG_class_type ||
				   tag == DW_TAG_union_type || tag == DW_TAG_enumeration_type;
}

/* Calls for the entries of one name; false: enough. */
static bool each_entry(const struct names_table *table, uint32_t name, bool variables,
		       csn_indexed_name_fn each, void *context)
{
	uint64_t where = table->entries + (uint64_t)name * table->offset_size;
	struct csn_span at = table->all;
	struct names_entry entry;

	csn_span_seek(&at, table->pool + read_at(table, where, table->offset_size));
	for (unsigned i = 0; i < CSN_MAX_NAMED_ENTRIES && next_entry(table, &at, &entry); i++) {
		uint64_t unit = table->units + entry.unit * table->offset_size;

		if (!is_kind(entry.tag, variables) || entry.is_of_type_unit ||
		    entry.unit >= table->n_units)
			continue;
		if (!each(context, read_at(table, unit, table->offset_size), entry.offset))
			return false;
	}
	return true;
}

static uint32_t hash_names(const char *name)
{
	uint32_t hash = 5381;

	for (; *name; name++)
		hash = hash * 33 + (uint32_t)tolower((unsigned char)*name);
	return hash;
}

static bool find_in_table(struct csn_dwarf *dwarf, const struct names_table *table, bool variables,
			  const char *leaf, csn_indexed_name_fn each, void *context)
{
	uint32_t hash = hash_names(leaf), first, found;
	const char *name;

	if (!table->n_buckets)
		return true;
	first = (uint32_t)read_at(table, table->buckets + (uint64_t)(hash % table->n_buckets) * 4,
				  4);
	/* Names count from 1; those of a bucket stand behind one another. */
	for (uint32_t i = first - 1; first && i < table->n_names; i++) {
		found = (uint32_t)read_at(table, table->hashes + (uint64_t)i * 4, 4);
		if (found % table->n_buckets != hash % table->n_buckets)
			return true;
		name = found == hash ? name_of(dwarf, table, i) : NULL;
		if (name && strcmp(name, leaf) == 0 &&
		    !each_entry(table, i, variables, each, context))
			return false;
	}
	return true;
}

/* --- both --- */

bool csn_names_index_find(struct csn_dwarf *dwarf, bool variables, const char *full,
			  const char *leaf, csn_indexed_name_fn each, void *context)
{
	struct csn_span section = csn_dwarf_bytes(dwarf, CSN_DEBUG_NAMES, UINT64_MAX);
	struct names_table table;
	struct gdb_names names;

	if (open_gdb_names(dwarf, &names)) {
		find_gdb(&names, variables, full, each, context);
		return true;
	}
	if (!csn_span_left(&section))
		return false;
	while (next_table(&section, &table) &&
	       find_in_table(dwarf, &table, variables, leaf, each, context))
		;
	return true;
}

bool csn_names_index_variables(struct csn_dwarf *dwarf, csn_wanted_fn wanted, void *wanted_context,
			       csn_indexed_name_fn each, void *context)
{
	struct csn_span section = csn_dwarf_bytes(dwarf, CSN_DEBUG_NAMES, UINT64_MAX);
	struct names_table table;
	struct gdb_names names;
	const char *name;
	uint32_t vector;

	if (open_gdb_names(dwarf, &names)) {
		for (uint64_t i = 0; i < names.n_slots; i++)
			if (read_slot(&names, i, &name, &vector) && name &&
			    wanted(wanted_context, name))
				(void)each_unit(&names, vector, CSN_KIND_VARIABLE, each, context);
		return true;
	}
	if (!csn_span_left(&section))
		return false;
	while (next_table(&section, &table)) {
		for (uint32_t i = 0; i < table.n_names; i++) {
			name = name_of(dwarf, &table, i);
			if (name && wanted(wanted_context, name))
				(void)each_entry(&table, i, true, each, context);
		}
	}
	return true;
}
