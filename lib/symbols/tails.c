/* The graph of functions and the jumps between them, as far as it was asked for.
 *
 * Most calls go where they say, which is seen without asking anything: that must stay cheap, as it
 * is done for every pair of neighbours. For the others conventions are those of gdb: a jump is not
 * taken twice on one way, and a way ends where it reaches the callee. But ways multiply, so they
 * are not tried one by one: all of them begin with a jump when no other leads on from there, past
 * those that were taken, and so from the end. What may be looked at altogether is bounded all the
 * same. */
#include "symbols/tails.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "symbols/answers.h"
#include "symbols/module_internal.h"

#define BUCKETS 1024u
#define BATCH 64u /* functions asked of a module at once */
/* Shares of CSN_MAX_TAIL_WORK, of which a jump that is looked at takes one. */
#define COST_OF_SEARCH 1000u /* through symbols, for a name */
#define COST_OF_BATCH 2000u  /* through debug information */

struct jump {
	struct csn_tail_frame frame;
	struct function *to; /* NULL: nobody knows */
};

/* Where calls go. */
struct function {
	struct function *next; /* same bucket */
	csn_addr entry;
	struct csn_module *module; /* NULL none */
	bool asked, known;         /* known: debug information tells its jumps */
	struct jump *jumps;
	size_t n_jumps;
	uint64_t seen;       /* number of the search that saw it last */
	bool passed, marked; /* in that search */
};

/* A name that some call gave. */
struct name {
	struct name *next; /* same bucket */
	const char *text;
	const struct csn_module *from;
	csn_addr entry; /* 0: nowhere */
};

/* What was found between a call and a function. */
struct pair {
	struct pair *next; /* same bucket */
	csn_addr pc, entry;
	const struct csn_tail_frame *frames;
	size_t n_frames;
};

struct csn_tails {
	struct csn_arena *arena; /* owned */
	struct csn_modules *modules;
	struct function *functions[BUCKETS];
	struct name *names[BUCKETS];
	struct pair *pairs[BUCKETS];
	uint64_t n_searches, work;
};

int csn_tails_new(struct csn_modules *modules, struct csn_tails **ret_tails, struct csn_error *err)
{
	struct csn_tails *tails = calloc(1, sizeof(*tails));

	if (!tails)
		return csn_fail_nomem(err);
	tails->modules = modules;
	tails->arena = csn_arena_new(CSN_MAX_TAIL_MEMORY);
	if (!tails->arena) {
		free(tails);
		return csn_fail_nomem(err);
	}
	*ret_tails = tails;
	return 0;
}

void csn_tails_free(struct csn_tails *tails)
{
	if (!tails)
		return;
	csn_arena_free(tails->arena);
	free(tails);
}

void csn_tails_freep(struct csn_tails **tails)
{
	csn_tails_free(*tails);
}

static size_t bucket_of(uint64_t key)
{
	return (key * 0x9e3779b97f4a7c15ull >> 32) % BUCKETS;
}

/* False when everything was spent. */
static bool spend(struct csn_tails *tails, uint64_t work)
{
	tails->work += work;
	return tails->work <= CSN_MAX_TAIL_WORK;
}

/* --- functions --- */

/* The function that begins at entry; NULL when memory is out. */
static struct function *function_at(struct csn_tails *tails, csn_addr entry)
{
	struct function **bucket = &tails->functions[bucket_of(entry)], *function;

	for (function = *bucket; function; function = function->next)
		if (function->entry == entry)
			return function;
	function = csn_arena_alloc(tails->arena, sizeof(*function));
	if (!function)
		return NULL;
	*function = (struct function){ .next = *bucket,
				       .entry = entry,
				       .module = csn_modules_find(tails->modules, entry) };
	*bucket = function;
	return function;
}

/* As the dynamic linker would: what the program exports comes before what the calling object has,
 * that before what others export. 0 nowhere. */
static csn_addr search_name(struct csn_tails *tails, struct csn_module *from, const char *text)
{
	struct csn_module *program = csn_modules_main(tails->modules);
	csn_addr addr;
	uint64_t size;
	size_t i;

	if (program && csn_lookup_exported(program, text, &addr))
		return addr;
	if (csn_lookup_address(tails->modules, from, text, &addr, &size))
		return addr;
	for (i = 0; i < csn_modules_count(tails->modules); i++)
		if (csn_lookup_exported(csn_modules_get(tails->modules, i), text, &addr))
			return addr;
	return 0;
}

