/* What a child gives up before it becomes another program. Private to lib/host/child.c.
 *
 * A limit that cannot be set is no reason not to run: our children confine themselves where it
 * matters (docs/adr/0009); what is here bounds time, memory and noise. */
#ifndef CSN_HOST_CONFINE_INTERNAL_H
#define CSN_HOST_CONFINE_INTERNAL_H

#include <sys/types.h>

#include "host/child.h"

/* fork(); own_pids: into a pid namespace of its own where the kernel lets us, so that all that the
 * child starts dies with it. In it uid and gid stay what they are. */
pid_t confine_fork(bool own_pids, uid_t uid, gid_t gid);
/* In the child. Whether anybody still reads what it will print: the parent may have died before
 * PR_SET_PDEATHSIG was set. */
bool confine_parent_lives(int output_fd);
/* Resource limits, no core, low priority for processor and disk. */
void confine_limits(const struct csn_child_limits *limits);
/* Closes all but 0, 1, 2 and keep_fd (-1: none), which is inherited. */
void confine_descriptors(int keep_fd);
/* No file can be written, made, moved or removed any more, but /dev/null and its like. False on a
 * kernel without landlock. */
bool confine_writes(void);

#endif
