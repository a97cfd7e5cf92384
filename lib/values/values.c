#include "values/values.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "symbols/lookup.h"
#include "values/values_internal.h"

int csn_values_new(struct csn_arena *arena, struct csn_target *target, struct csn_modules *modules,
		   const struct csn_value_budget *budget, struct csn_values **ret_values,
		   struct csn_error *err)
{
	struct csn_values *values = calloc(1, sizeof(*values));

	if (!values)
		return csn_fail_nomem(err);
	values->arena = arena;
	values->target = target;
	values->modules = modules;
	values->budget = *budget;
	values->text = (struct csn_buf)CSN_BUF_INIT(CSN_MAX_VALUE_TEXT);
	values->path = (struct csn_buf)CSN_BUF_INIT(CSN_MAX_VALUE_TEXT);
	*ret_values = values;
	return 0;
}

void csn_values_let_read(struct csn_values *values,
			 bool (*may_read)(void *context, const struct csn_module *module),
			 void *context)
{
	values->may_read = may_read;
	values->may_read_context = context;
}

void csn_values_free(struct csn_values *values)
{
	if (!values)
		return;
	csn_buf_done(&values->text);
	csn_buf_done(&values->path);
	free(values);
}

void csn_values_freep(struct csn_values **values)
{
	csn_values_free(*values);
}

bool csn_values_cut(const struct csn_values *values)
{
	return values->cut;
}

bool csn_values_used_up(struct csn_values *values)
{
	const struct csn_value_budget *budget = &values->budget;
	bool used_up = (budget->values && values->n_values >= budget->values) ||
		       (budget->text_bytes && values->text_bytes >= budget->text_bytes) ||
		       (budget->deadline_ns && csn_monotonic_ns() > budget->deadline_ns);

	values->cut |= used_up;
	return used_up;
}

const char *csn_value_state_name(enum csn_value_state state)
{
	static const char *const names[] = {
		[CSN_VALUE_OK] = "",
		[CSN_VALUE_OPTIMIZED_OUT] = "optimized out",
		[CSN_VALUE_NOT_HERE] = "optimized out here",
		[CSN_VALUE_NO_REGISTER] = "register not saved",
		[CSN_VALUE_NOT_IN_DUMP] = "not in the dump",
		[CSN_VALUE_UNMAPPED] = "address not mapped",
		[CSN_VALUE_BUDGET] = "budget",
		[CSN_VALUE_UNSUPPORTED] = "not understood",
		[CSN_VALUE_CYCLE] = "cycle",
	};

	return names[state];
}

/* Frames of one module, from the first on that is not done. */
static int find_scopes_of(struct csn_values *values, struct csn_value_frame *const *frames,
			  bool *done, size_t n_frames, size_t first, struct csn_error *err)
{
	cleanup_free struct csn_scope *scopes = calloc(n_frames, sizeof(*scopes));
	struct csn_module *module = frames[first]->module;
	struct csn_dwarf *dwarf = csn_module_dwarf(module);
	size_t n = 0;
	int rc = 0;

	if (!scopes)
		return csn_fail_nomem(err);
	for (size_t i = first; i < n_frames; i++)
		if (frames[i]->module == module)
			scopes[n++].address = frames[i]->pc - !frames[i]->exact - module->bias;
	if (dwarf)
		rc = csn_dwarf_find_scopes(values->arena, dwarf, scopes, n, err);
	n = 0;
	for (size_t i = first; i < n_frames; i++) {
		if (frames[i]->module != module)
			continue;
		frames[i]->scope = scopes[n++];
		done[i] = true;
	}
	return rc;
}

int csn_values_find_scopes(struct csn_values *values, struct csn_value_frame *const *frames,
			   size_t n_frames, struct csn_error *err)
{
	cleanup_free bool *done = calloc(n_frames + 1, sizeof(*done));
	int rc = 0;

	if (!done)
		return csn_fail_nomem(err);
	for (size_t i = 0; i < n_frames && rc == 0; i++)
		if (!done[i] && frames[i]->module)
			rc = find_scopes_of(values, frames, done, n_frames, i, err);
	return rc;
}

static void fill_variable(struct csn_values *values, struct csn_value_frame *frame,
			  const struct csn_variable *variable, struct csn_value_node *value)
{
	struct csn_type *type = variable->type;
	struct csn_object object;
	uint64_t size_bytes = 0;

	value->name = variable->name;
	value->role = variable->is_parameter ? CSN_ROLE_PARAMETER : CSN_ROLE_PLAIN;
	(void)csn_type_size(variable->type, &size_bytes);
	csn_told_begin(values, variable->name);
	csn_object_find(values, frame, &variable->place, size_bytes, &object);
	if (type && csn_type_language(type) == CSN_LANGUAGE_GO)
		csn_go_find_escaped(values, &object, &type, &value->name);
	value->type = csn_type_text(type);
	csn_value_fill(values, frame, &object, type, 0, values->budget.follow, value);
}