/* *ret_entry: 0 nowhere. */
static int resolve_name(struct csn_tails *tails, struct csn_module *from, const char *text,
			csn_addr *ret_entry, struct csn_error *err)
{
	uint64_t hash = (uintptr_t)from;
	struct name **bucket, *name;
	const char *at;

	for (at = text; *at; at++)
		hash = (hash ^ (uint8_t)*at) * 0x100000001b3ull;
	bucket = &tails->names[bucket_of(hash)];
	for (name = *bucket; name; name = name->next) {
		if (name->from == from && strcmp(name->text, text) == 0) {
			*ret_entry = name->entry;
			return 0;
		}
	}
	name = csn_arena_alloc(tails->arena, sizeof(*name));
	if (!name)
		return csn_fail_nomem(err);
	*name = (struct name){ *bucket, csn_arena_strdup(tails->arena, text), from, 0 };
	if (!name->text)
		return csn_fail_nomem(err);
	if (spend(tails, COST_OF_SEARCH))
		name->entry = search_name(tails, from, text);
	*bucket = name;
	*ret_entry = name->entry;
	return 0;
}

/* Whom code of a module calls; NULL when nobody knows. */
static int resolve(struct csn_tails *tails, struct csn_module *from,
		   const struct csn_callee *callee, struct function **ret_function,
		   struct csn_error *err)
{
	csn_addr entry = 0;
	int rc = 0;

	*ret_function = NULL;
	if (callee->kind == CSN_CALLEE_ADDRESS)
		entry = callee->address + from->bias;
	else if (callee->kind == CSN_CALLEE_NAME)
		rc = resolve_name(tails, from, callee->name, &entry, err);
	if (rc < 0 || !entry)
		return rc;
	*ret_function = function_at(tails, entry);
	return *ret_function ? 0 : csn_fail_nomem(err);
}

/* --- jumps --- */

static int keep_jumps(struct csn_tails *tails, struct function *function,
		      const struct csn_tail_calls *calls, struct csn_error *err)
{
	size_t i;
	int rc = 0;

	if (!calls->known || !spend(tails, calls->n_calls))
		return 0;
	function->jumps =
		csn_arena_array(tails->arena, calls->n_calls + 1, sizeof(*function->jumps));
	if (!function->jumps)
		return csn_fail_nomem(err);
	for (i = 0; i < calls->n_calls && rc == 0; i++) {
		const struct csn_tail_call *call = &calls->calls[i];
		struct jump *jump = &function->jumps[i];

		jump->frame.pc = call->address + function->module->bias;
		jump->frame.is_return = !call->at_jump;
		rc = resolve(tails, function->module, &call->callee, &jump->to, err);
	}
	function->n_jumps = calls->n_calls;
	function->known = rc == 0;
	return rc;
}

static int compare_functions(const void *a, const void *b)
{
	const struct function *x = *(struct function *const *)a;
	const struct function *y = *(struct function *const *)b;

	return x->entry < y->entry ? -1 : x->entry > y->entry;
}

/* What earlier runs know. The others move to the front; *n of them are left. */
static int recall(struct csn_tails *tails, struct function **functions, size_t *n,
		  struct csn_error *err)
{
	const struct csn_module *module = functions[0]->module;
	struct csn_answers *answers = csn_module_answers(functions[0]->module);
	size_t i, left = 0;
	int rc = 0;

	for (i = 0; answers && i < *n && rc == 0; i++) {
		struct csn_tail_calls calls = { .entry = functions[i]->entry - module->bias };
		struct csn_answer answer;

		if (!csn_answers_find(answers, tails->arena, calls.entry, CSN_ANSWER_TAILS,
				      &answer) ||
		    !answer.has_tails) {
			functions[left++] = functions[i];
			continue;
		}
		calls.known = answer.is_function;
		calls.calls = answer.tails;
		calls.n_calls = answer.n_tails;
		rc = keep_jumps(tails, functions[i], &calls, err);
	}
	if (answers)
		*n = left;
	return rc;
}

