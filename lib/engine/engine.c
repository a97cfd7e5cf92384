#include "engine/engine.h"

#include <signal.h>
#include <string.h>

#include "analyze/fault.h"
#include "analyze/security.h"
#include "analyze/waits.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/local_files.h"
#include "base/shrink.h"
#include "base/version.h"
#include "engine/engine_internal.h"

static void csn_engine_done(struct csn_engine *engine)
{
	csn_target_set_backing(engine->target, NULL, NULL);
	csn_scripts_free(engine->scripts);
	csn_values_free(engine->values);
	csn_unwinder_free(engine->unwinder);
	csn_modules_free(engine->modules);
	csn_snapshot_free(engine->snapshot);
	json_decref(engine->facts);
}

/* Signals that end a process with a core. A core that shows another one was taken of a living
 * process by a debugger. */
static bool csn_signal_kills(const struct csn_signal *signal)
{
	static const int numbers[] = { SIGQUIT, SIGILL,  SIGTRAP, SIGABRT, SIGBUS,
				       SIGFPE,  SIGSEGV, SIGXCPU, SIGXFSZ, SIGSYS };

	for (size_t i = 0; i < csn_countof(numbers); i++)
		if (signal->present && signal->number == numbers[i])
			return true;
	return false;
}

/* Threads get the numbers that the host knows them by. */
static int csn_engine_settle_threads(struct csn_engine *engine, struct csn_error *err)
{
	struct csn_target *target = engine->target;
	const struct csn_engine_options *options = engine->options;
	uint64_t pid;

	for (size_t i = 0; i < target->n_threads; i++)
		target->threads[i].tid = csn_facts_host_tid(engine->facts, target->threads[i].tid);
	if (csn_facts_number(engine->facts, "pid", &pid))
		target->process.pid = (int64_t)pid;
	if (!csn_signal_kills(&target->signal))
		target->signal.present = false;
	if (target->signal.present)
		engine->fault_thread = &target->threads[0];
	if (options->fault_thread) {
		engine->fault_thread = csn_target_find_thread(target, options->fault_thread);
		if (!engine->fault_thread)
			return csn_fail(err, CSN_E_USAGE, "%s has no thread %lld", target->name,
					(long long)options->fault_thread);
	}
	for (size_t i = 0; i < options->n_threads; i++)
		if (!csn_target_find_thread(target, options->threads[i]))
			return csn_fail(err, CSN_E_USAGE, "%s has no thread %lld", target->name,
					(long long)options->threads[i]);
	return 0;
}

static int csn_engine_begin(struct csn_engine *engine, struct csn_error *err)
{
	struct csn_snapshot *snapshot = csn_snapshot_new();
	const char *complaint = NULL, *uuid;
	uint64_t time;

	if (!snapshot)
		return csn_fail_nomem(err);
	engine->snapshot = snapshot;
	if (engine->subject->facts)
		engine->facts = json_incref(engine->subject->facts);
	else if (csn_facts_read(engine->target, &engine->facts, &complaint, err) < 0)
		return -CSN_E_NOMEM;
	if (complaint && csn_snapshot_add_annotation(snapshot, "warning", complaint, err) < 0)
		return -CSN_E_NOMEM;
	/* Analysing one core twice must give one object. */
	uuid = csn_facts_string(engine->facts, "uuid");
	if (uuid && csn_uuid_parse(uuid, NULL))
		memcpy(snapshot->uuid, uuid, CSN_UUID_TEXT);
	snapshot->timestamp = csn_facts_number(engine->facts, "time", &time)
				      ? (int64_t)time
				      : engine->target->timestamp;
	snapshot->agent = "coresnap";
	snapshot->agent_version = CSN_VERSION;
	snapshot->arch = engine->target->arch->name;
	return csn_engine_settle_threads(engine, err);
}

static int csn_engine_analyze(struct csn_engine *engine, struct csn_error *err)
{
	struct csn_snapshot *snapshot = engine->snapshot;
	const struct csn_engine_options *options = engine->options;
	bool faulted = engine->fault_thread && snapshot->n_threads && snapshot->threads[0].fault;
	int result = 0;

	if (faulted && options->salvage)
		result = csn_fault_name(snapshot, &engine->target->signal, err);
	else if (faulted)
		result = csn_fault_analyze(&engine->scene, &snapshot->threads[0], err);
	if (result == 0 && !options->salvage)
		result = csn_waits_analyze(&engine->scene, engine->facts, err);
	if (result == 0 && options->security)
		result = csn_security_analyze(&engine->scene, err);
	for (size_t i = 0; i < options->n_classifiers && result == 0; i++)
		result = csn_snapshot_add_classifier(snapshot, options->classifiers[i], err);
	return result;
}

