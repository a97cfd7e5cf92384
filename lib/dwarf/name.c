/* Names of functions, along their abstract origins and specifications, which may be in other
 * units. A name without a mangled form (static functions of C++, mostly) gets the scopes around
 * its declaration in front; these are found by one walk from the unit's beginning. */
#include <stdio.h>
#include <string.h>

#include "dwarf/source_internal.h"

/* Places that a search leaves for later ones to begin at, over the whole unit. */
#define CSN_SCOPE_MARKS 16u
/* Entries that may be looked at for scopes in any unit. */
#define CSN_SCOPE_STEPS 200000u

/* What an entry says of itself. */
struct named {
	struct csn_unit *unit;
	uint64_t offset;
	uint16_t tag;
	const char *name, *linkage_name;
	bool has_origin;
	struct csn_entry origin;
};

static void keep_attribute(struct named *named, uint16_t name, const struct csn_attr *attr)
{
	switch (name) {
	case DW_AT_name:
		named->name = csn_attr_text(named->unit, attr);
		return;
	case DW_AT_linkage_name:
	case DW_AT_MIPS_linkage_name:
		named->linkage_name = csn_attr_text(named->unit, attr);
		return;
	case DW_AT_abstract_origin:
	case DW_AT_specification:
	case DW_AT_signature: /* of a type that is only declared here */
		named->has_origin = csn_attr_entry(named->unit, attr, &named->origin);
		return;
	default:
		return;
	}
}

static bool read_named(const struct csn_entry *entry, struct named *named)
{
	struct csn_span at;
	const struct csn_abbrev *abbrev = csn_entry_open(entry, &at);
	uint32_t i;

	if (!abbrev)
		return false;
	*named = (struct named){ .unit = entry->unit, .offset = entry->offset, .tag = abbrev->tag };
	for (i = 0; i < abbrev->n_specs && csn_span_ok(&at); i++) {
		struct csn_attr attr;

		csn_attr_read(&at, entry->unit, &abbrev->specs[i], &attr);
		keep_attribute(named, abbrev->specs[i].name, &attr);
	}
	return csn_span_ok(&at);
}

/* Follows origins to the declaration; texts come from wherever they stand first. */
static bool read_declaration(struct csn_entry entry, struct named *ret_named)
{
	const char *name = NULL, *linkage_name = NULL;
	struct named named;
	unsigned hops;

	for (hops = 0; hops < CSN_MAX_DWARF_ORIGINS; hops++) {
		if (!read_named(&entry, &named))
			return false;
		name = name ? name : named.name;
		linkage_name = linkage_name ? linkage_name : named.linkage_name;
		if (!named.has_origin)
			break;
		entry = named.origin;
	}
	named.name = name;
	named.linkage_name = linkage_name;
	*ret_named = named;
	return true;
}

bool csn_unit_is_c(const struct csn_unit *unit)
{
	switch (unit->language) {
	case DW_LANG_C89:
	case DW_LANG_C:
	case DW_LANG_C99:
	case DW_LANG_C11:
	case DW_LANG_C17:
		return true;
	default:
		return false;
	}
}

/* The entries around the one at target, outermost first. */
struct csn_scopes {
	uint64_t target;
	uint64_t offsets[CSN_MAX_DWARF_SCOPES]; /* of blocks within blocks, the outer ones */
	unsigned n;
};

/* Scopes found before are where the next search goes on: entries lie behind one another. */
static void begin_search(const struct csn_unit *unit, uint64_t target,
			 struct csn_scopes *ret_scopes)
{
	*ret_scopes = (struct csn_scopes){ .target = unit->first_entry };
	for (size_t i = 0; i < unit->n_found_scopes; i++) {
		const struct csn_scopes *found = &unit->found_scopes[i];

		if (found->target <= target && found->target > ret_scopes->target)
			*ret_scopes = *found;
	}
}

static void keep_scopes(struct csn_unit *unit, const struct csn_scopes *found)
{
	struct csn_scopes *grown;

	if (unit->n_found_scopes >= CSN_MAX_DWARF_SCANS)
		return;
	grown = csn_arena_grow(unit->dwarf->arena, unit->found_scopes, unit->n_found_scopes,
			       &unit->found_scopes_capacity, sizeof(*grown));
	if (!grown)
		return;
	unit->found_scopes = grown;
	grown[unit->n_found_scopes++] = *found;
}

