#include "dwarf/named.h"

#include <stdio.h>
#include <string.h>

#include "dwarf/outer_internal.h"

#define CSN_NAMED_BUCKETS 4096u

/* A definition that has a name. */
struct item {
	struct item *next;
	const char *scopes, *name;
	struct csn_type_link entry;
	bool is_variable;
};

/* What was asked before, and (without an index) all definitions. */
struct csn_named_table {
	bool scanned, has_index;
	struct item *items[CSN_NAMED_BUCKETS];
	struct item *asked[CSN_DWARF_BUCKETS]; /* entry.unit NULL: not found */
};

/* The object that knows all units: that of the skeletons. */
static struct csn_dwarf *whole_of(const struct csn_unit *unit)
{
	return unit->skeleton ? unit->skeleton->dwarf : unit->dwarf;
}

/* --- names --- */

/* Behind the last scope. */
static const char *leaf_of(const char *name)
{
	const char *leaf = name;
	size_t depth = 0;

	for (const char *at = name; *at; at++) {
		depth += *at == '<' || *at == '(';
		depth -= (*at == '>' || *at == ')') && depth;
		if (!depth && at[0] == ':' && at[1] == ':')
			leaf = at + 2;
	}
	return leaf;
}

/* Template arguments aside, of which spellings differ. */
static uint64_t hash_leaf(const char *leaf)
{
	uint64_t hash = 0xcbf29ce484222325ull;

	for (; *leaf && *leaf != '<'; leaf++)
		hash = (hash ^ (uint8_t)*leaf) * 0x100000001b3ull;
	return hash ^ hash >> 32;
}

