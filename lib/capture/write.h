/* The core file that lands in pending/: valid ELF, made of what was taken.
 *
 * ELF header as the kernel wrote it; one PT_NOTE with the kernel's notes and ours; for every
 * mapping of the original table PT_LOAD entries that together cover it: with bytes where memory was
 * taken, with a file size of 0 where not. A segment whose dumpable part was taken whole keeps its
 * entry. More than 65534 entries are counted in section 0, as the gABI wants. */
#ifndef CSN_CAPTURE_WRITE_H
#define CSN_CAPTURE_WRITE_H

#include "base/buf.h"
#include "capture/hold.h"

enum csn_core_memory {
	CSN_CORE_TAKEN, /* hold->memory */
	CSN_CORE_NONE,  /* notes only */
	CSN_CORE_WHOLE, /* hold->whole: everything dumpable, the rest of it read now */
};

/* Writes to fd, an empty file, from offset 0. OS errors keep their errno (ENOSPC). TIMEOUT: the
 * process's memory does not come; once it was let go, what came can be written the same way. */
int csn_core_write(int fd, const struct csn_hold *hold, enum csn_core_memory memory,
		   const struct csn_buf *note, struct csn_error *err) csn_must_check;

#endif