/* For later runs. */
static void keep_answer(struct csn_module *module, const struct csn_tail_calls *calls)
{
	struct csn_answers *answers = csn_module_answers(module);
	const struct csn_answer answer = {
		.has_tails = true,
		.is_function = calls->known,
		.tails = calls->calls,
		.n_tails = calls->n_calls,
	};

	if (answers)
		csn_answers_put(answers, calls->entry, &answer);
}

/* Asks for the jumps of functions of one module, in the order of their entries, which it mixes. */
static int ask_module(struct csn_tails *tails, struct function **functions, size_t n,
		      struct csn_error *err)
{
	struct csn_module *module = functions[0]->module;
	struct csn_tail_calls calls[BATCH];
	struct csn_dwarf *dwarf;
	size_t i;
	int rc;

	if (!module->bias_known)
		return 0;
	rc = recall(tails, functions, &n, err);
	if (rc < 0 || !n || !spend(tails, COST_OF_BATCH))
		return rc;
	dwarf = csn_module_dwarf(module);
	if (!dwarf)
		return 0;
	for (i = 0; i < n; i++)
		calls[i] = (struct csn_tail_calls){ .entry = functions[i]->entry - module->bias };
	rc = csn_dwarf_tail_calls(tails->arena, dwarf, calls, n, err);
	for (i = 0; i < n && rc == 0; i++) {
		keep_answer(module, &calls[i]);
		rc = keep_jumps(tails, functions[i], &calls[i], err);
	}
	return rc;
}

/* Asks for those of functions[0..n) that were not asked, some of them at least; the first is one.
 */
static int ask(struct csn_tails *tails, struct function *const *functions, size_t n,
	       struct csn_error *err)
{
	struct function *batch[BATCH];
	size_t i, end, n_batch = 0;
	int rc = 0;

	for (i = 0; i < n && n_batch < BATCH; i++) {
		if (functions[i]->asked)
			continue;
		functions[i]->asked = true;
		if (functions[i]->module)
			batch[n_batch++] = functions[i];
	}
	if (n_batch)
		qsort(batch, n_batch, sizeof(struct function *), compare_functions);
	for (i = 0; i < n_batch && rc == 0; i = end) {
		for (end = i + 1; end < n_batch && batch[end]->module == batch[i]->module; end++)
			;
		rc = ask_module(tails, batch + i, end - i, err);
	}
	return rc;
}

/* --- ways --- */

struct search {
	struct csn_tails *tails;
	struct function *from, *goal;
	struct function *reached[CSN_MAX_TAIL_FUNCTIONS]; /* without the goal */
	size_t n_reached;
	bool reaches_goal, uncertain;
	/* What all ways begin with and end with, outermost and innermost jump first. */
	struct jump *head[CSN_MAX_TAIL_FRAMES], *tail[CSN_MAX_TAIL_FRAMES];
	size_t n_head, n_tail;
};

static void reach(struct search *search, struct function *function)
{
	if (function == search->goal) {
		search->reaches_goal = true;
		return;
	}
	if (function->seen == search->tails->n_searches)
		return;
	function->seen = search->tails->n_searches;
	function->passed = false;
	if (search->n_reached == csn_countof(search->reached))
		search->uncertain = true;
	else
		search->reached[search->n_reached++] = function;
}

/* Everything that jumps lead to from the callee on, up to the goal. Unknown jumps, and functions of
 * which nothing is known, make the search uncertain. */
static int reach_all(struct search *search, struct csn_error *err)
{
	size_t i, k;

	reach(search, search->from);
	for (i = 0; i < search->n_reached && !search->uncertain; i++) {
		struct function *function = search->reached[i];

		if (!function->asked &&
		    ask(search->tails, search->reached + i, search->n_reached - i, err) < 0)
			return -CSN_E_NOMEM;
		search->uncertain = !function->known;
		for (k = 0; k < function->n_jumps && !search->uncertain; k++) {
			if (function->jumps[k].to)
				reach(search, function->jumps[k].to);
			else
				search->uncertain = true;
		}
	}
	return 0;
}

static bool leads(const struct search *search, const struct jump *jump)
{
	return jump->to == search->goal || (jump->to->marked && !jump->to->passed);
}

