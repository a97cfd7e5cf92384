#include "capture/kernel_socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/limits_host.h"
#include "base/span.h"
#include "capture/pidfd.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

/* struct coredump_req {u32 size, size_ack; u64 mask; ...} and struct coredump_ack {u32 size, spare;
 * u64 mask; ...} as they were first published; later ones only append. */
#define FIRST_REQUEST_BYTES 16u
#define FIRST_ANSWER_BYTES 16u

#define KERNEL_BIT (1ull << 0) /* the kernel writes the core */
#define WAIT_BIT (1ull << 3)   /* it waits for us to close, also when all was sent */

int csn_kernel_socket_identify(int fd, struct csn_request *ret_request, struct csn_error *err)
{
	cleanup_close int pidfd = -1;
	socklen_t size = sizeof(pidfd);
	struct csn_pidfd_info info;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) < 0)
		return csn_fail(err, CSN_E_DENIED, "the peer is gone: %s", strerror(errno));
	if (!csn_pidfd_read(pidfd, &info) || !info.tells_dump)
		return csn_fail(err, CSN_E_UNSUPPORTED,
				"the kernel does not say whether a process dumps core");
	if (!info.dumping)
		return csn_fail(err, CSN_E_DENIED, "process %lld does not dump core",
				(long long)info.pid);
	*ret_request = (struct csn_request){
		.pid = info.pid,
		.dumpable = info.as_root ? 2 : 1,
		.time = csn_realtime_ns() / CSN_NS_PER_SECOND,
		.uid = info.uid,
		.gid = info.gid,
		.pidfd = csn_take_fd(pidfd),
	};
	return 0;
}

static int receive(int fd, void *data, size_t size_bytes, const char *what, struct csn_error *err)
{
	ssize_t n = csn_read_full(fd, data, size_bytes);

	if (n == -EAGAIN)
		return csn_fail(err, CSN_E_TIMEOUT, "the kernel sends no %s", what);
	if (n < 0)
		return csn_fail_os(err, (int)-n, "reading the kernel's %s", what);
	if ((size_t)n < size_bytes)
		return csn_fail(err, CSN_E_FORMAT, "the kernel's %s ends at byte %zd of %zu", what,
				n, size_bytes);
	return 0;
}

/* All of it, whatever its size; what the kernel can do is in the part that is always there. */
static int receive_request(int fd, uint64_t *ret_mask, struct csn_error *err)
{
	uint8_t bytes[CSN_MAX_COREDUMP_REQUEST];
	uint32_t size, answer_size;
	struct csn_span span;
	uint64_t mask;
	int r = receive(fd, bytes, FIRST_REQUEST_BYTES, "request", err);

	if (r < 0)
		return r;
	span = csn_span_of(bytes, FIRST_REQUEST_BYTES);
	size = csn_span_u32(&span);
	answer_size = csn_span_u32(&span);
	mask = csn_span_u64(&span);
	if (size < FIRST_REQUEST_BYTES || size > sizeof(bytes))
		return csn_fail(err, CSN_E_FORMAT, "a request of %u bytes", size);
	r = receive(fd, bytes + FIRST_REQUEST_BYTES, size - FIRST_REQUEST_BYTES, "request", err);
	if (r < 0)
		return r;
	if (answer_size < FIRST_ANSWER_BYTES)
		return csn_fail(err, CSN_E_UNSUPPORTED, "the kernel takes answers of %u bytes",
				answer_size);
	if (!(mask & KERNEL_BIT))
		return csn_fail(err, CSN_E_UNSUPPORTED, "the kernel does not offer to write cores");
	*ret_mask = mask;
	return 0;
}

static int send_answer(int fd, uint64_t mask, struct csn_error *err)
{
	const struct {
		uint32_t size, spare;
		uint64_t mask;
	} answer = { FIRST_ANSWER_BYTES, 0, mask };
	ssize_t n = send(fd, &answer, sizeof(answer), MSG_NOSIGNAL);

	if (n < 0)
		return csn_fail_os(err, errno, "answering the kernel");
	return n == sizeof(answer) ? 0 : csn_fail(err, CSN_E_OS, "answering the kernel: cut off");
}

static int receive_mark(int fd, struct csn_error *err)
{
	static const char *const marks[] = {
		NULL,
		"its size is too small",
		"its size is too large",
		"it asks for what is not offered",
		"it contradicts itself",
	};
	struct csn_span span;
	uint8_t bytes[4];
	uint32_t mark;
	int r = receive(fd, bytes, sizeof(bytes), "mark", err);

	if (r < 0)
		return r;
	span = csn_span_of(bytes, sizeof(bytes));
	mark = csn_span_u32(&span);
	if (mark == 0)
		return 0;
	return csn_fail(err, CSN_E_UNSUPPORTED, "the kernel refuses our answer: %s (mark %u)",
			mark < csn_countof(marks) ? marks[mark] : "it does not say why", mark);
}

static int set_patience(int fd, int timeout_ms, struct csn_error *err)
{
	const struct timeval wait = { .tv_sec = timeout_ms / 1000,
				      .tv_usec = (long)(timeout_ms % 1000) * 1000 };

	return setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) < 0
		       ? csn_fail_os(err, errno, "SO_RCVTIMEO")
		       : 0;
}

int csn_kernel_socket_ask(int fd, int timeout_ms, struct csn_error *err)
{
	uint64_t mask = 0;
	int r = set_patience(fd, timeout_ms, err);

	if (r == 0)
		r = receive_request(fd, &mask, err);
	return r == 0 ? send_answer(fd, mask & (KERNEL_BIT | WAIT_BIT), err) : r;
}

int csn_kernel_socket_confirm(int fd, struct csn_error *err)
{
	int r = receive_mark(fd, err);

	/* The notes of ten thousand threads take their time. */
	return r == 0 ? set_patience(fd, 0, err) : r;
}
