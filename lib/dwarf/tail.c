/* The tail calls of functions: jumps that end a function by being another one's call.
 *
 * They count only where the debug information says that it lists them all: a chain of jumps is
 * believed when there is no other, which nobody knows of an incomplete list. */
#include <stdlib.h>

#include "base/cleanup.h"
#include "dwarf/call_internal.h"

struct list {
	struct csn_arena *arena;
	struct csn_unit *unit;
	struct csn_span at;
	uint32_t depth;
	uint32_t nested; /* depth of a function within the function; 0 none */
	struct csn_tail_call *calls;
	size_t n_calls, capacity;
	bool broken, no_memory;
};

/* The entry at hand is a call. */
static void add_call(struct list *list, const struct csn_call_site *site)
{
	struct csn_tail_call call = { 0 };
	struct csn_tail_call *grown;

	if (!csn_attr_address(list->unit, &site->end, &call.address)) {
		if (!csn_attr_address(list->unit, &site->start, &call.address))
			return;
		call.at_jump = true;
	}
	if (list->n_calls >= CSN_MAX_TAIL_CALLS) {
		list->broken = true;
		return;
	}
	csn_call_site_resolve(list->unit, site, &call.callee);
	grown = csn_arena_grow(list->arena, list->calls, list->n_calls, &list->capacity,
			       sizeof(*grown));
	if (!grown) {
		list->no_memory = true;
		return;
	}
	list->calls = grown;
	grown[list->n_calls++] = call;
}

/* Reads the entry at hand, and behind its children where that is known. True: its children come
 * next. */
static bool read_entry(struct list *list, const struct csn_abbrev *abbrev)
{
	bool is_function = abbrev->tag == DW_TAG_subprogram;
	struct csn_call_site site;
	uint64_t sibling;

	/* What is read of a call is enough of any entry: its sibling. */
	csn_call_site_read(&list->at, list->unit, abbrev, &site);
	if (csn_abbrev_is_call(abbrev) && site.is_tail && !list->nested)
		add_call(list, &site);
	if (!abbrev->children)
		return false;
	if (abbrev->tag != DW_TAG_inlined_subroutine && abbrev->tag != DW_TAG_lexical_block &&
	    csn_attr_reference(list->unit, &site.sibling, &sibling) && sibling > list->at.at &&
	    sibling < list->unit->end) {
		csn_span_seek(&list->at, sibling);
		return false;
	}
	if (is_function && !list->nested)
		list->nested = list->depth;
	return true;
}

/* Goes along everything inside of the function whose attributes have been read. */
static void read_inside(struct list *list)
{
	for (list->depth = 1; list->depth && !list->broken && !list->no_memory;) {
		uint64_t code = csn_span_uleb(&list->at);
		const struct csn_abbrev *abbrev;

		if (!csn_span_ok(&list->at)) {
			list->broken = true;
		} else if (!code) {
			list->depth--;
			if (list->depth <= list->nested)
				list->nested = 0;
		} else {
			abbrev = csn_abbrev_find(list->unit->abbrevs, code);
			if (!abbrev ||
			    (read_entry(list, abbrev) && ++list->depth > CSN_MAX_DWARF_DEPTH))
				list->broken = true;
		}
	}
}

/* All of a function's calls are listed, or all those that are jumps. */
static bool lists_all(uint16_t name)
{
	switch (name) {
	case DW_AT_call_all_calls:
	case DW_AT_call_all_tail_calls:
	case DW_AT_GNU_all_call_sites:
	case DW_AT_GNU_all_tail_call_sites:
		return true;
	default:
		return false;
	}
}

/* The function whose entry it is. */
static int list_calls(struct csn_arena *arena, const struct csn_entry *entry,
		      struct csn_tail_calls *function, struct csn_error *err)
{
	struct list list = { .arena = arena, .unit = entry->unit };
	const struct csn_abbrev *abbrev = csn_entry_open(entry, &list.at);
	bool complete = false;
	uint32_t i;

	if (!abbrev)
		return 0;
	for (i = 0; i < abbrev->n_specs && csn_span_ok(&list.at); i++) {
		struct csn_attr attr;

		csn_attr_read(&list.at, list.unit, &abbrev->specs[i], &attr);
		complete |= lists_all(abbrev->specs[i].name) && csn_attr_flag(&attr);
	}
	if (complete && abbrev->children)
		read_inside(&list);
	if (list.no_memory)
		return csn_fail_nomem(err);
	if (list.broken || !csn_span_ok(&list.at))
		return 0;
	function->known = true;
	function->calls = list.calls;
	function->n_calls = list.n_calls;
	return 0;
}

/* What is asked of units: functions[i] is that of the spot whose source is sources[i]. */
struct question {
	struct csn_arena *arena;
	struct csn_tail_calls *functions;
	const struct csn_source *sources;
};

static int list_unit(void *context, struct csn_unit *unit, struct csn_spot *spots, size_t n_spots,
		     struct csn_error *err)
{
	const struct question *question = context;
	size_t i;
	int rc = 0;

	unit = csn_unit_entries(unit);
	if (!csn_entries_walk(question->arena, unit, spots, n_spots))
		return csn_fail_nomem(err);
	for (i = 0; i < n_spots && rc == 0; i++) {
		const struct csn_spot *spot = &spots[i];

		if (spot->has_function && spot->entry == spot->address)
			rc = list_calls(question->arena,
					&(struct csn_entry){ unit, spot->function },
					&question->functions[spot->source - question->sources],
					err);
	}
	return rc;
}

int csn_dwarf_tail_calls(struct csn_arena *arena, struct csn_dwarf *dwarf,
			 struct csn_tail_calls *functions, size_t n_functions,
			 struct csn_error *err)
{
	cleanup_free struct csn_spot *spots = calloc(n_functions + 1, sizeof(*spots));
	cleanup_free struct csn_source *sources = calloc(n_functions + 1, sizeof(*sources));
	struct question question = { arena, functions, sources };
	size_t i, n = 0;
	int rc = 0;

	if (!spots || !sources)
		return csn_fail_nomem(err);
	for (i = 0; i < n_functions && rc == 0; i++) {
		const struct csn_place *place;

		functions[i] = (struct csn_tail_calls){ .entry = functions[i].entry };
		place = csn_place_find(dwarf, functions[i].entry);
		if (place)
			rc = list_calls(arena, &place->entry, &functions[i], err);
		else
			spots[n++] = (struct csn_spot){ .source = &sources[i],
							.address = functions[i].entry };
	}
	return rc < 0 || !n ? rc : csn_spots_each_unit(dwarf, spots, n, list_unit, &question, err);
}
