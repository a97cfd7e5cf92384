/* What a peer may send where the kernel speaks: request and mark, of any size and in any pieces. */
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "capture/kernel_socket.h"

#define PATIENCE_MS 100
/* More than that is never read, and the socket need not hold it. */
#define MOST_BYTES 16384

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	struct csn_error err;
	uint8_t answer[64];
	ssize_t n;
	int ends[2], r;

	if (size_bytes > MOST_BYTES || socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
		return 0;
	if (csn_write_full(ends[0], data, size_bytes) < 0 || shutdown(ends[0], SHUT_WR) < 0)
		abort();
	r = csn_kernel_socket_ask(ends[1], PATIENCE_MS, &err);
	if (r == 0)
		r = csn_kernel_socket_confirm(ends[1], &err);
	n = recv(ends[0], answer, sizeof(answer), MSG_DONTWAIT);
	/* One answer of the first size, or none; none when the request was not understood. */
	if ((n > 0 && n != 16) || (r == 0 && n != 16))
		abort();
	close(ends[0]);
	close(ends[1]);
	return 0;
}
