/* Records of the kernel's log, one a line, as crashes that were refused are counted from them. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/limits_host.h"
#include "host/kernel_log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

/* Like the log, a socket of this kind gives one record to each read. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	const uint8_t *end = data + size_bytes, *line_end;
	uint64_t n_records = 0;
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends) < 0)
		return 0;
	for (; data < end; data = line_end + 1) {
		line_end = memchr(data, '\n', (size_t)(end - data));
		if (!line_end)
			line_end = end - 1;
		if (send(ends[1], data, (size_t)(line_end + 1 - data), MSG_NOSIGNAL) > 0)
			n_records++;
	}
	if (csn_kernel_log_refused(ends[0]) > n_records * UINT32_MAX)
		abort();
	close(ends[0]);
	close(ends[1]);
	return 0;
}
