/* A function's entry holds those of its variables, directly and in lexical blocks. A copy of a
 * function (inlined, cloned) has entries that name their abstract ones, and leaves out those of
 * which nothing is left: they are taken from the abstract function, without a value. */
#include "dwarf/variable.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "dwarf/call_internal.h"
#include "dwarf/entry_internal.h"
#include "dwarf/location_internal.h"

/* What an entry of a variable says, along its origins. */
struct reading {
	uint64_t address;
	struct csn_variable variable;
	bool has_place, has_origin, is_declaration;
	struct csn_type_link type;
	struct csn_entry origin;
};

/* --- places --- */

struct search {
	uint64_t address;
	bool found, is_default, holds_on;
	struct csn_span expression;
};

static bool covers(const struct csn_location *location, uint64_t address)
{
	return !location->is_default && address >= location->start && address < location->end;
}

/* Compilers may begin a new entry behind a call that says the same as the one before. */
static bool match_location(void *context, const struct csn_location *location)
{
	struct search *search = context;
	const struct csn_span *found = &search->expression;

	if (!search->found && (location->is_default || covers(location, search->address))) {
		search->found = true;
		search->expression = location->expression;
		search->is_default = location->is_default;
	} else if (search->is_default && covers(location, search->address)) {
		search->expression = location->expression;
		search->is_default = false;
	}
	if (search->found && covers(location, search->address + 1) &&
	    location->expression.size == found->size &&
	    memcmp(location->expression.data, found->data, found->size) == 0)
		search->holds_on = true;
	return !search->holds_on;
}

static void read_place(struct csn_unit *unit, const struct csn_attr *attr, uint64_t address,
		       struct csn_value_place *ret_place)
{
	struct search search = { .address = address };
	struct csn_span bytes = csn_attr_block(unit, attr);

	*ret_place = (struct csn_value_place){ .unit = unit };
	if (!csn_span_ok(&bytes)) {
		ret_place->kind = CSN_PLACE_ELSEWHERE;
		csn_locations_each(unit, attr->form, attr->value, match_location, &search);
		if (!search.found)
			return;
		bytes = search.expression;
		ret_place->holds_on = search.holds_on;
	}
	ret_place->kind = bytes.size ? CSN_PLACE_EXPRESSION : CSN_PLACE_NONE;
	ret_place->bytes = bytes;
}

static bool read_constant(struct csn_unit *unit, const struct csn_attr *attr,
			  struct csn_value_place *ret_place)
{
	const char *text = csn_attr_text(unit, attr);

	*ret_place = (struct csn_value_place){ .unit = unit, .kind = CSN_PLACE_BYTES };
	if (csn_attr_uint(attr, &ret_place->number)) {
		ret_place->kind = CSN_PLACE_CONSTANT;
		return true;
	}
	if (csn_attr_address(unit, attr, &ret_place->number))
		return false;
	ret_place->bytes = text ? csn_span_of(text, strlen(text) + 1) : csn_attr_block(unit, attr);
	return csn_span_ok(&ret_place->bytes);
}

/* --- one variable --- */

static void keep_attribute(void *context, struct csn_unit *unit, uint16_t name,
			   const struct csn_attr *attr)
{
	struct reading *reading = context;
	struct csn_entry entry;

	switch (name) {
	case DW_AT_name:
		if (!reading->variable.name)
			reading->variable.name = csn_attr_text(unit, attr);
		return;
	case DW_AT_type:
		if (!reading->type.unit && csn_attr_entry(unit, attr, &entry))
			reading->type = (struct csn_type_link){ entry.unit, entry.offset };
		return;
	case DW_AT_location:
		if (!reading->has_place)
			read_place(unit, attr, reading->address, &reading->variable.place);
		reading->has_place = true;
		return;
	case DW_AT_const_value:
		if (!reading->has_place)
			reading->has_place = read_constant(unit, attr, &reading->variable.place);
		return;
	case DW_AT_declaration:
		reading->is_declaration |= csn_attr_flag(attr);
		return;
	case DW_AT_abstract_origin:
	case DW_AT_specification:
		reading->has_origin = csn_attr_entry(unit, attr, &reading->origin);
		return;
	default:
		return;
	}
}

