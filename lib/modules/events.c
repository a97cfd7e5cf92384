/* The run of modules: their events, in the order of what there is. */
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "modules/script_internal.h"

/* What all modules may take, in times of one. */
#define CSN_SCRIPTS_SHARES 4

/* Values that modules have told beyond those of the scene. */
static const struct csn_value_budget budget_of_modules = {
	.elements = 200,
	.depth = 8,
	.values = 20000,
	.text_bytes = CSN_MIB,
};

/* One call of a handler. */
struct call {
	struct csn_script *script;
	const struct csn_script_handler *handler;
	size_t thread, frame;
	const struct csn_scene_spot *spot;
	bool result;
};

static int call_handler(lua_State *L)
{
	struct call *call = lua_touserdata(L, 1);

	lua_rawgeti(L, LUA_REGISTRYINDEX, call->handler->function);
	switch (call->handler->event) {
	case CSN_EVENT_THREAD:
		csn_thread_push(L, call->thread);
		break;
	case CSN_EVENT_FRAME:
		csn_frame_push(L, call->thread, call->frame);
		break;
	case CSN_EVENT_VARIABLE:
		csn_variable_push_spot(L, call->spot);
		break;
	case CSN_EVENT_PREATTACH:
		csn_script_push_options(L);
		break;
	default:
		csn_bt_push(L);
		break;
	}
	lua_call(L, 1, 1);
	call->result = lua_toboolean(L, -1);
	return 0;
}

static bool run_handler(struct call *call)
{
	static const char *const doing[] = {
		[CSN_EVENT_PREATTACH] = "preattach", [CSN_EVENT_ATTACH] = "attach",
		[CSN_EVENT_THREAD] = "thread",       [CSN_EVENT_FRAME] = "frame",
		[CSN_EVENT_VARIABLE] = "variable",   [CSN_EVENT_POSTATTACH] = "postattach",
	};

	return csn_script_run(call->script, call_handler, call, doing[call->handler->event]) &&
	       call->result;
}

/* Calls all handlers of an event that a match lets through. */
static void call_all(struct csn_scripts *scripts, enum csn_script_event event, struct call call,
		     const struct csn_match_subject *subject)
{
	for (size_t i = 0; i < scripts->n; i++) {
		call.script = &scripts->items[i];
		for (size_t k = 0; k < call.script->n_handlers; k++) {
			call.handler = &call.script->handlers[k];
			if (call.handler->event == event &&
			    csn_match_holds(call.handler->match, subject))
				(void)run_handler(&call);
		}
	}
}

static void call_event(struct csn_scripts *scripts, enum csn_script_event event)
{
	const struct csn_match_subject nothing = { 0 };

	call_all(scripts, event, (struct call){ 0 }, &nothing);
}

/* --- variables --- */

/* A handler on its way through the values of a frame. */
struct visit {
	struct csn_scripts *scripts;
	struct call call;
};

/* Parts are for handlers that ask for something of variables, unless one of them was told that it
 * has seen to the whole. */
static bool visit_value(void *context, const struct csn_scene_spot *spot)
{
	struct visit *visit = context;
	const struct csn_script_handler *handler = visit->call.handler;
	const struct csn_match_subject subject = { spot->frame->thread, spot->frame->stored,
						   csn_scene_spot_value(spot) };

	if (visit->call.script->failed)
		return false;
	visit->call.spot = spot;
	if (csn_match_holds(handler->match, &subject) && run_handler(&visit->call))
		return false;
	return csn_match_asks_parts(handler->match);
}

static void call_variables(struct csn_scripts *scripts, const struct csn_scene_frame *frame)
{
	struct visit visit = { .scripts = scripts };

	for (size_t i = 0; i < scripts->n; i++) {
		visit.call.script = &scripts->items[i];
		for (size_t k = 0; k < visit.call.script->n_handlers; k++) {
			visit.call.handler = &visit.call.script->handlers[k];
			if (visit.call.handler->event == CSN_EVENT_VARIABLE)
				csn_scene_walk(frame, visit_value, &visit);
		}
	}
}

static void call_thread(struct csn_scripts *scripts, size_t number)
{
	const struct csn_script_span *span = &scripts->spans[number];
	struct csn_match_subject subject = { .thread = &scripts->snapshot->threads[number] };
	struct call call = { .thread = number };

	call_all(scripts, CSN_EVENT_THREAD, call, &subject);
	for (size_t i = 0; i < span->n; i++) {
		const struct csn_scene_frame *frame = &scripts->scene->frames[span->first + i];

		subject.frame = frame->stored;
		call.frame = csn_scene_frame_number(frame);
		call_all(scripts, CSN_EVENT_FRAME, call, &subject);
		call_variables(scripts, frame);
	}
}

/* --- the run --- */

static int find_spans(struct csn_scripts *scripts, struct csn_error *err)
{
	const struct csn_scene *scene = scripts->scene;

	scripts->spans = csn_arena_array(scripts->arena, scripts->snapshot->n_threads + 1,
					 sizeof(*scripts->spans));
	if (!scripts->spans)
		return csn_fail_nomem(err);
	for (size_t i = 0; i < scene->n_frames; i++) {
		struct csn_script_span *span =
			&scripts->spans[scene->frames[i].thread - scripts->snapshot->threads];

		if (!span->n)
			span->first = i;
		span->n++;
	}
	return 0;
}

