/* A crash that the kernel brings by starting us: the core is standard input. */
#include "archive.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/limits.h"

/* With a short pipe the kernel would wait for us within the notes of many threads. But where
 * core_pipe_limit is 0 it does not wait for us in the end, and a small core that fits into the pipe
 * would be written, and its process gone, before we looked. */
static void widen_pipe(void)
{
	cleanup_close int fd = open("/proc/sys/kernel/core_pipe_limit", O_RDONLY | O_CLOEXEC);
	char first = '0';

	if (fd >= 0 && read(fd, &first, 1) == 1 && first != '0')
		(void)fcntl(STDIN_FILENO, F_SETPIPE_SZ, (int)CSN_MIB);
}

int archive_pipe(struct archive *archive, const struct csn_request *request)
{
	widen_pipe();
	return archive_crash(archive, request, STDIN_FILENO);
}
