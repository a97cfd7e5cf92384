#include "symbols/sources.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "symbols/demangle.h"
#include "symbols/golang.h"
#include "symbols/module_internal.h"

#define SHARED_TEXTS 1024u

/* Texts of the debug information die with the modules; a stack repeats few of them. */
struct shared {
	const char *from, *text;
	bool demangled;
};

struct sources {
	struct csn_arena *arena;
	struct shared shared[SHARED_TEXTS];
};

static struct shared *shared_at(struct sources *sources, const char *from)
{
	return &sources->shared[((uintptr_t)from * 0x9e3779b97f4a7c15ull >> 40) % SHARED_TEXTS];
}

/* from: a text of a csn_dwarf, or NULL. */
static bool keep(struct sources *sources, const char *from, const char **ret_text)
{
	struct shared *slot = shared_at(sources, from);

	*ret_text = NULL;
	if (!from)
		return true;
	if (slot->from != from || slot->demangled) {
		const char *text = csn_arena_strdup(sources->arena, from);

		if (!text)
			return false;
		*slot = (struct shared){ .from = from, .text = text };
	}
	*ret_text = slot->text;
	return true;
}

/* NULL when the name is not mangled. */
static const char *demangle(struct sources *sources, const char *linkage_name)
{
	struct shared *slot = shared_at(sources, linkage_name);

	if (slot->from != linkage_name || !slot->demangled)
		*slot = (struct shared){ .from = linkage_name,
					 .text = csn_demangle(sources->arena, linkage_name),
					 .demangled = true };
	return slot->text;
}

/* Declared names are mangled in Go only. */
static bool keep_name(struct sources *sources, const char *from, const char **ret_text)
{
	*ret_text = from && strpbrk(from, CSN_GO_ESCAPES) ? demangle(sources, from) : NULL;
	return *ret_text || keep(sources, from, ret_text);
}

static bool keep_frame(struct sources *sources, const struct csn_source_frame *from,
		       struct csn_located_frame *frame)
{
	if (from->linkage_name)
		frame->function = demangle(sources, from->linkage_name);
	frame->has_parameters = frame->function != NULL;
	frame->line = from->line;
	frame->column = from->column;
	if (!frame->function &&
	    !keep_name(sources, from->name ? from->name : from->linkage_name, &frame->function))
		return false;
	return keep(sources, from->path, &frame->path);
}

static bool keep_source(struct sources *sources, const struct csn_source *source,
			struct csn_located *located)
{
	struct csn_located_frame *frames =
		csn_arena_array(sources->arena, source->n_frames + 1, sizeof(*frames));
	size_t i;

	if (!frames)
		return false;
	for (i = 0; i < source->n_frames; i++)
		if (!keep_frame(sources, &source->frames[i], &frames[i]))
			return false;
	located->frames = frames;
	located->n_frames = source->n_frames;
	located->has_entry = source->has_entry;
	located->entry = source->entry;
	located->callee = source->callee;
	return keep(sources, source->callee.name, &located->callee.name);
}

/* One address to look up, and whose it is. */
struct order {
	struct csn_module *module;
	uint64_t address;
	size_t index; /* of the lookup */
};

