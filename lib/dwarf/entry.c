/* The entries of a unit: which function holds an address, and what is inlined there.
 *
 * Entries stand in one row, children behind their parents; the walk goes along it once for all
 * addresses of the unit and keeps, for each of them, the inlined functions it is in. Where the
 * compiler links siblings (gcc) everything that is no function is jumped over; where it does not
 * (clang, rustc) the row is read, which costs nanoseconds per entry. Functions inside of others
 * (nested functions, methods of local classes) are found by a second walk that jumps over nothing,
 * made only for addresses that the first did not find. */
#include "dwarf/call_internal.h"

/* What is read of an entry that may hold code. */
struct scope {
	struct csn_attr low, high, ranges, sibling, call_file, call_line, call_column;
};

struct walk {
	struct csn_arena *arena;
	struct csn_unit *unit;
	struct csn_spot *spots;
	size_t n_spots, n_left; /* without a function */
	bool deep;              /* jump over nothing */
	bool no_memory;
	struct csn_span at;
	uint32_t depth;
	uint32_t quiet;  /* nothing deeper than this is in a function of ours; 0: none */
	uint32_t inside; /* depth of the function being read; 0: none */
	/* The entry at hand. */
	uint64_t offset;
	const struct csn_abbrev *abbrev;
	struct scope scope;
	bool matched;
	bool has_entry; /* of the code of the entry at hand, where it begins */
	uint64_t entry;
};

static void keep_attribute(struct scope *scope, uint16_t name, const struct csn_attr *attr)
{
	switch (name) {
	case DW_AT_low_pc:
		scope->low = *attr;
		return;
	case DW_AT_high_pc:
		scope->high = *attr;
		return;
	case DW_AT_ranges:
		scope->ranges = *attr;
		return;
	case DW_AT_sibling:
		scope->sibling = *attr;
		return;
	case DW_AT_call_file:
		scope->call_file = *attr;
		return;
	case DW_AT_call_line:
		scope->call_line = *attr;
		return;
	case DW_AT_call_column:
		scope->call_column = *attr;
		return;
	default:
		return;
	}
}

static void read_scope(struct walk *walk)
{
	const struct csn_abbrev *abbrev = walk->abbrev;
	uint32_t i;

	walk->scope = (struct scope){ 0 };
	for (i = 0; i < abbrev->n_specs && csn_span_ok(&walk->at); i++) {
		struct csn_attr attr;

		csn_attr_read(&walk->at, walk->unit, &abbrev->specs[i], &attr);
		keep_attribute(&walk->scope, abbrev->specs[i].name, &attr);
	}
}

/* Backwards would be a loop. */
static bool jump(struct walk *walk, uint64_t sibling)
{
	if (sibling <= walk->at.at || sibling >= walk->unit->end)
		return false;
	csn_span_seek(&walk->at, sibling);
	return true;
}

static uint64_t number_of(const struct csn_attr *attr)
{
	uint64_t value;

	return csn_attr_uint(attr, &value) ? value : 0;
}

static void enter_function(struct walk *walk, struct csn_spot *spot)
{
	/* A function within a function is the nearer one; of two side by side the first counts. */
	if (spot->has_function && spot->function_depth >= walk->depth)
		return;
	if (!spot->has_function)
		walk->n_left--;
	spot->has_function = true;
	spot->function_depth = walk->depth;
	spot->function = walk->offset;
	spot->entry = walk->entry;
	spot->n_inlined = 0;
	walk->matched = true;
}

static void enter_inlined(struct walk *walk, struct csn_spot *spot)
{
	struct csn_inlined *grown;

	if (!spot->has_function || spot->function_depth >= walk->depth)
		return;
	walk->matched = true;
	if (walk->abbrev->tag != DW_TAG_inlined_subroutine)
		return;
	/* Neighbours that claim the same address are broken: the first counts. */
	if (spot->n_inlined && spot->inlined[spot->n_inlined - 1].depth >= walk->depth)
		return;
	if (spot->n_inlined >= CSN_MAX_INLINE_DEPTH)
		return;
	grown = csn_arena_grow(walk->arena, spot->inlined, spot->n_inlined, &spot->inlined_capacity,
			       sizeof(*grown));
	if (!grown) {
		walk->no_memory = true;
		return;
	}
	spot->inlined = grown;
	grown[spot->n_inlined++] =
		(struct csn_inlined){ .depth = walk->depth,
				      .offset = walk->offset,
				      .call_file = number_of(&walk->scope.call_file),
				      .call_line = number_of(&walk->scope.call_line),
				      .call_column = number_of(&walk->scope.call_column) };
}

static bool enter_range(void *context, uint64_t start, uint64_t end)
{
	struct walk *walk = context;
	size_t i;

	/* Of several ranges the first is where calls go. */
	if (!walk->has_entry)
		walk->entry = start;
	walk->has_entry = true;
	for (i = csn_spots_first(walk->spots, walk->n_spots, start);
	     i < walk->n_spots && walk->spots[i].address < end; i++) {
		if (walk->abbrev->tag == DW_TAG_subprogram)
			enter_function(walk, &walk->spots[i]);
		else
			enter_inlined(walk, &walk->spots[i]);
	}
	return !walk->no_memory;
}

