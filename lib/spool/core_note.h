/* The CORESNAP note of a core in pending/: what the helper knew of the dying process.
 *
 * Reads the ELF header, the program headers and the notes only, bounded and through csn_span; the
 * core is foreign. It is no ELF library: it exists so that the daemon learns a core's executable
 * without linking one. The note's owner is "CORESNAP", its type 0x43534e01, its content one JSON
 * object. */
#ifndef CSN_SPOOL_CORE_NOTE_H
#define CSN_SPOOL_CORE_NOTE_H

#include "base/buf.h"
#include "base/error.h"

#define CSN_CORE_NOTE_OWNER "CORESNAP"
#define CSN_CORE_NOTE_TYPE 0x43534e01u

/* Appends the note's JSON text. NOT_FOUND for a core without one, FORMAT for what is no core. */
int csn_core_note_read(int core_fd, struct csn_buf *out, struct csn_error *err) csn_must_check;

#endif