static int compare_orders(const void *a, const void *b)
{
	const struct order *x = a, *y = b;

	if (x->module != y->module)
		return x->module->start < y->module->start ? -1 : 1;
	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

static size_t order_lookups(const struct csn_lookup *lookups, size_t n_lookups,
			    struct order *orders)
{
	size_t i, n = 0;

	for (i = 0; i < n_lookups; i++) {
		struct csn_module *module = lookups[i].module;

		if (!module || !module->bias_known)
			continue;
		orders[n++] =
			(struct order){ module, lookups[i].pc - lookups[i].is_return - module->bias,
					i };
	}
	if (n)
		qsort(orders, n, sizeof(*orders), compare_orders);
	return n;
}

static bool keep_go_frames(struct sources *sources, const struct csn_pclntab_frame *from, size_t n,
			   struct csn_located *located)
{
	struct csn_located_frame *frames = csn_arena_array(sources->arena, n, sizeof(*frames));

	if (!frames)
		return false;
	for (size_t i = 0; i < n; i++) {
		frames[i].line = from[i].line;
		if (!keep_name(sources, from[i].name, &frames[i].function) ||
		    !keep(sources, from[i].path, &frames[i].path))
			return false;
	}
	located->frames = frames;
	located->n_frames = n;
	return true;
}

/* What is open still, by the table that Go programs carry. */
static int locate_go(struct sources *sources, const struct order *orders, size_t n,
		     struct csn_located *located, struct csn_error *err)
{
	struct csn_pclntab *table = csn_module_pclntab(orders[0].module);
	struct csn_pclntab_frame frames[CSN_MAX_INLINE_DEPTH];
	struct csn_pclntab_function function;

	for (size_t i = 0; table && i < n; i++) {
		struct csn_located *one = &located[orders[i].index];
		size_t n_frames;

		if (one->n_frames || !csn_pclntab_find(table, orders[i].address, &function))
			continue;
		n_frames = csn_pclntab_frames(table, &function, orders[i].address, frames,
					      csn_countof(frames));
		if (!keep_go_frames(sources, frames, n_frames, one))
			return csn_fail_nomem(err);
		one->has_entry = true;
		one->entry = function.start;
	}
	return 0;
}

/* Frames and texts of an answer into the arena. */
static bool recall_located(struct sources *sources, const struct csn_located *from,
			   struct csn_located *located)
{
	struct csn_located_frame *frames =
		csn_arena_array(sources->arena, from->n_frames + 1, sizeof(*frames));

	if (!frames)
		return false;
	*located = *from;
	located->frames = frames;
	for (size_t i = 0; i < from->n_frames; i++) {
		frames[i] = from->frames[i];
		if (!keep(sources, from->frames[i].function, &frames[i].function) ||
		    !keep(sources, from->frames[i].path, &frames[i].path))
			return false;
	}
	return keep(sources, from->callee.name, &located->callee.name);
}

/* Answers what earlier runs know. The others move to the front; *n of them are left. */
static int recall(struct sources *sources, struct order *orders, size_t *n,
		  struct csn_located *located, struct csn_error *err)
{
	struct csn_answers *answers = csn_module_answers(orders[0].module);
	size_t i, left = 0;

	for (i = 0; answers && i < *n; i++) {
		struct csn_answer answer;

		if (!csn_answers_find(answers, sources->arena, orders[i].address,
				      CSN_ANSWER_SOURCES, &answer) ||
		    !answer.has_sources ||
		    (!answer.located.n_frames && csn_module_can_fetch(orders[i].module)))
			orders[left++] = orders[i];
		else if (!recall_located(sources, &answer.located, &located[orders[i].index]))
			return csn_fail_nomem(err);
	}
	if (answers)
		*n = left;
	return 0;
}

/* For later runs. */
static void keep_answers(const struct order *orders, size_t n, const struct csn_located *located)
{
	struct csn_answers *answers = csn_module_answers(orders[0].module);

	/* Files that are missing now may be there next time. */
	if (orders[0].module->refused)
		return;
	for (size_t i = 0; answers && i < n; i++) {
		const struct csn_answer answer = { .has_sources = true,
						   .located = located[orders[i].index] };

		if (!i || orders[i].address != orders[i - 1].address)
			csn_answers_put(answers, orders[i].address, &answer);
	}
}

/* By debug information, what is open still: orders[0..n) are of one module; batch has room for n.
 */
static int locate_dwarf(struct sources *sources, const struct order *orders, size_t n,
			struct csn_source *batch, struct csn_located *located,
			struct csn_error *err)
{
	struct csn_dwarf *dwarf;
	size_t i, n_batch = 0;
	int rc;

	for (i = 0; i < n; i++)
		if (!located[orders[i].index].n_frames &&
		    (!n_batch || batch[n_batch - 1].address != orders[i].address))
			batch[n_batch++] = (struct csn_source){ .address = orders[i].address };
	if (!n_batch)
		return 0;
	csn_module_tell(orders[0].module, "source positions of");
	dwarf = csn_module_dwarf(orders[0].module);
	if (!dwarf)
		return 0;
	rc = csn_dwarf_locate(sources->arena, dwarf, batch, n_batch, err);
	for (i = 0, n_batch = 0; i < n && rc == 0; i++) {
		struct csn_located *one = &located[orders[i].index];

		if (one->n_frames)
			continue;
		if (i && orders[i].address == orders[i - 1].address) {
			*one = located[orders[i - 1].index];
			continue;
		}
		if (!keep_source(sources, &batch[n_batch++], one))
			rc = csn_fail_nomem(err);
	}
	return rc;
}

static int locate_module(struct sources *sources, struct order *orders, size_t n,
			 struct csn_source *batch, struct csn_located *located,
			 struct csn_error *err)
{
	int rc = recall(sources, orders, &n, located, err);
	const struct csn_pclntab *table;

	if (rc < 0 || !n)
		return rc;
	/* Go's own table says the same in a fraction of the time, when it knows inlined functions.
	 */
	table = csn_module_pclntab(orders[0].module);
	if (table && csn_span_ok(&table->trees))
		rc = locate_go(sources, orders, n, located, err);
	if (rc == 0)
		rc = locate_dwarf(sources, orders, n, batch, located, err);
	if (rc == 0)
		rc = locate_go(sources, orders, n, located, err);
	if (rc == 0)
		keep_answers(orders, n, located);
	return rc;
}

int csn_lookup_sources(struct csn_arena *arena, const struct csn_lookup *lookups, size_t n_lookups,
		       struct csn_located *located, struct csn_error *err)
{
	cleanup_free struct sources *sources = calloc(1, sizeof(*sources));
	cleanup_free struct order *orders = calloc(n_lookups + 1, sizeof(*orders));
	cleanup_free struct csn_source *batch = calloc(n_lookups + 1, sizeof(*batch));
	size_t n, start, end;
	int rc = 0;

	if (!sources || !orders || !batch)
		return csn_fail_nomem(err);
	sources->arena = arena;
	memset(located, 0, n_lookups * sizeof(*located));
	n = order_lookups(lookups, n_lookups, orders);
	for (start = 0; start < n && rc == 0; start = end) {
		for (end = start + 1; end < n && orders[end].module == orders[start].module; end++)
			;
		rc = locate_module(sources, orders + start, end - start, batch, located, err);
	}
	return rc;
}
