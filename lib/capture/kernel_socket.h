/* The kernel's own protocol for cores that come through a socket: core_pattern "@@/path", Linux
 * 6.17, <linux/coredump.h>.
 *
 * The kernel connects in the name of the dying process and says what it can do (struct
 * coredump_req); we say what we want of it (struct coredump_ack); it answers with a mark, and the
 * core follows as through a pipe. Both structs may grow, so their sizes are agreed on, never
 * assumed. A connection is believed only when the kernel says that the process at its other end
 * dumps core: whoever may reach the socket could connect. */
#ifndef CSN_CAPTURE_KERNEL_SOCKET_H
#define CSN_CAPTURE_KERNEL_SOCKET_H

#include "capture/request.h"

/* Who connected: fills all of the request but tid and signal (csn_request_complete); its pidfd is
 * then owned. DENIED when that is no process that dumps core, UNSUPPORTED on a kernel that cannot
 * tell. Never waits. */
int csn_kernel_socket_identify(int fd, struct csn_request *ret_request, struct csn_error *err)
	csn_must_check;

/* Asks for a core that the kernel writes, and for its waiting until we close when it can do that.
 * From then on it is at work. timeout_ms bounds each wait, also in csn_kernel_socket_confirm.
 * FORMAT, UNSUPPORTED, TIMEOUT. */
int csn_kernel_socket_ask(int fd, int timeout_ms, struct csn_error *err) csn_must_check;
/* Reads what the kernel thinks of that. After it the core's bytes follow. */
int csn_kernel_socket_confirm(int fd, struct csn_error *err) csn_must_check;

#endif
