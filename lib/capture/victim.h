/* The dying process, held by the kernel while the pipe is not drained: who it is, and its memory.
 *
 * Identity: folders of /proc are opened first, then the kernel's pidfd must still show a living
 * process, so that what is read through them cannot belong to a process that took over its number.
 * When that cannot be shown the victim is "unverified" and nothing of /proc may be used. It is
 * never traced: ptrace would cut the kernel's dump. Everything is reached through the crashed
 * thread, because the leader may be a zombie. */
#ifndef CSN_CAPTURE_VICTIM_H
#define CSN_CAPTURE_VICTIM_H

#include <sys/types.h>

#include "capture/request.h"

struct csn_victim {
	int proc_fd;    /* /proc/<tid>; owned, -1 */
	int mem_fd;     /* its memory; owned, -1 */
	int pagemap_fd; /* which pages were ever touched; owned, -1 */
	int pidfd;      /* owned, -1 */
	bool verified;
	bool privileged;    /* the kernel says that it was dumped as root */
	const char *reason; /* why unverified; static text */
	uint64_t cgroup_id; /* 0 unknown */
};

#define CSN_VICTIM_INIT \
	{ \
		.proc_fd = -1, .mem_fd = -1, .pagemap_fd = -1, .pidfd = -1 \
	}

/* Opens what is there; never fails, see verified and reason. Takes over request->pidfd. */
void csn_victim_open(const struct csn_request *request, struct csn_victim *victim);
void csn_victim_close(struct csn_victim *victim);
/* True while it is still the process that was opened: to be asked after the last read. */
bool csn_victim_is_alive(const struct csn_victim *victim);

/* Reads memory at addr; stops at the first page that cannot be read. Bytes read. Also reads what
 * the process asked not to dump: only ranges that the kernel would write may be asked for. */
size_t csn_victim_read(const struct csn_victim *victim, csn_addr addr, void *data,
		       size_t size_bytes);

#endif
