/* The list of system calls. Everything else ends the process, but for what libraries try and can do
 * without: that fails. */
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sandbox/sandbox_internal.h"

/* Descriptors that are there, memory, time, and ending. None can name a file or another process. */
static const int allowed[] = {
	SCMP_SYS(read),         SCMP_SYS(pread64),         SCMP_SYS(write),
	SCMP_SYS(writev),       SCMP_SYS(lseek),           SCMP_SYS(fstat),
	SCMP_SYS(close),        SCMP_SYS(sendmsg),         SCMP_SYS(recvmsg),
	SCMP_SYS(munmap),       SCMP_SYS(mremap),          SCMP_SYS(madvise),
	SCMP_SYS(brk),          SCMP_SYS(futex),           SCMP_SYS(clock_gettime),
	SCMP_SYS(gettimeofday), SCMP_SYS(timer_settime),   SCMP_SYS(timer_delete),
	SCMP_SYS(getrandom),    SCMP_SYS(uname),           SCMP_SYS(sysinfo),
	SCMP_SYS(getpid),       SCMP_SYS(gettid),          SCMP_SYS(sched_yield),
	SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask),  SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sigaltstack),  SCMP_SYS(restart_syscall), SCMP_SYS(exit),
	SCMP_SYS(exit_group),
};

/* Allowed with this argument only. */
struct with_argument {
	int call;
	struct scmp_arg_cmp argument;
};

/* What libc tries when it starts an arena, prints or sorts, on one system or another. */
static const struct {
	int call, error;
} refused[] = {
	{ SCMP_SYS(open), EACCES },
	{ SCMP_SYS(openat), EACCES },
	{ SCMP_SYS(ioctl), ENOTTY },
	{ SCMP_SYS(prctl), EPERM },
	{ SCMP_SYS(sched_getaffinity), EPERM },
};

static bool add_rules(scmp_filter_ctx filter)
{
	const struct with_argument narrow[] = {
		{ SCMP_SYS(mmap), SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0) },
		{ SCMP_SYS(mprotect), SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0) },
		/* fstat(2) of some libcs. */
		{ SCMP_SYS(newfstatat), SCMP_A3_64(SCMP_CMP_EQ, AT_EMPTY_PATH) },
		{ SCMP_SYS(fcntl), SCMP_A1_64(SCMP_CMP_EQ, F_DUPFD_CLOEXEC) },
		/* raise(3) and abort(3). */
		{ SCMP_SYS(tgkill), SCMP_A0_64(SCMP_CMP_EQ, (scmp_datum_t)getpid()) },
	};
	bool ok = true;

	for (size_t i = 0; i < csn_countof(allowed); i++)
		ok &= seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0) == 0;
	for (size_t i = 0; i < csn_countof(narrow); i++)
		ok &= seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, narrow[i].call, 1,
					     &narrow[i].argument) == 0;
	for (size_t i = 0; i < csn_countof(refused); i++)
		ok &= seccomp_rule_add(filter, SCMP_ACT_ERRNO((uint16_t)refused[i].error),
				       refused[i].call, 0) == 0;
	return ok;
}

bool csn_seccomp_restrict(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	bool ok;

	if (!filter)
		return false;
	/* A tree instead of a list: the kernel asks it about every call there is when it is loaded.
	 * Libraries before 2.5 do without. */
	(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	ok = add_rules(filter) && seccomp_load(filter) == 0;
	seccomp_release(filter);
	return ok;
}