/* False: the entry is broken. */
static bool read_variable(struct csn_entry entry, struct reading *reading)
{
	const struct csn_abbrev *abbrev;
	struct csn_span at;
	unsigned hops;

	for (hops = 0; hops < CSN_MAX_DWARF_ORIGINS; hops++) {
		abbrev = csn_entry_open(&entry, &at);
		reading->has_origin = false;
		if (!abbrev ||
		    !csn_attributes_each(entry.unit, abbrev, &at, keep_attribute, reading))
			return false;
		if (!hops)
			reading->variable.is_parameter = abbrev->tag == DW_TAG_formal_parameter;
		if (!reading->has_origin)
			break;
		entry = reading->origin;
	}
	reading->variable.type = csn_type_get(&reading->type);
	return true;
}

bool csn_variable_read(const struct csn_type_link *link, uint64_t address,
		       struct csn_variable *ret_variable)
{
	struct reading reading = { .address = address };

	if (!link->unit || !read_variable((struct csn_entry){ link->unit, link->offset }, &reading))
		return false;
	*ret_variable = reading.variable;
	return true;
}

struct specification {
	uint64_t wanted; /* offset of the declaration */
	bool found;
};

static void match_specification(void *context, struct csn_unit *unit, uint16_t name,
				const struct csn_attr *attr)
{
	struct specification *search = context;
	uint64_t offset;

	if (name == DW_AT_specification && csn_attr_reference(unit, attr, &offset))
		search->found |= offset == search->wanted;
}

/* The variable of a unit that says to be what was declared; no unit when there is none. */
static struct csn_type_link find_definition(const struct csn_type_link *declaration)
{
	struct specification search = { .wanted = declaration->offset };
	struct csn_unit *unit = declaration->unit;
	struct csn_children children;
	struct csn_span at;

	if (!csn_children_begin(&children, &(struct csn_entry){ unit, unit->first_entry }))
		return (struct csn_type_link){ 0 };
	while (csn_children_next(&children, &at)) {
		if (children.abbrev->tag == DW_TAG_variable &&
		    csn_attributes_each(unit, children.abbrev, &at, match_specification, &search) &&
		    search.found)
			return (struct csn_type_link){ unit, children.offset };
		if (children.abbrev->tag != DW_TAG_namespace)
			csn_children_pass(&children);
	}
	return (struct csn_type_link){ 0 };
}

bool csn_variable_of_member(struct csn_type_member *member, uint64_t address,
			    struct csn_variable *ret_variable)
{
	if (!csn_variable_read(&member->declaration, address, ret_variable))
		return false;
	if (ret_variable->place.kind != CSN_PLACE_NONE)
		return true;
	if (!member->definition_sought)
		member->definition = find_definition(&member->declaration);
	member->definition_sought = true;
	return !member->definition.unit ||
	       csn_variable_read(&member->definition, address, ret_variable);
}

/* --- the variables of a function --- */

struct collection {
	struct csn_arena *arena;
	const struct csn_scope *scope;
	struct csn_variable *variables;
	size_t n, capacity;
	/* Abstract entries that have a copy here. */
	struct csn_entry *copied;
	size_t n_copied, copied_capacity;
	bool no_memory;
};

static void collect_variable(struct collection *collection, const struct csn_children *child)
{
	struct reading reading = { .address = collection->scope->address };
	struct csn_variable *grown;

	if (collection->n >= CSN_MAX_SCOPE_VARIABLES ||
	    !read_variable((struct csn_entry){ child->unit, child->offset }, &reading))
		return;
	/* Nameless, or only a declaration of one that is elsewhere. */
	if (!reading.variable.name || (reading.is_declaration && !reading.has_place))
		return;
	grown = csn_arena_grow(collection->arena, collection->variables, collection->n,
			       &collection->capacity, sizeof(*grown));
	if (!grown) {
		collection->no_memory = true;
		return;
	}
	collection->variables = grown;
	grown[collection->n++] = reading.variable;
}

/* What an entry that may hold code says. */
struct block {
	struct csn_attr low, high, ranges;
	bool has_origin;
	struct csn_entry origin;
};

