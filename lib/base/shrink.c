#include "base/shrink.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

static volatile sig_atomic_t csn_shrink_flag;

/* The kernel says BUS_ADRERR for mapped files alone: the page lies behind the file's end, or its
 * disk failed. Whatever else it is (a bus error of hardware, a signal that somebody sent) comes
 * again when the handler is gone, and ends us. */
static void csn_shrink_handle(int number, siginfo_t *info, void *context)
{
	uintptr_t page_bytes = (uintptr_t)sysconf(_SC_PAGESIZE);
	char *start = (char *)info->si_addr - (uintptr_t)info->si_addr % page_bytes;
	int saved = errno;
	void *page;

	(void)context;
	page = info->si_code == BUS_ADRERR ? mmap(start, page_bytes, PROT_READ,
						  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0)
					   : MAP_FAILED;
	if (page == MAP_FAILED) {
		signal(number, SIG_DFL);
		raise(number);
	}
	csn_shrink_flag = 1;
	errno = saved;
}

void csn_shrink_guard_install(void)
{
	struct sigaction action = { .sa_sigaction = csn_shrink_handle,
				    .sa_flags = SA_SIGINFO | SA_NODEFER };

	sigaction(SIGBUS, &action, NULL);
}

void csn_shrink_note(void)
{
	csn_shrink_flag = 1;
}

bool csn_shrink_noted(void)
{
	return csn_shrink_flag != 0;
}