/* Sets matched when the entry's code holds one of the addresses. */
static void match_scope(struct walk *walk)
{
	const struct scope *scope = &walk->scope;
	uint64_t low, high;

	walk->matched = walk->has_entry = false;
	if (scope->ranges.form) {
		csn_ranges_each(walk->unit, scope->ranges.form, scope->ranges.value, enter_range,
				walk);
		return;
	}
	if (!csn_attr_address(walk->unit, &scope->low, &low))
		return;
	if (!csn_attr_address(walk->unit, &scope->high, &high) &&
	    (!csn_attr_uint(&scope->high, &high) || __builtin_add_overflow(low, high, &high)))
		return;
	if (low < high)
		enter_range(walk, low, high);
}

/* An entry that may hold code and tells where. True: go into its children. */
static bool visit_scope(struct walk *walk)
{
	bool is_function = walk->abbrev->tag == DW_TAG_subprogram;
	uint64_t sibling = 0;

	read_scope(walk);
	match_scope(walk);
	if (walk->matched) {
		if (is_function) {
			walk->quiet = 0;
			walk->inside = walk->inside ? walk->inside : walk->depth;
		}
		return true;
	}
	if (!walk->deep && csn_attr_reference(walk->unit, &walk->scope.sibling, &sibling) &&
	    walk->abbrev->children && jump(walk, sibling))
		return false;
	if (walk->abbrev->children && !walk->quiet)
		walk->quiet = walk->depth;
	return true;
}

static bool is_scope(const struct walk *walk)
{
	if (!walk->abbrev->has_code)
		return false;
	switch (walk->abbrev->tag) {
	case DW_TAG_subprogram:
		return true;
	case DW_TAG_inlined_subroutine:
	case DW_TAG_lexical_block:
		return walk->inside && !walk->quiet;
	default:
		return false;
	}
}

/* A place that calls, in a function of ours; returns its sibling, 0 none. */
static uint64_t visit_call(struct walk *walk)
{
	struct csn_call_site site;
	uint64_t end, sibling;
	size_t i;

	csn_call_site_read(&walk->at, walk->unit, walk->abbrev, &site);
	if (csn_attr_address(walk->unit, &site.end, &end)) {
		i = csn_spots_first(walk->spots, walk->n_spots, end - 1);
		if (i < walk->n_spots && walk->spots[i].address == end - 1 && !walk->spots[i].call)
			walk->spots[i].call = walk->offset;
	}
	return csn_attr_reference(walk->unit, &site.sibling, &sibling) ? sibling : 0;
}

/* True: go into its children. */
static bool visit(struct walk *walk)
{
	uint64_t sibling;

	if (is_scope(walk))
		return visit_scope(walk);
	if (walk->inside && !walk->quiet && csn_abbrev_is_call(walk->abbrev))
		sibling = visit_call(walk);
	else
		sibling = csn_attrs_skip_sibling(&walk->at, walk->unit, walk->abbrev);
	/* Blocks without code of their own may still have children with some. */
	if (walk->inside && !walk->quiet && walk->abbrev->tag == DW_TAG_lexical_block)
		return true;
	return walk->deep || !(sibling && walk->abbrev->children && jump(walk, sibling));
}

/* The end of a list of children; false at the end of the unit or when nothing is left to find. */
static bool leave(struct walk *walk)
{
	if (walk->depth <= 1)
		return false;
	walk->depth--;
	if (walk->quiet && walk->depth <= walk->quiet)
		walk->quiet = 0;
	if (walk->inside && walk->depth <= walk->inside) {
		walk->inside = 0;
		return walk->n_left > 0;
	}
	return true;
}

static void walk_entries(struct walk *walk)
{
	struct csn_unit *unit = walk->unit;

	walk->at = csn_unit_bytes(unit, unit->first_entry);
	walk->depth = walk->quiet = walk->inside = 0;
	while (csn_span_left(&walk->at) && !walk->no_memory) {
		uint64_t code;

		walk->offset = walk->at.at;
		code = csn_span_uleb(&walk->at);
		if (!code) {
			if (!leave(walk))
				return;
			continue;
		}
		walk->abbrev = csn_abbrev_find(unit->abbrevs, code);
		if (!walk->abbrev)
			return;
		if (!walk->depth) {
			csn_attrs_skip(&walk->at, unit, walk->abbrev);
			if (!walk->abbrev->children)
				return;
			walk->depth = 1;
			continue;
		}
		if (visit(walk) && walk->abbrev->children && ++walk->depth > CSN_MAX_DWARF_DEPTH)
			return;
	}
}

bool csn_entries_walk(struct csn_arena *arena, struct csn_unit *unit, struct csn_spot *spots,
		      size_t n_spots)
{
	struct walk walk = {
		.arena = arena, .unit = unit, .spots = spots, .n_spots = n_spots, .n_left = n_spots
	};

	if (!csn_unit_open(unit))
		return true;
	walk.deep = !unit->abbrevs->any_sibling;
	walk_entries(&walk);
	if (walk.n_left && !walk.deep && !walk.no_memory) {
		walk.deep = true;
		walk_entries(&walk);
	}
	return !walk.no_memory;
}