static void keep_block(void *context, struct csn_unit *unit, uint16_t name,
		       const struct csn_attr *attr)
{
	struct block *block = context;

	switch (name) {
	case DW_AT_low_pc:
		block->low = *attr;
		return;
	case DW_AT_high_pc:
		block->high = *attr;
		return;
	case DW_AT_ranges:
		block->ranges = *attr;
		return;
	case DW_AT_abstract_origin:
		block->has_origin = csn_attr_entry(unit, attr, &block->origin);
		return;
	default:
		return;
	}
}

struct range_search {
	uint64_t address;
	bool found;
};

static bool match_range(void *context, uint64_t start, uint64_t end)
{
	struct range_search *search = context;

	search->found = search->address >= start && search->address < end;
	return !search->found;
}

/* A block without code of its own is part of what is around it. */
static bool holds(struct csn_unit *unit, const struct block *block, uint64_t address)
{
	struct range_search search = { .address = address };
	uint64_t low, high;

	if (block->ranges.form) {
		csn_ranges_each(unit, block->ranges.form, block->ranges.value, match_range,
				&search);
		return search.found;
	}
	if (!csn_attr_address(unit, &block->low, &low))
		return true;
	if (!csn_attr_address(unit, &block->high, &high) &&
	    (!csn_attr_uint(&block->high, &high) || __builtin_add_overflow(low, high, &high)))
		return true;
	return address >= low && address < high;
}

static void remember_copy(struct collection *collection, const struct block *block)
{
	struct csn_entry *grown;

	if (!block->has_origin)
		return;
	grown = csn_arena_grow(collection->arena, collection->copied, collection->n_copied,
			       &collection->copied_capacity, sizeof(*grown));
	if (!grown) {
		collection->no_memory = true;
		return;
	}
	collection->copied = grown;
	grown[collection->n_copied++] = block->origin;
}

static bool is_copied(const struct collection *collection, const struct csn_children *child)
{
	size_t i;

	for (i = 0; i < collection->n_copied; i++)
		if (collection->copied[i].unit == child->unit &&
		    collection->copied[i].offset == child->offset)
			return true;
	return false;
}

/* What the abstract form has and the copy does not. */
static void collect_left_out(struct collection *collection, const struct csn_entry *origin)
{
	struct csn_children children;
	struct csn_span at;

	if (!csn_children_begin(&children, origin))
		return;
	while (csn_children_next(&children, &at) && !collection->no_memory) {
		bool copied = is_copied(collection, &children);

		switch (children.abbrev->tag) {
		case DW_TAG_formal_parameter:
		case DW_TAG_variable:
			if (!copied)
				collect_variable(collection, &children);
			break;
		case DW_TAG_lexical_block:
			if (!copied)
				continue;
			break;
		default:
			break;
		}
		csn_children_pass(&children);
	}
}

/* One entry inside of the function. True: its children belong to the function, too. */
static bool collect(struct collection *collection, struct csn_children *child, struct csn_span *at)
{
	struct block block = { 0 };
	bool is_block = child->abbrev->tag == DW_TAG_lexical_block;

	if (!is_block && child->abbrev->tag != DW_TAG_formal_parameter &&
	    child->abbrev->tag != DW_TAG_variable)
		return false;
	if (!csn_attributes_each(child->unit, child->abbrev, at, keep_block, &block))
		return false;
	remember_copy(collection, &block);
	if (is_block)
		return holds(child->unit, &block, collection->scope->address);
	collect_variable(collection, child);
	return false;
}

static void reverse(struct csn_variable *variables, size_t n)
{
	for (size_t i = 0; i < n / 2; i++) {
		struct csn_variable other = variables[i];

		variables[i] = variables[n - 1 - i];
		variables[n - 1 - i] = other;
	}
}

/* Inner blocks come behind what is around them, but their names win: they go first, each in its own
 * order. */
static void order(struct csn_variable *variables, const uint32_t *depths, size_t n)
{
	size_t start, end;

	reverse(variables, n);
	for (start = 0; start < n; start = end) {
		end = start + 1;
		while (end < n && depths[n - 1 - end] == depths[n - 1 - start])
			end++;
		reverse(variables + start, end - start);
	}
}

static int collect_all(struct collection *collection, const struct csn_entry *function,
		       struct csn_error *err)
{
	cleanup_free uint32_t *depths = calloc(CSN_MAX_SCOPE_VARIABLES, sizeof(*depths));
	struct csn_children children;
	struct csn_span at;
	size_t n = 0;

