#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "analyze/facts.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "engine/engine.h"
#include "target/core.h"
#include "target/live.h"

/* A living process whose program was deleted or replaced, or lies in another mount namespace, still
 * shows it. "" when its path is as good. */
static void csn_subject_find_executable(struct csn_engine_subject *subject)
{
	const struct csn_target *target = subject->target;
	struct stat own, named;

	snprintf(subject->executable, sizeof(subject->executable), "/proc/%lld/exe",
		 (long long)target->process.pid);
	if (stat(subject->executable, &own) < 0 ||
	    (target->executable && stat(target->executable, &named) == 0 &&
	     own.st_dev == named.st_dev && own.st_ino == named.st_ino))
		subject->executable[0] = '\0';
}

static int csn_subject_open_process(const char *pid_text, struct csn_engine_subject *subject,
				    struct csn_error *err)
{
	const char *complaint;
	uint64_t pid;
	int result;

	if (!csn_parse_u64(pid_text, 10, &pid) || !pid || pid > INT32_MAX)
		return csn_fail(err, CSN_E_USAGE,
				"not a process id; for a core file write --core before it");
	result = csn_live_open((int64_t)pid, NULL, &subject->target, err);
	if (result == 0)
		result = csn_facts_read(subject->target, &subject->facts, &complaint, err);
	if (result == 0)
		csn_subject_find_executable(subject);
	return result;
}

int csn_engine_open(const char *pid_text, const char *core, struct csn_engine_subject *ret_subject,
		    struct csn_error *err)
{
	struct csn_engine_subject subject = CSN_ENGINE_SUBJECT_INIT;
	int result = 0;

	/* Hash tables take their seed from a file: while files can be opened. */
	json_object_seed(0);
	subject.core = core;
	if (core)
		result = csn_core_open_file(core, &subject.core_fd, err);
	else
		result = csn_subject_open_process(pid_text, &subject, err);
	if (result == 0)
		*ret_subject = subject;
	else
		csn_engine_subject_done(&subject);
	return result;
}

int csn_engine_read(struct csn_engine_subject *subject, struct csn_error *err)
{
	return subject->target
		       ? 0
		       : csn_core_open_fd(subject->core_fd, subject->core, &subject->target, err);
}

int csn_engine_subject_fd(const struct csn_engine_subject *subject)
{
	return subject->core_fd >= 0 ? subject->core_fd : csn_live_memory_fd(subject->target);
}

uint64_t csn_engine_subject_bytes(const struct csn_engine_subject *subject)
{
	struct stat st;

	return subject->core_fd >= 0 && fstat(subject->core_fd, &st) == 0 ? (uint64_t)st.st_size
									  : 0;
}

void csn_engine_subject_done(struct csn_engine_subject *subject)
{
	csn_target_free(subject->target);
	json_decref(subject->facts);
	if (subject->core_fd >= 0)
		close(subject->core_fd);
	*subject = (struct csn_engine_subject)CSN_ENGINE_SUBJECT_INIT;
}

const char *csn_engine_find_assets(const char *const *resources, size_t n_resources)
{
	struct stat st;

	for (size_t i = 0; i < n_resources; i++)
		if (stat(resources[i], &st) == 0 && S_ISDIR(st.st_mode))
			return resources[i];
	return NULL;
}
