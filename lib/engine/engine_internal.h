/* Private to the engine: one run, and its steps in the order they are taken. */
#ifndef CSN_ENGINE_ENGINE_INTERNAL_H
#define CSN_ENGINE_ENGINE_INTERNAL_H

#include "analyze/facts.h"
#include "analyze/scene.h"
#include "engine/engine.h"
#include "symbols/lookup.h"
#include "unwind/unwind.h"

struct csn_engine {
	struct csn_target *target;
	const struct csn_engine_options *options;
	struct csn_snapshot *snapshot; /* being made; owned until handed over */
	struct csn_modules *modules;
	struct csn_unwinder *unwinder;
	const struct csn_engine_subject *subject;
	struct csn_opener opener;
	json_t *facts;
	const struct csn_thread *fault_thread; /* NULL: nobody faulted */
	struct csn_values *values;             /* owned; NULL before variables are read */
	struct csn_scripts *scripts;           /* owned; NULL: none */
	struct csn_scene scene;                /* complete when variables are stored */
	int64_t deadline_ns;                   /* monotonic; 0 none */
	size_t raw_stack_bytes;                /* kept so far, of all threads */
	struct csn_engine_stats stats;
};

/* loaded.c: for a core that does not say which files were mapped, what the auxiliary vector and the
 * dynamic linker's list say. Nothing found is no error. */
int csn_engine_find_files(struct csn_engine *engine, struct csn_error *err) csn_must_check;

/* modules.c */
int csn_engine_open_modules(struct csn_engine *engine, struct csn_error *err) csn_must_check;
int csn_engine_store_modules(struct csn_engine *engine, struct csn_error *err) csn_must_check;
int csn_engine_store_maps(struct csn_engine *engine, struct csn_error *err) csn_must_check;
/* Lower-case hex in the snapshot's arena; NULL when the module has no build-id or memory is out. */
const char *csn_engine_build_id(struct csn_engine *engine, const struct csn_module *module);

/* "executable /bin/x: not the one that was running"; NULL when memory is out. */
const char *csn_engine_describe_missing(struct csn_engine *engine, const char *what,
					const struct csn_module *module);

/* stacks.c: threads with frames and names. */
int csn_engine_walk_threads(struct csn_engine *engine, struct csn_error *err) csn_must_check;

/* A symbol that is only the nearest one names code that can be reached from it and nothing else;
 * the other lookups lose theirs. */
void csn_engine_drop_doubtful(struct csn_engine *engine, struct csn_lookup *lookups, size_t n);

/* variables.c: values of variables, into the frames of walked threads. */
int csn_engine_store_variables(struct csn_engine *engine, struct csn_error *err) csn_must_check;
/* Are values of the module's variables asked for? */
bool csn_engine_wants_values(const struct csn_engine_options *options,
			     const struct csn_module *module);

/* globals.c: variables outside functions, if they are asked for; after the others. */
int csn_engine_store_globals(struct csn_engine *engine, struct csn_error *err) csn_must_check;

/* store_values.c: values as the snapshot holds them; NULL: out of memory. */
struct csn_snapshot_variable *csn_values_store(struct csn_arena *arena,
					       const struct csn_value_node *values, size_t count);

/* raw_stack.c: copies the stack of a walk that ended before its time, and names, when all threads
 * are walked, the words of such copies that point into code. */
int csn_engine_keep_raw_stack(struct csn_engine *engine, const struct csn_unwind_cursor *cursor,
			      struct csn_snapshot_thread *stored, struct csn_error *err)
	csn_must_check;
int csn_engine_name_raw_stacks(struct csn_engine *engine, struct csn_error *err) csn_must_check;

/* describe.c: attributes, limits, call stack, warnings. */
int csn_engine_describe(struct csn_engine *engine, struct csn_error *err) csn_must_check;

#endif
