/* The places that call, and whom (DWARF 5, 3.4; before that an extension of GNU).
 *
 * The callee of most is an entry. When that one has code, its address is the answer. When it is
 * only a declaration, the function is in some other unit or object and its name for the linker is
 * the answer; so it is when it is the abstract form of a function that others can see. */
#include "dwarf/call_internal.h"

/* Operations of expressions that are an address (DWARF 5, 7.7.1). */
enum {
	OP_addr = 0x03,
	OP_addrx = 0xa1,
	OP_GNU_addr_index = 0xfb,
};

bool csn_abbrev_is_call(const struct csn_abbrev *abbrev)
{
	return abbrev->tag == DW_TAG_call_site || abbrev->tag == DW_TAG_GNU_call_site;
}

static void keep_call_attribute(struct csn_call_site *site, uint16_t name,
				const struct csn_attr *attr, uint64_t end)
{
	switch (name) {
	case DW_AT_call_return_pc:
	case DW_AT_low_pc:
		site->end = *attr;
		return;
	case DW_AT_call_pc:
		site->start = *attr;
		return;
	case DW_AT_call_origin:
	case DW_AT_abstract_origin:
		site->origin = *attr;
		return;
	case DW_AT_call_target:
	case DW_AT_GNU_call_site_target:
		site->target = *attr;
		site->target_end = end;
		return;
	case DW_AT_call_tail_call:
	case DW_AT_GNU_tail_call:
		site->is_tail = csn_attr_flag(attr);
		return;
	case DW_AT_sibling:
		site->sibling = *attr;
		return;
	default:
		return;
	}
}

void csn_call_site_read(struct csn_span *at, const struct csn_unit *unit,
			const struct csn_abbrev *abbrev, struct csn_call_site *ret_site)
{
	uint32_t i;

	*ret_site = (struct csn_call_site){ 0 };
	for (i = 0; i < abbrev->n_specs && csn_span_ok(at); i++) {
		struct csn_attr attr;

		csn_attr_read(at, unit, &abbrev->specs[i], &attr);
		keep_call_attribute(ret_site, abbrev->specs[i].name, &attr, at->at);
	}
}

/* An expression that is an address and nothing else. */
static bool read_constant(struct csn_unit *unit, const struct csn_call_site *site,
			  uint64_t *ret_address)
{
	struct csn_span at = csn_unit_bytes(unit, site->target.value);
	uint64_t index;
	bool found;

	at.size = csn_min_u64(at.size, site->target_end);
	switch (csn_span_u8(&at)) {
	case OP_addr:
		*ret_address = csn_span_uint(&at, unit->address_size);
		found = true;
		break;
	case OP_addrx:
	case OP_GNU_addr_index:
		index = csn_span_uleb(&at);
		found = csn_span_ok(&at) && csn_unit_address(unit, index, ret_address);
		break;
	default:
		return false;
	}
	return found && csn_span_ok(&at) && !csn_span_left(&at);
}

/* What the entry of a callee says. */
struct callee_entry {
	struct csn_attr low, ranges, origin;
	const char *name, *linkage_name;
	bool is_declared, is_external;
};

static void keep_callee_attribute(struct csn_unit *unit, struct callee_entry *entry, uint16_t name,
				  const struct csn_attr *attr)
{
	switch (name) {
	case DW_AT_low_pc:
		entry->low = *attr;
		return;
	case DW_AT_ranges:
		entry->ranges = *attr;
		return;
	case DW_AT_abstract_origin:
	case DW_AT_specification:
		entry->origin = *attr;
		return;
	case DW_AT_name:
		entry->name = csn_attr_text(unit, attr);
		return;
	case DW_AT_linkage_name:
	case DW_AT_MIPS_linkage_name:
		entry->linkage_name = csn_attr_text(unit, attr);
		return;
	case DW_AT_declaration:
		entry->is_declared = csn_attr_flag(attr);
		return;
	case DW_AT_external:
		entry->is_external = csn_attr_flag(attr);
		return;
	default:
		return;
	}
}

static bool read_callee(const struct csn_entry *from, struct callee_entry *ret_entry)
{
	struct csn_span at;
	const struct csn_abbrev *abbrev = csn_entry_open(from, &at);
	uint32_t i;

	if (!abbrev || abbrev->tag != DW_TAG_subprogram)
		return false;
	*ret_entry = (struct callee_entry){ 0 };
	for (i = 0; i < abbrev->n_specs && csn_span_ok(&at); i++) {
		struct csn_attr attr;

		csn_attr_read(&at, from->unit, &abbrev->specs[i], &attr);
		keep_callee_attribute(from->unit, ret_entry, abbrev->specs[i].name, &attr);
	}
	return csn_span_ok(&at);
}