/* Marks the functions from which jumps lead to the goal, past none that was passed. */
static void mark_leading(struct search *search)
{
	bool changed = true;
	size_t i, k;

	for (i = 0; i < search->n_reached; i++)
		search->reached[i]->marked = false;
	while (changed && !search->uncertain) {
		changed = false;
		for (i = search->n_reached; i-- > 0;) {
			struct function *function = search->reached[i];

			for (k = 0; k < function->n_jumps && !function->marked; k++)
				function->marked = leads(search, &function->jumps[k]);
			changed |= k && function->marked;
			search->uncertain |= !spend(search->tails, 1 + k);
		}
	}
}

/* The same for those that jumps lead to from the callee on. */
static void mark_reachable(struct search *search)
{
	struct function *queue[CSN_MAX_TAIL_FUNCTIONS];
	size_t i, k, n = 0;

	for (i = 0; i < search->n_reached; i++)
		search->reached[i]->marked = false;
	search->from->marked = true;
	queue[n++] = search->from;
	for (i = 0; i < n; i++) {
		for (k = 0; k < queue[i]->n_jumps; k++) {
			struct function *to = queue[i]->jumps[k].to;

			if (to == search->goal || to->marked || to->passed)
				continue;
			to->marked = true;
			queue[n++] = to;
		}
		search->uncertain |= !spend(search->tails, 1 + k);
	}
}

/* The only jump that leads on from a function; NULL when there are several. */
static struct jump *only_way_on(struct search *search, struct function *function)
{
	struct jump *only = NULL;
	size_t k;

	mark_leading(search);
	for (k = 0; k < function->n_jumps; k++) {
		if (!leads(search, &function->jumps[k]))
			continue;
		if (only)
			return NULL;
		only = &function->jumps[k];
	}
	return only;
}

/* The only jump that leads to a function, and who has it; NULL when there are several. */
static struct jump *only_way_in(struct search *search, const struct function *function,
				struct function **ret_owner)
{
	struct jump *only = NULL;
	size_t i, k;

	mark_reachable(search);
	for (i = 0; i < search->n_reached; i++) {
		struct function *owner = search->reached[i];

		for (k = 0; k < owner->n_jumps && owner->marked && !owner->passed; k++) {
			if (owner->jumps[k].to != function)
				continue;
			if (only)
				return NULL;
			only = &owner->jumps[k];
			*ret_owner = owner;
		}
	}
	return only;
}

/* Follows jumps from the callee as long as there is no other. True: up to the goal. */
static bool follow_head(struct search *search)
{
	struct function *at = search->from;

	while (at != search->goal) {
		struct jump *jump = only_way_on(search, at);

		search->uncertain |= search->n_head == csn_countof(search->head);
		if (!jump || search->uncertain)
			return false;
		search->head[search->n_head++] = jump;
		at->passed = true;
		at = jump->to;
	}
	return true;
}

/* The same backwards from the goal. */
static void follow_tail(struct search *search)
{
	struct function *at = search->goal, *owner = NULL;
	size_t i;

	for (i = 0; i < search->n_reached; i++)
		search->reached[i]->passed = false;
	while (at != search->from) {
		struct jump *jump = only_way_in(search, at, &owner);

		search->uncertain |= search->n_tail == csn_countof(search->tail);
		if (!jump || search->uncertain)
			return;
		search->tail[search->n_tail++] = jump;
		owner->passed = true;
		at = owner;
	}
}

/* Frames of what is certain, the innermost first. */
static int keep_frames(const struct search *search, struct pair *pair, struct csn_error *err)
{
	struct csn_tail_frame *frames =
		csn_arena_array(search->tails->arena, search->n_head + search->n_tail + 1,
				sizeof(*frames));
	size_t i, n = 0;

	if (!frames)
		return csn_fail_nomem(err);
	for (i = 0; i < search->n_tail; i++)
		frames[n++] = search->tail[i]->frame;
	for (i = search->n_head; i-- > 0;)
		frames[n++] = search->head[i]->frame;
	pair->frames = frames;
	pair->n_frames = n;
	return 0;
}

static int search_ways(struct csn_tails *tails, struct function *from, struct function *goal,
		       struct pair *pair, struct csn_error *err)
{
	cleanup_free struct search *search = calloc(1, sizeof(*search));