	if (!depths)
		return csn_fail_nomem(err);
	if (!csn_children_begin(&children, function))
		return 0;
	while (csn_children_next(&children, &at) && !collection->no_memory) {
		bool inside = collect(collection, &children, &at);

		for (; n < collection->n; n++)
			depths[n] = children.depth;
		if (!inside)
			csn_children_pass(&children);
	}
	if (n)
		order(collection->variables, depths, n);
	return 0;
}

int csn_scope_variables(struct csn_arena *arena, const struct csn_scope *scope, size_t function,
			struct csn_variable **ret_variables, size_t *ret_count,
			struct csn_error *err)
{
	struct collection collection = { .arena = arena, .scope = scope };
	const struct csn_entry entry = { scope->unit, scope->functions[function] };
	struct block block = { 0 };
	struct csn_span at;
	const struct csn_abbrev *abbrev = csn_entry_open(&entry, &at);

	if (collect_all(&collection, &entry, err) < 0)
		return -CSN_E_NOMEM;
	if (abbrev && csn_attributes_each(entry.unit, abbrev, &at, keep_block, &block) &&
	    block.has_origin)
		collect_left_out(&collection, &block.origin);
	if (collection.no_memory)
		return csn_fail_nomem(err);
	*ret_variables = collection.variables;
	*ret_count = collection.n;
	return 0;
}

/* --- scopes --- */

struct frame_base {
	uint64_t address;
	struct csn_value_place place;
};

static void keep_frame_base(void *context, struct csn_unit *unit, uint16_t name,
			    const struct csn_attr *attr)
{
	struct frame_base *base = context;

	if (name == DW_AT_frame_base)
		read_place(unit, attr, base->address, &base->place);
}

void csn_scope_frame_base(const struct csn_scope *scope, struct csn_value_place *ret_place)
{
	struct frame_base base = { .address = scope->address };
	struct csn_entry entry = { scope->unit, 0 };
	const struct csn_abbrev *abbrev = NULL;
	struct csn_span at;

	if (scope->n_functions) {
		entry.offset = scope->functions[scope->n_functions - 1];
		abbrev = csn_entry_open(&entry, &at);
	}
	if (abbrev)
		(void)csn_attributes_each(entry.unit, abbrev, &at, keep_frame_base, &base);
	*ret_place = base.place;
}

/* A parameter of a call site. */
struct passed {
	struct csn_span wanted;
	bool matches, has_value;
	struct csn_value_place value;
};

static void keep_passed(void *context, struct csn_unit *unit, uint16_t name,
			const struct csn_attr *attr)
{
	struct passed *passed = context;
	struct csn_span bytes = csn_attr_block(unit, attr);

	if (name == DW_AT_location) {
		passed->matches = csn_span_ok(&bytes) && bytes.size == passed->wanted.size &&
				  memcmp(bytes.data, passed->wanted.data, bytes.size) == 0;
	} else if ((name == DW_AT_call_value || name == DW_AT_GNU_call_site_value) &&
		   csn_span_ok(&bytes)) {
		passed->has_value = true;
		passed->value = (struct csn_value_place){
			.kind = CSN_PLACE_EXPRESSION, .unit = unit, .bytes = bytes, .holds_on = true
		};
	}
}

bool csn_scope_call_value(const struct csn_scope *scope, struct csn_span location,
			  struct csn_value_place *ret_place, struct csn_callee *ret_callee)
{
	struct csn_children children;
	struct csn_span at;

	if (!scope->call || !csn_span_ok(&location) ||
	    !csn_children_begin(&children, &(struct csn_entry){ scope->unit, scope->call }))
		return false;
	while (csn_children_next(&children, &at)) {
		struct passed passed = { .wanted = location };

		csn_children_pass(&children);
		if ((children.abbrev->tag != DW_TAG_call_site_parameter &&
		     children.abbrev->tag != DW_TAG_GNU_call_site_parameter) ||
		    !csn_attributes_each(children.unit, children.abbrev, &at, keep_passed,
					 &passed) ||
		    !passed.matches)
			continue;
		csn_call_resolve(scope->unit, scope->call, ret_callee);
		*ret_place = passed.value;
		return passed.has_value;
	}
	return false;
}

