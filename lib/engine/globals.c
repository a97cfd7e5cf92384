/* Variables outside functions, of the objects whose variables are stored. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "engine/engine_internal.h"

/* The expression that names have to match; code NULL: all do. */
struct csn_names {
	pcre2_code *code;
	pcre2_match_data *data;
	pcre2_match_context *context;
};

static void csn_names_done(struct csn_names *names)
{
	pcre2_code_free(names->code);
	pcre2_match_data_free(names->data);
	pcre2_match_context_free(names->context);
}

static int csn_names_compile(struct csn_names *names, const char *expression, struct csn_error *err)
{
	PCRE2_UCHAR text[128];
	size_t where;
	int code;

	if (!*expression)
		return 0;
	if (strlen(expression) > CSN_MAX_REGEX_BYTES)
		return csn_fail(err, CSN_E_USAGE, "--globals: the expression is too long");
	names->code = pcre2_compile((PCRE2_SPTR)expression, PCRE2_ZERO_TERMINATED,
				    PCRE2_NEVER_BACKSLASH_C, &code, &where, NULL);
	if (!names->code) {
		pcre2_get_error_message(code, text, sizeof(text));
		return csn_fail(err, CSN_E_USAGE,
				"--globals: %s at %zu of '%s'; mend the expression",
				(const char *)text, where, expression);
	}
	names->data = pcre2_match_data_create_from_pattern(names->code, NULL);
	names->context = pcre2_match_context_create(NULL);
	if (!names->data || !names->context)
		return csn_fail_nomem(err);
	/* The names are foreign, too. */
	pcre2_set_match_limit(names->context, CSN_MAX_REGEX_MATCH_STEPS);
	pcre2_set_depth_limit(names->context, CSN_MAX_REGEX_DEPTH);
	pcre2_set_heap_limit(names->context, CSN_MAX_REGEX_HEAP_KIB);
	return 0;
}

static bool csn_names_match(void *context, const char *name)
{
	struct csn_names *names = context;

	return pcre2_match(names->code, (PCRE2_SPTR)name, strlen(name), 0, 0, names->data,
			   names->context) >= 0;
}

/* Units of one module while they are on their way into the snapshot. */
struct csn_module_globals {
	const struct csn_module *module;
	struct csn_value_unit *units;
	size_t n_units;
};

static int csn_store_unit(struct csn_engine *engine, const struct csn_module *module,
			  const struct csn_value_unit *unit, struct csn_error *err)
{
	struct csn_arena *arena = engine->snapshot->arena;
	struct csn_snapshot_globals *stored =
		&engine->snapshot->globals[engine->snapshot->n_globals++];
	struct csn_value_node *values = csn_arena_array(arena, unit->count + 1, sizeof(*values));

	if (!values)
		return csn_fail_nomem(err);
	for (size_t i = 0; i < unit->count; i++)
		values[i] = *unit->values[i];
	stored->library = csn_arena_strdup(arena, module->path);
	stored->file = unit->file ? csn_arena_strdup(arena, unit->file) : NULL;
	stored->variables = csn_values_store(arena, values, unit->count);
	stored->n_variables = unit->count;
	if (!stored->library || (unit->file && !stored->file) || !stored->variables)
		return csn_fail_nomem(err);
	return 0;
}

static int csn_store_all(struct csn_engine *engine, const struct csn_module_globals *found,
			 size_t n_modules, struct csn_error *err)
{
	struct csn_snapshot *snapshot = engine->snapshot;
	size_t n = 0;
	int rc = 0;

	for (size_t i = 0; i < n_modules; i++)
		n += found[i].n_units;
	snapshot->globals = csn_arena_array(snapshot->arena, n + 1, sizeof(*snapshot->globals));
	if (!snapshot->globals)
		return csn_fail_nomem(err);
	for (size_t i = 0; i < n_modules && rc == 0; i++)
		for (size_t k = 0; k < found[i].n_units && rc == 0; k++)
			rc = csn_store_unit(engine, found[i].module, &found[i].units[k], err);
	return rc;
}

int csn_engine_store_globals(struct csn_engine *engine, struct csn_error *err)
{
	cleanup_(csn_names_done) struct csn_names names = { 0 };
	struct csn_value_globals query = { .context = &names };
	size_t n_modules = csn_modules_count(engine->modules), n = 0;
	struct csn_module_globals *found;
	int rc;

	if (!engine->options->globals)
		return 0;
	rc = csn_names_compile(&names, engine->options->globals, err);
	found = csn_arena_array(engine->snapshot->arena, n_modules + 1, sizeof(*found));
	if (rc == 0 && !found)
		rc = csn_fail_nomem(err);
	query.wanted = names.code ? csn_names_match : NULL;
	query.thread = engine->fault_thread;
	if (!query.thread && engine->target->n_threads)
		query.thread = &engine->target->threads[0];
	for (size_t i = 0; found && i < n_modules && rc == 0 && query.thread; i++) {
		query.module = csn_modules_get(engine->modules, i);
		if (!csn_engine_wants_values(engine->options, query.module))
			continue;
		found[n].module = query.module;
		rc = csn_values_of_globals(engine->values, &query, &found[n].units,
					   &found[n].n_units, err);
		n++;
	}
	if (rc == 0)
		rc = csn_values_name_pointers(engine->values, err);
	return rc == 0 ? csn_store_all(engine, found, n, err) : rc;
}
