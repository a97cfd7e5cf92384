/* Values of variables as text, the way gdb's users read them. */
#ifndef CSN_RENDER_VARIABLE_H
#define CSN_RENDER_VARIABLE_H

#include "base/buf.h"
#include "snapshot/snapshot.h"

/* Appends "{x = 1, next = 0x0}", "<optimized out>". What a pointer leads to follows an arrow. All
 * that came from the process is escaped. */
void csn_render_value(const struct csn_snapshot_variable *variable, struct csn_buf *out);

#endif
