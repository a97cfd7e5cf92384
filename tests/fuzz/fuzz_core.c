/* A core file of any bytes: opened, walked, analysed and written as a snapshot. */
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/limits.h"
#include "engine/engine.h"
#include "snapshot/document.h"
#include "target/core.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The bytes alone decide: no file of this machine, nor its debug information, takes part. */
static void forget_files(struct csn_target *target)
{
	for (size_t i = 0; i < target->n_mappings; i++)
		if (target->mappings[i].path)
			target->mappings[i].path = "/nonexistent/object";
	/* Nor are files looked for that the core does not tell of. */
	target->mappings_from_note = true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_(csn_engine_subject_done) struct csn_engine_subject subject =
		CSN_ENGINE_SUBJECT_INIT;
	cleanup_(csn_snapshot_freep) struct csn_snapshot *snapshot = NULL;
	cleanup_(csn_buf_done) struct csn_buf json = CSN_BUF_INIT(64 * CSN_MIB);
	const struct csn_engine_options options = { .depth = 64, .budget = 1000 };
	cleanup_close int fd = memfd_create("core", MFD_CLOEXEC);

	if (fd < 0 || csn_write_full(fd, data, size) < 0 ||
	    csn_core_open_fd(fd, "core", &subject.target, NULL) < 0)
		return 0;
	forget_files(subject.target);
	if (csn_engine_snapshot(&subject, &options, &snapshot, NULL, NULL) == 0 &&
	    csn_snapshot_write_json(snapshot, &json, NULL) < 0)
		return 0;
	return 0;
}