static bool keep_first(void *context, uint64_t start, uint64_t end)
{
	struct csn_callee *callee = context;

	(void)end;
	callee->kind = CSN_CALLEE_ADDRESS;
	callee->address = start;
	return false;
}

static struct csn_place **place_bucket(struct csn_dwarf *dwarf, uint64_t address)
{
	return &dwarf->places[(address * 0x9e3779b97f4a7c15ull >> 32) % CSN_DWARF_BUCKETS];
}

const struct csn_place *csn_place_find(struct csn_dwarf *dwarf, uint64_t address)
{
	const struct csn_place *place;

	for (place = *place_bucket(dwarf, address); place; place = place->next)
		if (place->address == address)
			return place;
	return NULL;
}

/* Whoever asks for the callee's own calls need not search it then. Places are those of the object
 * that has the addresses. */
static void keep_place(const struct csn_entry *entry, uint64_t address)
{
	struct csn_unit *unit = entry->unit;
	struct csn_dwarf *dwarf = unit->skeleton ? unit->skeleton->dwarf : unit->dwarf;
	struct csn_place **bucket = place_bucket(dwarf, address), *place;

	if (csn_place_find(dwarf, address))
		return;
	place = csn_arena_alloc(dwarf->arena, sizeof(*place));
	if (!place)
		return;
	*place = (struct csn_place){ *bucket, address, *entry };
	*bucket = place;
}

/* Sets kind and address when the entry has code. */
static bool resolve_code(struct csn_unit *unit, const struct callee_entry *entry,
			 struct csn_callee *callee)
{
	if (entry->ranges.form)
		csn_ranges_each(unit, entry->ranges.form, entry->ranges.value, keep_first, callee);
	else if (csn_attr_address(unit, &entry->low, &callee->address))
		callee->kind = CSN_CALLEE_ADDRESS;
	return callee->kind == CSN_CALLEE_ADDRESS;
}

/* Follows origins for the name; the first entry decides whether there is code. */
static void resolve_origin(struct csn_entry at, struct csn_callee *ret_callee)
{
	const char *name = NULL, *linkage_name = NULL;
	struct callee_entry entry;
	bool is_visible = false;
	unsigned hops;

	for (hops = 0; hops < CSN_MAX_DWARF_ORIGINS; hops++) {
		if (!read_callee(&at, &entry))
			break;
		if (hops == 0 && resolve_code(at.unit, &entry, ret_callee)) {
			keep_place(&at, ret_callee->address);
			return;
		}
		is_visible |= entry.is_declared || entry.is_external;
		name = name ? name : entry.name;
		linkage_name = linkage_name ? linkage_name : entry.linkage_name;
		if (!csn_attr_entry(at.unit, &entry.origin, &at))
			break;
	}
	name = linkage_name ? linkage_name : name;
	if (!is_visible || !name)
		return;
	ret_callee->kind = CSN_CALLEE_NAME;
	ret_callee->name = name;
}

void csn_call_site_resolve(struct csn_unit *unit, const struct csn_call_site *site,
			   struct csn_callee *ret_callee)
{
	struct csn_entry origin;

	*ret_callee = (struct csn_callee){ .kind = CSN_CALLEE_UNKNOWN };
	if (site->target.form) {
		if (read_constant(unit, site, &ret_callee->address))
			ret_callee->kind = CSN_CALLEE_ADDRESS;
	} else if (csn_attr_entry(unit, &site->origin, &origin)) {
		resolve_origin(origin, ret_callee);
	}
}

void csn_call_resolve(struct csn_unit *unit, uint64_t offset, struct csn_callee *ret_callee)
{
	struct csn_call_site site;
	struct csn_span at;
	const struct csn_abbrev *abbrev = csn_entry_open(&(struct csn_entry){ unit, offset }, &at);

	*ret_callee = (struct csn_callee){ .kind = CSN_CALLEE_UNKNOWN };
	if (!abbrev)
		return;
	csn_call_site_read(&at, unit, abbrev, &site);
	if (csn_span_ok(&at))
		csn_call_site_resolve(unit, &site, ret_callee);
}