/* Goes along the entries to target. */
static bool find_scopes(struct csn_unit *unit, uint64_t target, struct csn_scopes *ret_scopes)
{
	uint64_t step = (unit->end - unit->offset) / CSN_SCOPE_MARKS + 1, mark;
	struct csn_span at;
	struct csn_scopes open;

	begin_search(unit, target, &open);
	mark = open.target + step;
	at = csn_unit_bytes(unit, open.target);
	while (csn_span_left(&at) && at.at < target) {
		uint64_t offset = at.at, code, sibling;
		const struct csn_abbrev *abbrev;

		/* All searches together see as many entries as the unit has bytes; of a small one,
		 * more. */
		if (++unit->scan_steps > unit->end - unit->offset &&
		    unit->scan_steps > CSN_SCOPE_STEPS)
			return false;
		if (offset >= mark) {
			open.target = offset;
			keep_scopes(unit, &open);
			mark = offset + step;
		}
		code = csn_span_uleb(&at);
		if (!code) {
			if (!open.n)
				return false;
			open.n--;
			continue;
		}
		abbrev = csn_abbrev_find(unit->abbrevs, code);
		if (!abbrev)
			return false;
		sibling = csn_attrs_skip_sibling(&at, unit, abbrev);
		if (!abbrev->children)
			continue;
		if (sibling > at.at && sibling <= target) {
			csn_span_seek(&at, sibling);
			continue;
		}
		if (open.n == CSN_MAX_DWARF_DEPTH)
			return false;
		if (open.n < CSN_MAX_DWARF_SCOPES)
			open.offsets[open.n] = offset;
		open.n++;
	}
	if (at.at != target || !csn_span_ok(&at) || open.n > CSN_MAX_DWARF_SCOPES)
		return false;
	open.target = target;
	keep_scopes(unit, &open);
	*ret_scopes = open;
	return true;
}

/* "ns::class" for an entry that is such a scope; empties the text at a function, whose inside has
 * names of its own. */
static void append_scope(struct csn_unit *unit, uint64_t offset, char *text, size_t size_bytes)
{
	size_t used = strlen(text);
	const char *name;
	struct named named;

	if (!read_declaration((struct csn_entry){ unit, offset }, &named))
		return;
	name = named.name;
	switch (named.tag) {
	case DW_TAG_subprogram:
		text[0] = '\0';
		return;
	case DW_TAG_namespace:
		name = name ? name : "(anonymous namespace)";
		break;
	case DW_TAG_class_type:
	case DW_TAG_structure_type:
	case DW_TAG_union_type:
	case DW_TAG_interface_type:
	case DW_TAG_enumeration_type:
	case DW_TAG_module:
		break;
	default:
		return;
	}
	if (name)
		snprintf(text + used, size_bytes - used, "%s::", name);
}

static const char *qualify(const struct named *named)
{
	struct csn_unit *unit = named->unit;
	struct csn_scopes scopes;
	char prefix[1024] = "";
	unsigned i;

	if (csn_unit_is_c(unit) || unit->n_scans >= CSN_MAX_DWARF_SCANS)
		return named->name;
	unit->n_scans++;
	if (!find_scopes(unit, named->offset, &scopes))
		return named->name;
	/* The first one is the unit itself. */
	for (i = 1; i < scopes.n; i++)
		append_scope(unit, scopes.offsets[i], prefix, sizeof(prefix));
	if (!*prefix)
		return named->name;
	return csn_arena_sprintf(unit->dwarf->arena, "%s%s", prefix, named->name);
}

const char *csn_entry_full_name(struct csn_unit *unit, uint64_t offset)
{
	struct named named;

	if (!read_declaration((struct csn_entry){ unit, offset }, &named) || !named.name)
		return NULL;
	return qualify(&named);
}

const struct csn_function_name *csn_function_name_get(struct csn_unit *unit, uint64_t offset)
{
	struct csn_dwarf *dwarf = unit->dwarf;
	struct csn_function_name *
		*bucket = &dwarf->names[(offset * 0x9e3779b97f4a7c15ull >> 32) % CSN_DWARF_BUCKETS],
	       *name;
	struct named named;

	for (name = *bucket; name; name = name->next)
		if (name->offset == offset && name->section == unit->section)
			return name;
	name = csn_arena_alloc(dwarf->arena, sizeof(*name));
	if (!name)
		return NULL;
	name->section = unit->section;
	name->offset = offset;
	if (read_declaration((struct csn_entry){ unit, offset }, &named)) {
		name->linkage_name = named.linkage_name;
		name->name = named.name && !named.linkage_name ? qualify(&named) : named.name;
	}
	name->next = *bucket;
	*bucket = name;
	return name;
}
