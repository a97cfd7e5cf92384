/* What was given up: a snapshot that the server refuses for good, a core that no analysis survives.
 * It lies in quarantine/ until somebody retries it by hand, or purge.age. */
#include <fcntl.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "host/quarantine.h"

enum csn_stage csn_quarantine_origin(const struct csn_spool *spool, const char *uuid)
{
	static const char elf[] = { 0x7f, 'E', 'L', 'F' };
	cleanup_close int fd = -1;
	struct csn_error ignored;
	char head[sizeof(elf)];

	if (csn_spool_open_object(spool, CSN_STAGE_QUARANTINE, uuid, O_RDONLY, &fd, &ignored) < 0 ||
	    csn_pread_full(fd, head, sizeof(head), 0) != sizeof(head))
		return CSN_STAGE_SENDING;
	return memcmp(head, elf, sizeof(elf)) == 0 ? CSN_STAGE_PENDING : CSN_STAGE_SENDING;
}

int csn_quarantine_release(const struct csn_spool *spool, const char *uuid,
			   enum csn_stage *ret_stage, struct csn_error *err)
{
	enum csn_stage stage = csn_quarantine_origin(spool, uuid);
	struct csn_crash crash;
	int r;

	if (!csn_spool_has(spool, CSN_STAGE_QUARANTINE, uuid))
		return csn_fail(err, CSN_E_NOT_FOUND, "quarantine/%s is not there", uuid);
	r = csn_crash_load(spool, CSN_STAGE_QUARANTINE, uuid, &crash, err);
	if (r < 0)
		return r;
	/* What came as a core and is no ELF file is known by the step that failed. */
	if (strcmp(crash.step, "ptrace") == 0)
		stage = CSN_STAGE_PENDING;
	crash.attempts = crash.blamed = 0;
	/* Another of the same name is not written over. */
	if (csn_spool_has(spool, stage, uuid))
		r = csn_fail(err, CSN_E_DENIED, "%s/%s is there already", csn_stage_name(stage),
			     uuid);
	if (r == 0)
		r = csn_crash_save(spool, &crash, err);
	if (r == 0)
		r = csn_spool_move(spool, CSN_STAGE_QUARANTINE, stage, uuid, err);
	csn_crash_done(&crash);
	if (r == 0)
		*ret_stage = stage;
	return r;
}
