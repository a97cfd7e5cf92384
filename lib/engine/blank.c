/* The snapshot of last resort: both tries to read the subject were ended by something. */
#include <string.h>

#include "analyze/attributes.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "base/version.h"
#include "engine/engine.h"
#include "target/arch.h"

/* From the command line, and for a living process what /proc said. */
static int csn_blank_fill(const struct csn_engine_subject *subject,
			  const struct csn_engine_options *options, struct csn_snapshot *snapshot,
			  struct csn_error *err)
{
	const char *path = options->executable;
	const char *application = options->application;
	int rc = csn_attributes_from_facts(snapshot, subject->facts, err);

	if (!application)
		application = csn_last_part(path);
	if (rc == 0 && application)
		rc = csn_snapshot_set_string(snapshot, "application", application, err);
	if (rc == 0 && path)
		rc = csn_snapshot_set_string(snapshot, "process.path", path, err);
	if (rc == 0)
		rc = csn_attributes_from_defaults(snapshot, options->defaults, "BACKTRACE_DEFAULTS",
						  err);
	for (size_t i = 0; i < options->n_kv && rc == 0; i++)
		rc = csn_attributes_from_kv(snapshot, options->kv[i], err);
	for (size_t i = 0; i < options->n_classifiers && rc == 0; i++)
		rc = csn_snapshot_add_classifier(snapshot, options->classifiers[i], err);
	if (rc == 0)
		rc = csn_snapshot_add_truncated(snapshot, options->salvage, err);
	if (rc == 0 && options->privacy)
		rc = csn_privacy_apply(options->privacy, snapshot, err);
	return rc;
}

int csn_engine_blank_snapshot(const struct csn_engine_subject *subject,
			      const struct csn_engine_options *options,
			      struct csn_snapshot **ret_snapshot, struct csn_error *err)
{
	cleanup_(csn_snapshot_freep) struct csn_snapshot *snapshot = csn_snapshot_new();
	const struct csn_arch *arch = csn_arch_native();
	int rc;

	if (!snapshot)
		return csn_fail_nomem(err);
	snapshot->timestamp = csn_realtime_ns() / CSN_NS_PER_SECOND;
	snapshot->agent = "coresnap";
	snapshot->agent_version = CSN_VERSION;
	snapshot->arch = arch ? arch->name : "unknown";
	rc = csn_blank_fill(subject, options, snapshot, err);
	if (rc < 0)
		return rc;
	*ret_snapshot = csn_take(snapshot);
	return 0;
}