static int check_memory(const struct csn_scripts *scripts, struct csn_error *err)
{
	return scripts->no_memory ? csn_fail_nomem(err) : 0;
}

int csn_scripts_attach(struct csn_scripts *scripts, const struct csn_scene *scene,
		       struct csn_error *err)
{
	struct csn_value_budget budget = budget_of_modules;
	int rc;

	if (!scripts)
		return 0;
	scripts->scene = scene;
	budget.deadline_ns = csn_monotonic_ns() + scripts->left_ns;
	rc = find_spans(scripts, err);
	if (rc == 0)
		rc = csn_values_new(scripts->arena, scene->target, scene->modules, &budget,
				    &scripts->values, err);
	if (rc < 0)
		return rc;
	call_event(scripts, CSN_EVENT_ATTACH);
	for (size_t i = 0; i < scripts->snapshot->n_threads; i++)
		call_thread(scripts, i);
	return check_memory(scripts, err);
}

static int call_unload(lua_State *L)
{
	lua_rawgeti(L, LUA_REGISTRYINDEX, csn_script_of(L)->unload);
	lua_call(L, 0, 0);
	return 0;
}

int csn_scripts_finish(struct csn_scripts *scripts, struct csn_error *err)
{
	int rc;

	if (!scripts)
		return 0;
	call_event(scripts, CSN_EVENT_POSTATTACH);
	for (size_t i = 0; i < scripts->n; i++)
		if (scripts->items[i].unload != LUA_NOREF)
			(void)csn_script_run(&scripts->items[i], call_unload, NULL, "unload");
	rc = csn_script_attributes_apply(scripts, err);
	return rc == 0 ? check_memory(scripts, err) : rc;
}

/* Two modules of one ID would get each other's options. */
static bool id_is_taken(const struct csn_scripts *scripts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!scripts->items[i].failed &&
		    strcmp(scripts->items[i].id, scripts->items[n].id) == 0)
			return true;
	return false;
}

static void start_all(struct csn_scripts *scripts)
{
	const struct csn_script_sources *sources = scripts->sources;

	for (size_t i = 0; i < sources->n; i++) {
		struct csn_script *script = &scripts->items[scripts->n++];

		script->all = scripts;
		script->file = script->id = sources->items[i].file;
		script->left_ns = sources->seconds * CSN_NS_PER_SECOND;
		csn_script_start(script, &sources->items[i]);
		if (!script->failed && id_is_taken(scripts, i)) {
			script->failed = true;
			csn_script_warn(script, "%s: another module has this id", script->file);
		}
	}
}

/* An option that nobody gets is a mistake of whoever wrote it. */
static void warn_of_options(struct csn_scripts *scripts)
{
	const struct csn_script_sources *sources = scripts->sources;

	for (size_t i = 0; i < sources->n_options; i++) {
		bool found = false;

		for (size_t k = 0; k < scripts->n && !found; k++) {
			size_t length = strlen(scripts->items[k].id);

			found = strncmp(sources->options[i], scripts->items[k].id, length) == 0 &&
				sources->options[i][length] == ':';
		}
		if (!found && csn_snapshot_add_annotation(
				      scripts->snapshot, "warning",
				      csn_arena_sprintf(scripts->arena,
							"modules: nobody takes the option %.256s",
							sources->options[i]),
				      NULL) < 0)
			scripts->no_memory = true;
	}
}

int csn_scripts_new(const struct csn_script_sources *sources, struct csn_snapshot *snapshot,
		    struct csn_scripts **ret_scripts, struct csn_error *err)
{
	struct csn_arena *arena;
	struct csn_scripts *scripts;

	*ret_scripts = NULL;
	if (!sources)
		return 0;
	arena = csn_arena_new(CSN_MAX_SCRIPT_VALUES);
	if (!arena)
		return csn_fail_nomem(err);
	scripts = csn_arena_alloc(arena, sizeof(*scripts));
	if (!scripts) {
		csn_arena_free(arena);
		return csn_fail_nomem(err);
	}
	scripts->arena = arena;
	scripts->sources = sources;
	scripts->snapshot = snapshot;
	scripts->nowhere.thread = &scripts->nobody;
	scripts->left_ns = CSN_SCRIPTS_SHARES * sources->seconds * CSN_NS_PER_SECOND;
	*ret_scripts = scripts;
	scripts->items = csn_arena_array(arena, sources->n + 1, sizeof(*scripts->items));
	if (!scripts->items)
		return csn_fail_nomem(err);
	for (size_t i = 0; i < sources->n_complaints; i++)
		if (csn_snapshot_add_annotation(snapshot, "warning", sources->complaints[i], err) <
		    0)
			return -CSN_E_NOMEM;
	start_all(scripts);
	warn_of_options(scripts);
	call_event(scripts, CSN_EVENT_PREATTACH);
	return check_memory(scripts, err);
}

void csn_scripts_free(struct csn_scripts *scripts)
{
	if (!scripts)
		return;
	for (size_t i = 0; i < scripts->n; i++)
		if (scripts->items[i].state)
			lua_close(scripts->items[i].state);
	csn_values_free(scripts->values);
	csn_arena_free(scripts->arena);
}
