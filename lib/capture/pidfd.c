#include "capture/pidfd.h"

#include <sys/ioctl.h>

/* <linux/pidfd.h> of 6.16, which distributions do not ship yet. */
struct pidfd_info {
	uint64_t mask, cgroup_id;
	uint32_t pid, tgid, ppid;
	uint32_t ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
	int32_t exit_code;
	uint32_t coredump_mask, coredump_signal;
};

#define PIDFD_GET_INFO_CALL _IOWR(0xFF, 11, struct pidfd_info)
#define PIDFD_INFO_CGROUPID_BIT (1u << 2)
#define PIDFD_INFO_COREDUMP_BIT (1u << 4)
#define PIDFD_COREDUMPED_BIT (1u << 0)
#define PIDFD_COREDUMP_ROOT_BIT (1u << 3)

bool csn_pidfd_read(int pidfd, struct csn_pidfd_info *ret_info)
{
	struct pidfd_info info = { .mask = PIDFD_INFO_CGROUPID_BIT | PIDFD_INFO_COREDUMP_BIT };

	if (ioctl(pidfd, PIDFD_GET_INFO_CALL, &info) < 0)
		return false;
	*ret_info = (struct csn_pidfd_info){
		.pid = info.tgid,
		.uid = info.ruid,
		.gid = info.rgid,
		.cgroup_id = info.mask & PIDFD_INFO_CGROUPID_BIT ? info.cgroup_id : 0,
		.tells_dump = info.mask & PIDFD_INFO_COREDUMP_BIT,
	};
	if (ret_info->tells_dump) {
		ret_info->dumping = info.coredump_mask & PIDFD_COREDUMPED_BIT;
		ret_info->as_root = info.coredump_mask & PIDFD_COREDUMP_ROOT_BIT;
	}
	return true;
}