/* Notes on what the target itself lacks. */
static int csn_engine_note_losses(struct csn_engine *engine, struct csn_error *err)
{
	static const char *const serious[] = { "stack", "stacks", "headers", "files" };
	const json_t *losses = json_object_get(engine->facts, "truncated");
	int result = 0;

	if (engine->options->salvage)
		result =
			csn_snapshot_add_truncated(engine->snapshot, engine->options->salvage, err);
	if (engine->target->truncated && result == 0)
		result = csn_snapshot_add_truncated(engine->snapshot, engine->target->truncated,
						    err);
	for (size_t i = 0; i < json_array_size(losses) && i < 64 && result == 0; i++) {
		const json_t *loss = json_array_get(losses, i);
		const char *what = csn_json_get_string(loss, "what", "");
		char text[128];

		for (size_t k = 0; k < csn_countof(serious) && result == 0; k++) {
			if (strcmp(what, serious[k]) != 0)
				continue;
			snprintf(text, sizeof(text), "capture: %s not whole (%s)", serious[k],
				 csn_json_get_string(loss, "why", "unknown"));
			result = csn_snapshot_add_truncated(engine->snapshot, text, err);
		}
	}
	return result;
}

static int csn_engine_run(struct csn_engine *engine, struct csn_error *err)
{
	int64_t at[5];
	int result = csn_engine_begin(engine, err);

	at[0] = csn_monotonic_ns();
	if (result == 0)
		result = csn_scripts_new(engine->options->salvage ? NULL : engine->options->scripts,
					 engine->snapshot, &engine->scripts, err);
	if (result == 0)
		result = csn_engine_open_modules(engine, err);
	if (result == 0)
		result = csn_engine_note_losses(engine, err);
	at[1] = csn_monotonic_ns();
	if (result == 0)
		result = csn_engine_walk_threads(engine, err);
	at[2] = csn_monotonic_ns();
	if (result == 0 && !engine->options->salvage)
		result = csn_engine_store_variables(engine, err);
	engine->stats.variables_ns = (uint64_t)(csn_monotonic_ns() - at[2]);
	at[2] += (int64_t)engine->stats.variables_ns;
	if (result == 0)
		result = csn_engine_analyze(engine, err);
	if (result == 0)
		result = csn_scripts_attach(engine->scripts, &engine->scene, err);
	if (result == 0)
		result = csn_engine_store_modules(engine, err);
	if (result == 0)
		result = csn_engine_store_maps(engine, err);
	at[3] = csn_monotonic_ns();
	if (result == 0)
		result = csn_engine_describe(engine, err);
	if (result == 0 && csn_shrink_noted())
		result = csn_snapshot_add_truncated(
			engine->snapshot,
			"a file became shorter while it was read: what it held is missing", err);
	if (result == 0)
		result = csn_scripts_finish(engine->scripts, err);
	/* Last of all: nothing that comes after it may add to the snapshot. */
	if (result == 0 && engine->options->privacy)
		result = csn_privacy_apply(engine->options->privacy, engine->snapshot, err);
	at[4] = csn_monotonic_ns();
	engine->stats.modules_ns = (uint64_t)(at[1] - at[0] + at[3] - at[2]);
	engine->stats.unwind_ns =
		(uint64_t)(at[2] - at[1]) - engine->stats.names_ns - engine->stats.variables_ns;
	engine->stats.analyze_ns = (uint64_t)(at[4] - at[3]);
	return result;
}

int csn_engine_snapshot(struct csn_engine_subject *subject,
			const struct csn_engine_options *options,
			struct csn_snapshot **ret_snapshot, struct csn_engine_stats *ret_stats,
			struct csn_error *err)
{
	struct csn_engine engine = { .target = subject->target,
				     .subject = subject,
				     .options = options };
	struct csn_local_files local;
	int result;

	csn_local_files_init(&local, NULL);
	engine.opener = options->opener ? *options->opener : csn_local_files_opener(&local);

	if (options->timeout_seconds)
		engine.deadline_ns =
			csn_monotonic_ns() + options->timeout_seconds * CSN_NS_PER_SECOND;
	result = csn_engine_run(&engine, err);
	if (result == 0) {
		*ret_snapshot = csn_take(engine.snapshot);
		if (ret_stats)
			*ret_stats = engine.stats;
	}
	csn_engine_done(&engine);
	return result;
}

bool csn_engine_is_partial(const struct csn_snapshot *snapshot)
{
	return snapshot->n_truncated > 0;
}
