#include "base/privilege.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The C library's wrappers change every thread and wait for each; the system calls do not. */
int csn_privilege_drop(uid_t uid, gid_t gid, struct csn_error *err)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { 0 };
	int capability;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return csn_fail_os(err, errno, "no_new_privs");
	/* Started by hand by an ordinary user there is nothing to give up. */
	if (geteuid() == 0) {
		for (capability = 0; capability <= CAP_LAST_CAP; capability++)
			(void)prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
		if (syscall(SYS_setgroups, 0, NULL) < 0)
			return csn_fail_os(err, errno, "setgroups");
		if (syscall(SYS_setresgid, gid, gid, gid) < 0)
			return csn_fail_os(err, errno, "setresgid %u", gid);
		if (syscall(SYS_setresuid, uid, uid, uid) < 0)
			return csn_fail_os(err, errno, "setresuid %u", uid);
	}
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (syscall(SYS_capset, &header, none) < 0)
		return csn_fail_os(err, errno, "capset");
	/* A change of uid makes a process dumpable again. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return csn_fail_os(err, errno, "PR_SET_DUMPABLE");
	return 0;
}