/* Without blanks and without the letters behind numbers ("3u"). False: too long. */
static bool append_plain(char *plain, size_t size_bytes, size_t *n, const char *name)
{
	bool digits = false, word = false;

	for (; *name; name++) {
		bool letter = strchr("uUlL", *name) != NULL;

		if (*name == ' ' || (digits && letter))
			continue;
		if (*n + 1 >= size_bytes)
			return false;
		digits = *name >= '0' && *name <= '9' && !word;
		word = !digits &&
		       ((*name >= '0' && *name <= '9') || *name == '_' ||
			(*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z'));
		plain[(*n)++] = *name;
	}
	plain[*n] = '\0';
	return true;
}

static bool is_called(const char *scopes, const char *leaf, const char *wanted)
{
	char ours[1024], theirs[1024];
	size_t n = 0, m = 0;

	return append_plain(ours, sizeof(ours), &n, scopes) &&
	       append_plain(ours, sizeof(ours), &n, leaf) &&
	       append_plain(theirs, sizeof(theirs), &m, wanted) && strcmp(ours, theirs) == 0;
}

/* A variable that is defined here and declared elsewhere has its name there. */
static bool take_name(const struct csn_outer *entry, const char **ret_scopes, const char **ret_name)
{
	*ret_scopes = entry->scopes;
	*ret_name = entry->name;
	if (entry->name || !entry->has_origin)
		return entry->name != NULL;
	*ret_scopes = "";
	*ret_name = csn_entry_full_name(entry->unit, entry->offset);
	return *ret_name != NULL;
}

static bool is_definition(const struct csn_outer *entry, bool is_variable)
{
	if (is_variable)
		return entry->has_place;
	return !entry->is_declaration || entry->has_signature;
}

/* --- all definitions of an object with few --- */

struct scan {
	struct csn_dwarf *dwarf;
	bool is_variable;
};

static bool keep_item(void *context, const struct csn_outer *entry)
{
	struct scan *scan = context;
	struct csn_named_table *table = scan->dwarf->named;
	struct item *item, **bucket;
	const char *scopes, *name;

	if (!is_definition(entry, scan->is_variable) || !take_name(entry, &scopes, &name))
		return true;
	item = csn_arena_alloc(scan->dwarf->arena, sizeof(*item));
	if (!item)
		return false;
	bucket = &table->items[hash_leaf(leaf_of(name)) % CSN_NAMED_BUCKETS];
	*item = (struct item){
		*bucket, scopes, name, { entry->unit, entry->offset }, scan->is_variable
	};
	*bucket = item;
	return true;
}

static void scan_unit(struct scan *scan, struct csn_unit *unit)
{
	unit = unit && csn_unit_open(unit) ? csn_unit_entries(unit) : NULL;
	for (int kind = 0; unit && kind < 2; kind++) {
		scan->is_variable = kind;
		csn_outer_each(unit, scan->is_variable, keep_item, scan);
	}
}

static void scan_all(struct csn_dwarf *dwarf)
{
	const struct csn_unit_list *list = &dwarf->info_units;
	struct scan scan = { .dwarf = dwarf };
	struct csn_unit header;

	dwarf->named->scanned = true;
	if (!csn_units_list(dwarf, CSN_DEBUG_INFO, CSN_MAX_NAMED_BYTES))
		return;
	/* Some of them would be worse than none: what is found must not depend on the order. */
	if (!list->complete || list->end > CSN_MAX_NAMED_BYTES)
		return;
	for (size_t i = 0; i < list->n; i++)
		scan_unit(&scan, csn_unit_at(dwarf, list->offsets[i]));
	list = &dwarf->type_units;
	if (!csn_units_list(dwarf, CSN_DEBUG_TYPES, CSN_MAX_NAMED_BYTES))
		return;
	for (size_t i = 0; i < list->n; i++)
		if (csn_unit_read(dwarf, CSN_DEBUG_TYPES, list->offsets[i], &header))
			scan_unit(&scan, csn_unit_keep(&header));
}

static const struct item *find_scanned(struct csn_dwarf *dwarf, const char *name, bool is_variable)
{
	const struct item *item;

	if (!dwarf->named->scanned)
		scan_all(dwarf);
	item = dwarf->named->items[hash_leaf(leaf_of(name)) % CSN_NAMED_BUCKETS];
	for (; item; item = item->next)
		if (item->is_variable == is_variable && is_called(item->scopes, item->name, name))
			return item;
	return NULL;
}

/* --- one definition --- */

struct search {
	struct csn_dwarf *dwarf;
	const char *name;
	bool is_variable;
	unsigned n_units;
	struct csn_type_link found;
};

static bool match_entry(void *context, const struct csn_outer *entry)
{
	struct search *search = context;
	const char *scopes, *name;

	if (!is_definition(entry, search->is_variable) || !take_name(entry, &scopes, &name) ||
	    !is_called(scopes, name, search->name))
		return true;
	search->found = (struct csn_type_link){ entry->unit, entry->offset };
	return false;
}

static bool look_into(struct search *search, struct csn_unit *unit)
{
	unit = unit && csn_unit_open(unit) ? csn_unit_entries(unit) : NULL;
	return !unit || csn_outer_each(unit, search->is_variable, match_entry, search);
}

static bool look_at_indexed(void *context, uint64_t unit, uint64_t entry)
{
	struct search *search = context;

	(void)entry;
	return search->n_units++ < CSN_MAX_NAMED_UNITS &&
	       look_into(search, csn_unit_at(search->dwarf, unit));
}

static bool search_all(struct search *search, struct csn_unit *near)
{
	const struct item *item;

	if (near && !look_into(search, near))
		return true;
	if (csn_names_index_find(search->dwarf, search->is_variable, search->name,
				 leaf_of(search->name), look_at_indexed, search))
		return search->found.unit != NULL;
	item = find_scanned(search->dwarf, search->name, search->is_variable);
	if (item)
		search->found = item->entry;
	return item != NULL;
}

/* The answer is kept, whatever it is. */
static struct csn_type_link find_named(struct csn_dwarf *dwarf, struct csn_unit *near,
				       const char *name, bool is_variable)
{
	struct search search = { .dwarf = dwarf, .name = name, .is_variable = is_variable };
	struct item *item, **bucket;

	if (!dwarf->named)
		dwarf->named = csn_arena_alloc(dwarf->arena, sizeof(*dwarf->named));
	if (!dwarf->named)
		return search.found;
	bucket = &dwarf->named->asked[hash_leaf(leaf_of(name)) % CSN_DWARF_BUCKETS];
	for (item = *bucket; item; item = item->next)
		if (item->is_variable == is_variable && strcmp(item->name, name) == 0)
			return item->entry;
	(void)search_all(&search, near);
	item = csn_arena_alloc(dwarf->arena, sizeof(*item));
	if (!item)
		return search.found;
	*item = (struct item){ *bucket, "", csn_arena_strdup(dwarf->arena, name), search.found,
			       is_variable };
	if (item->name)
		*bucket = item;
	return search.found;
}

struct csn_type *csn_type_find_named(struct csn_dwarf *dwarf, struct csn_unit *near,
				     const char *name)
{
	struct csn_type_link found = find_named(dwarf, near, name, false);

	return csn_type_get(&found);
}

struct csn_type *csn_type_find_beside(const struct csn_type *type, const char *name)
{
	return csn_type_find_named(whole_of(type->entry.unit), type->entry.unit, name);
}

struct csn_type *csn_type_complete(struct csn_type *type)
{
	const char *name = type->is_declaration ? csn_type_plain_name(type) : NULL;
	struct csn_type *found;

	if (!name)
		return type;
	found = csn_type_find_beside(type, name);
	return found && found->kind == type->kind && !found->is_declaration ? found : type;
}

bool csn_member_find_named(struct csn_type *of, const char *name, struct csn_type_link *ret_entry)
{
	const char *scope = csn_type_plain_name(of);
	char full[1024];
	int length;

	if (!scope)
		return false;
	length = snprintf(full, sizeof(full), "%s::%s", scope, name);
	if (length < 0 || (size_t)length >= sizeof(full))
		return false;
	*ret_entry = find_named(whole_of(of->entry.unit), NULL, full, true);
	return ret_entry->unit != NULL;
}

/* --- variables outside functions --- */

struct globals {
	struct csn_dwarf *dwarf;
	const struct csn_globals_query *query;
	const char *file;
	uint8_t *asked; /* of each unit of the list: the index wants a look into it; NULL: into all
			 */
	bool enough;
};

static bool tell_global(void *context, const struct csn_outer *entry)
{
	struct globals *globals = context;
	const struct csn_globals_query *query = globals->query;
	struct csn_global global = { .file = globals->file,
				     .entry = { entry->unit, entry->offset } };
	const char *scopes, *name;

	if (!entry->has_place || !take_name(entry, &scopes, &name))
		return true;
	global.name =
		*scopes ? csn_arena_sprintf(globals->dwarf->arena, "%s%s", scopes, name) : name;
	if (!global.name || (query->wanted && !query->wanted(query->context, global.name)))
		return true;
	globals->enough = !query->each(query->context, &global);
	return !globals->enough;
}

static size_t index_of(const struct csn_unit_list *list, uint64_t offset)
{
	size_t low = 0, high = list->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (list->offsets[middle] < offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool ask_for_unit(void *context, uint64_t unit, uint64_t entry)
{
	struct globals *globals = context;
	const struct csn_unit_list *list = &globals->dwarf->info_units;
	size_t at = index_of(list, unit);

	(void)entry;
	if (at < list->n && list->offsets[at] == unit)
		globals->asked[at] = 1;
	return true;
}

void csn_dwarf_each_global(struct csn_dwarf *dwarf, const struct csn_globals_query *query)
{
	struct globals globals = { .dwarf = dwarf, .query = query };
	const struct csn_unit_list *list = &dwarf->info_units;

	if (!csn_units_list(dwarf, CSN_DEBUG_INFO, UINT64_MAX))
		return;
	globals.asked = csn_arena_array(dwarf->arena, list->n + 1, 1);
	if (!globals.asked ||
	    (query->wanted && !csn_names_index_variables(dwarf, query->wanted, query->context,
							 ask_for_unit, &globals)) ||
	    !query->wanted)
		globals.asked = NULL;
	for (size_t i = 0; i < list->n && !globals.enough; i++) {
		struct csn_unit *unit;

		if (globals.asked && !globals.asked[i])
			continue;
		unit = csn_unit_at(dwarf, list->offsets[i]);
		unit = unit && csn_unit_open(unit) ? csn_unit_entries(unit) : NULL;
		if (!unit)
			continue;
		globals.file = unit->name;
		csn_outer_each(unit, true, tell_global, &globals);
	}
}
