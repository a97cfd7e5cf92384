#include "target/siginfo.h"

#include <signal.h>

#ifndef SI_ASYNCNL
#define SI_ASYNCNL (-60)
#endif

/* si_addr is filled for these, unless the kernel could not tell (SI_KERNEL: a general protection
 * fault gives address 0, which means nothing). */
static bool csn_signal_has_address(int number, int code)
{
	if (code <= 0 || code == SI_KERNEL)
		return false;
	return number == SIGSEGV || number == SIGBUS || number == SIGILL || number == SIGFPE ||
	       number == SIGTRAP;
}

bool csn_signal_read(struct csn_span bytes, unsigned word_bytes, struct csn_signal *ret_signal)
{
	struct csn_signal signal = { .present = true, .sender_pid = -1, .sender_uid = -1 };

	signal.trapno = -1;
	signal.number = (int)csn_span_int(&bytes, 4);
	signal.errnum = (int)csn_span_int(&bytes, 4);
	signal.code = (int)csn_span_int(&bytes, 4);
	/* What follows is aligned as a pointer. */
	csn_span_skip(&bytes, word_bytes - 4);
	if (!csn_span_ok(&bytes) || signal.number < 0 || signal.number > 64)
		return false;
	if (csn_signal_has_address(signal.number, signal.code)) {
		signal.address = csn_span_uint(&bytes, word_bytes);
		signal.has_address = csn_span_ok(&bytes);
	} else if (signal.code == SI_USER || signal.code == SI_QUEUE || signal.code == SI_TKILL) {
		signal.sender_pid = csn_span_int(&bytes, 4);
		signal.sender_uid = csn_span_u32(&bytes);
		signal.has_sender = csn_span_ok(&bytes);
	} else if (signal.number == SIGSYS && signal.code > 0) {
		csn_span_skip(&bytes, word_bytes);
		signal.trapno = csn_span_int(&bytes, 4);
	}
	*ret_signal = signal;
	return true;
}
