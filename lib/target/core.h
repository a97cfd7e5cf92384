/* A core file as a target: the kernel's, gcore's, or a minimal one of ours.
 *
 * Reads ELF header, program headers and notes (NT_PRSTATUS per thread, NT_SIGINFO, NT_PRPSINFO,
 * NT_AUXV, NT_FILE, NT_ARM_PAC_MASK, the CORESNAP note) itself and maps the file; nothing is
 * believed beyond what the file's size covers. A truncated core opens; target->truncated says so.
 */
#ifndef CSN_TARGET_CORE_H
#define CSN_TARGET_CORE_H

#include "target/target.h"

/* A range of the process that was a file's: one line of NT_FILE. */
struct csn_core_file {
	csn_addr start, end;
	uint64_t offset; /* into the file, bytes */
	const char *path;
};

/* Opens the file and reads nothing of it; OS says why not and what to do. */
int csn_core_open_file(const char *path, int *ret_fd, struct csn_error *err) csn_must_check;
/* Reads it. The descriptor stays the caller's; name is for messages. FORMAT when it is no core file
 * (the text says what it seems to be), UNSUPPORTED for an unknown architecture. */
int csn_core_open_fd(int fd, const char *name, struct csn_target **ret_target,
		     struct csn_error *err) csn_must_check;

/* Both, for who has no rights to give up in between. */
int csn_core_open(const char *path, struct csn_target **ret_target, struct csn_error *err)
	csn_must_check;

/* Makes the mappings anew, for a core without NT_FILE of which somebody found out what was mapped.
 * items are sorted in place; paths live as long as the target. Fails only for NOMEM. */
int csn_core_set_files(struct csn_target *target, struct csn_core_file *items, size_t count,
		       struct csn_error *err) csn_must_check;

/* Address range of segments with bytes in the file, for tests and statistics. */
uint64_t csn_core_stored_bytes(const struct csn_target *target);

#endif