static int fill_scope(struct csn_arena *arena, const struct csn_spot *spot, struct csn_scope *scope,
		      struct csn_error *err)
{
	size_t i;

	if (!spot->has_function)
		return 0;
	scope->functions = csn_arena_array(arena, spot->n_inlined + 1, sizeof(uint64_t));
	if (!scope->functions)
		return csn_fail_nomem(err);
	for (i = 0; i < spot->n_inlined; i++)
		scope->functions[i] = spot->inlined[spot->n_inlined - 1 - i].offset;
	scope->functions[i] = spot->function;
	scope->n_functions = i + 1;
	scope->unit = spot->unit;
	scope->entry = spot->entry;
	scope->call = spot->call;
	return 0;
}

/* Scopes that are looked for, in the order of their addresses. */
struct scope_search {
	struct csn_arena *arena;
	struct csn_scope **sorted;
	size_t n;
};

/* What is sorted holds pointers. */
#define SORTED_SLOT sizeof(void *)

static int compare_scopes(const void *a, const void *b)
{
	const struct csn_scope *x = *(struct csn_scope *const *)a;
	const struct csn_scope *y = *(struct csn_scope *const *)b;

	return x->address < y->address ? -1 : x->address > y->address;
}

static size_t first_scope(const struct scope_search *search, uint64_t address)
{
	size_t low = 0, high = search->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (search->sorted[middle]->address < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int fill_unit(void *context, struct csn_unit *unit, struct csn_spot *spots, size_t n_spots,
		     struct csn_error *err)
{
	const struct scope_search *search = context;
	int rc = 0;

	unit = csn_unit_entries(unit);
	for (size_t i = 0; i < n_spots; i++)
		spots[i].unit = unit;
	if (!csn_entries_walk(search->arena, unit, spots, n_spots))
		return csn_fail_nomem(err);
	for (size_t i = 0; i < n_spots; i++) {
		size_t k = first_scope(search, spots[i].address);

		for (; k < search->n && search->sorted[k]->address == spots[i].address && rc == 0;
		     k++)
			rc = fill_scope(search->arena, &spots[i], search->sorted[k], err);
	}
	return rc;
}

int csn_dwarf_find_scopes(struct csn_arena *arena, struct csn_dwarf *dwarf,
			  struct csn_scope *scopes, size_t n_scopes, struct csn_error *err)
{
	cleanup_free struct csn_spot *spots = calloc(n_scopes + 1, sizeof(*spots));
	cleanup_free struct csn_scope **sorted = calloc(n_scopes + 1, SORTED_SLOT);
	struct scope_search search = { .arena = arena, .sorted = sorted, .n = n_scopes };
	size_t i, n = 0;

	if (!spots || !sorted)
		return csn_fail_nomem(err);
	for (i = 0; i < n_scopes; i++) {
		scopes[i] = (struct csn_scope){ .address = scopes[i].address };
		sorted[i] = &scopes[i];
	}
	if (n_scopes)
		qsort(sorted, n_scopes, SORTED_SLOT, compare_scopes);
	for (i = 0; i < n_scopes; i++)
		if (!i || sorted[i]->address != sorted[i - 1]->address)
			spots[n++].address = sorted[i]->address;
	return csn_spots_each_unit(dwarf, spots, n, fill_unit, &search, err);
}

/* --- what expressions ask for --- */

bool csn_unit_index(struct csn_unit *unit, uint64_t index, uint64_t *ret_value)
{
	return csn_unit_address(unit, index, ret_value);
}

bool csn_unit_link(struct csn_unit *unit, uint64_t offset, bool is_global,
		   struct csn_type_link *ret_link)
{
	const struct csn_attr attr = { .form = is_global ? DW_FORM_ref_addr : DW_FORM_ref8,
				       .value = offset };
	struct csn_entry entry;

	if (!csn_attr_entry(unit, &attr, &entry))
		return false;
	*ret_link = (struct csn_type_link){ entry.unit, entry.offset };
	return true;
}

uint8_t csn_unit_address_size(const struct csn_unit *unit)
{
	return unit->address_size;
}

uint8_t csn_unit_offset_size(const struct csn_unit *unit)
{
	return unit->version < 3 ? unit->address_size : unit->offset_size;
}
