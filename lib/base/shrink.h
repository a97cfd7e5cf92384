/* Files that become shorter while we read them.
 *
 * A mapped file that somebody truncates raises SIGBUS at the pages that are gone. The guard puts a
 * page of zeros there instead, notes it, and the reader goes on: to every parser it is one more
 * damaged file. It is not for pages that we write.
 *
 * The note is the only global of lib/: a signal handler can be told nothing else. Programs that
 * read foreign files install the guard first of all; the engine says in the snapshot what was
 * noted. */
#ifndef CSN_BASE_SHRINK_H
#define CSN_BASE_SHRINK_H

#include <stdbool.h>

/* Handles SIGBUS of this process from now on; one that no mapped file raised still ends it. */
void csn_shrink_guard_install(void);
/* Notes that a file was found shorter than it was. */
void csn_shrink_note(void);
/* Was that ever noted? */
bool csn_shrink_noted(void);

#endif