	if (!search)
		return csn_fail_nomem(err);
	search->tails = tails;
	search->from = from;
	search->goal = goal;
	tails->n_searches++;
	if (reach_all(search, err) < 0)
		return -CSN_E_NOMEM;
	if (search->uncertain || !search->reaches_goal)
		return 0;
	if (!follow_head(search) && !search->uncertain)
		follow_tail(search);
	return search->uncertain ? 0 : keep_frames(search, pair, err);
}

/* --- neighbours --- */

/* Where the function begins that a frame is in; 0 unknown. */
static csn_addr entry_of(const struct csn_tail_side *side)
{
	const struct csn_symbol *symbol = side->lookup->symbol;

	if (!side->lookup->module || !side->lookup->module->bias_known)
		return 0;
	if (side->located->has_entry)
		return side->located->entry + side->lookup->module->bias;
	return symbol ? symbol->start : 0;
}

/* A symbol's name up to its version is the name; constructors and destructors have several names
 * ("C1", "C2", "C4") for one body. */
static bool is_same_name(const char *raw, const char *name)
{
	size_t i, differences = 0, length = strlen(name);

	if (strcspn(raw, "@") != length)
		return false;
	for (i = 0; i < length; i++) {
		if (raw[i] == name[i])
			continue;
		if (!i || (raw[i - 1] != 'C' && raw[i - 1] != 'D') || raw[i] < '0' ||
		    raw[i] > '9' || name[i] < '0' || name[i] > '9' || differences++)
			return false;
	}
	return true;
}

/* What is seen at a glance: the caller calls this function, or nothing is known of whom it calls.
 */
static bool is_plain(const struct csn_tail_side *caller, const struct csn_tail_side *callee,
		     csn_addr entry)
{
	const struct csn_callee *called = &caller->located->callee;
	const struct csn_symbol *symbol = callee->lookup->symbol;

	switch (called->kind) {
	case CSN_CALLEE_ADDRESS:
		return called->address + caller->lookup->module->bias == entry;
	case CSN_CALLEE_NAME:
		return symbol && symbol->start == entry && is_same_name(symbol->raw, called->name);
	default:
		return true;
	}
}

static int fill_pair(struct csn_tails *tails, const struct csn_tail_side *caller,
		     const struct csn_tail_side *callee, struct pair *pair, struct csn_error *err)
{
	const struct csn_callee *called = &caller->located->callee;
	struct function *from, *goal;
	int rc;

	if (called->kind == CSN_CALLEE_NAME &&
	    (!spend(tails, COST_OF_SEARCH) ||
	     csn_lookup_has_name(callee->lookup->module, pair->entry, called->name)))
		return 0;
	rc = resolve(tails, caller->lookup->module, called, &from, err);
	if (rc < 0 || !from || from->entry == pair->entry)
		return rc;
	goal = function_at(tails, pair->entry);
	return goal ? search_ways(tails, from, goal, pair, err) : csn_fail_nomem(err);
}

int csn_tails_find(struct csn_tails *tails, const struct csn_tail_side *caller,
		   const struct csn_tail_side *callee, const struct csn_tail_frame **ret_frames,
		   size_t *ret_count, struct csn_error *err)
{
	csn_addr pc = caller->lookup->pc, entry = entry_of(callee);
	struct pair **bucket, *pair;
	int rc;

	*ret_frames = NULL;
	*ret_count = 0;
	if (!entry || !caller->lookup->module || is_plain(caller, callee, entry))
		return 0;
	bucket = &tails->pairs[bucket_of(pc ^ entry << 1)];
	for (pair = *bucket; pair; pair = pair->next)
		if (pair->pc == pc && pair->entry == entry)
			break;
	if (!pair) {
		pair = csn_arena_alloc(tails->arena, sizeof(*pair));
		if (!pair)
			return csn_fail_nomem(err);
		*pair = (struct pair){ .next = *bucket, .pc = pc, .entry = entry };
		rc = fill_pair(tails, caller, callee, pair, err);
		if (rc < 0)
			return rc;
		*bucket = pair;
	}
	*ret_frames = pair->frames;
	*ret_count = pair->n_frames;
	return 0;
}
