/* Who died, for a core that others wrote: the kernel's own core files, gcore's, FreeBSD's.
 *
 * Read from NT_PRPSINFO, NT_PRSTATUS, NT_AUXV and NT_FILE, bounded and by pread; the core is
 * foreign and so is every string in the result. What a core does not say is empty, not an error. */
#ifndef CSN_SPOOL_CORE_IDENTITY_H
#define CSN_SPOOL_CORE_IDENTITY_H

#include "base/error.h"
#include "base/limits.h"

#define CSN_CORE_NAME_TEXT 18

struct csn_core_identity {
	char name[CSN_CORE_NAME_TEXT]; /* of the process; cut by the kernel at 15 or 16 bytes */
	char exe[CSN_MAX_PATH];        /* the file in which the program's entry point lies */
	int64_t uid;                   /* in the process's own user namespace; -1 not said */
	int64_t pid;                   /* in its own namespace; -1 not said */
	int signal;                    /* 0 not said */
	uint64_t notes_end;            /* in the file: end of headers and notes */
	uint64_t end;                  /* where the last segment's bytes would end */
	bool has_notes;
};

/* FORMAT for what is no ELF core. */
int csn_core_identify(int core_fd, struct csn_core_identity *ret_identity, struct csn_error *err)
	csn_must_check;

/* Writes the head of a core (headers
 * and notes) from core_fd to out_fd as a core of its own, whose segments have no bytes. */
int csn_core_copy_notes(int core_fd, const struct csn_core_identity *identity, int out_fd,
			struct csn_error *err) csn_must_check;

#endif
