/* What the kernel says of the process behind a pidfd: PIDFD_GET_INFO of <linux/pidfd.h>,
 * Linux 6.13, about core dumps since 6.16. */
#ifndef CSN_CAPTURE_PIDFD_H
#define CSN_CAPTURE_PIDFD_H

#include "base/types.h"

struct csn_pidfd_info {
	int64_t pid;        /* of the process, in our pid namespace */
	uint32_t uid, gid;  /* real ones, in our user namespace */
	uint64_t cgroup_id; /* 0 unknown */
	bool tells_dump; /* this kernel knows about dumps; it says so of healthy processes, too */
	bool dumping;    /* it is writing a core, or has written one */
	bool as_root;    /* its core belongs to root alone: fs.suid_dumpable is 2 */
};

/* False on a kernel that cannot say, and for a process that is gone. */
bool csn_pidfd_read(int pidfd, struct csn_pidfd_info *ret_info);

#endif