int csn_values_of_function(struct csn_values *values, struct csn_value_frame *frame,
			   size_t function, bool parameters_only,
			   struct csn_value_node **ret_values, size_t *ret_count,
			   struct csn_error *err)
{
	struct csn_variable *variables = NULL;
	struct csn_value_node *filled;
	size_t count = 0, n = 0;

	*ret_count = 0;
	if (!frame->scope.unit || function >= frame->scope.n_functions)
		return 0;
	if (csn_scope_variables(values->arena, &frame->scope, function, &variables, &count, err) <
	    0)
		return -CSN_E_NOMEM;
	filled = csn_arena_array(values->arena, count + 1, sizeof(*filled));
	if (!filled)
		return csn_fail_nomem(err);
	for (size_t i = 0; i < count; i++)
		if (variables[i].is_parameter || !parameters_only)
			fill_variable(values, frame, &variables[i], &filled[n++]);
	values->n_values += n;
	*ret_values = filled;
	*ret_count = n;
	return 0;
}

/* --- names of what pointers lead to --- */

#define CSN_MARK_DIGITS 16u

/* The next mark in a text, and its address. Names that the process or its debug information gave
 * may have such a byte, too; without the digits behind it, it is none. NULL: no more. */
static const char *next_mark(const char *text, csn_addr *ret_address)
{
	char digits[CSN_MARK_DIGITS + 1] = "";

	for (; (text = strchr(text, CSN_SYMBOL_MARK)); text++) {
		if (strspn(text + 1, "0123456789abcdef") < CSN_MARK_DIGITS)
			continue;
		memcpy(digits, text + 1, CSN_MARK_DIGITS);
		*ret_address = strtoull(digits, NULL, 16);
		return text;
	}
	return NULL;
}

static size_t collect_marks(const struct csn_values *values, struct csn_lookup *lookups)
{
	size_t n = 0;

	for (size_t i = 0; i < values->n_marked; i++) {
		const char *at = values->marked[i]->text;
		csn_addr address;

		while (at && (at = next_mark(at, &address))) {
			if (lookups)
				lookups[n].pc = address;
			at += 1 + CSN_MARK_DIGITS;
			n++;
		}
	}
	return n;
}

/* Replaces marks by " <symbol+offset>". */
static int name_marks(struct csn_values *values, struct csn_value_node *value,
		      const struct csn_lookup **lookups, struct csn_error *err)
{
	const char *from = value->text, *mark;
	csn_addr address;

	if (!from)
		return 0;
	csn_buf_clear(&values->text);
	while ((mark = next_mark(from, &address))) {
		const struct csn_symbol *symbol = (*lookups)->symbol;
		uint64_t offset = symbol ? (*lookups)->pc - symbol->start : 0;

		csn_buf_append(&values->text, from, (size_t)(mark - from));
		/* Labels of data without size are nobody's name. */
		if (symbol && symbol->size) {
			csn_buf_printf(&values->text, " <%s", symbol->name);
			if (offset)
				csn_buf_printf(&values->text, "+%llu", (unsigned long long)offset);
			csn_buf_putc(&values->text, '>');
		}
		(*lookups)++;
		from = mark + 1 + CSN_MARK_DIGITS;
	}
	csn_buf_puts(&values->text, from);
	if (!csn_buf_ok(&values->text))
		return 0;
	value->text = csn_arena_strdup(values->arena, csn_buf_text(&values->text));
	return value->text ? 0 : csn_fail_nomem(err);
}

static int by_place(const void *a, const void *b)
{
	const struct csn_value_node *one = *(struct csn_value_node *const *)a;
	const struct csn_value_node *other = *(struct csn_value_node *const *)b;

	return (one > other) - (one < other);
}

/* A value whose text was set more than once counts once. */
static void forget_doubles(struct csn_values *values)
{
	size_t n = 0;

	if (values->n_marked)
		qsort(values->marked, values->n_marked, sizeof(struct csn_value_node *), by_place);
	for (size_t i = 0; i < values->n_marked; i++)
		if (!n || values->marked[n - 1] != values->marked[i])
			values->marked[n++] = values->marked[i];
	values->n_marked = n;
}

int csn_values_name_pointers(struct csn_values *values, struct csn_error *err)
{
	cleanup_free struct csn_lookup *lookups = NULL;
	const struct csn_lookup *at;
	size_t n;
	int rc;

	forget_doubles(values);
	n = collect_marks(values, NULL);
	at = lookups = calloc(n + 1, sizeof(*lookups));
	if (!lookups)
		return csn_fail_nomem(err);
	collect_marks(values, lookups);
	rc = csn_lookup_symbols(values->arena, values->modules, lookups, n, err);
	for (size_t i = 0; i < values->n_marked && rc == 0; i++)
		rc = name_marks(values, values->marked[i], &at, err);
	values->n_marked = 0;
	return rc;
}
