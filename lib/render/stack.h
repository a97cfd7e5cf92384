/* Stacks as text, the way gdb's users read them.
 *
 *	vim.basic (pid 1234): SIGABRT sent by kill(2) from pid 1 uid 0 in pselect (libc.so.6)
 *
 *	Thread 1234 "vim.basic" faulted:
 *	#0  0x00007f12a4d0b1a4 in pselect () from /lib/x86_64-linux-gnu/libc.so.6
 *
 * The faulting thread comes first; threads with the same stack are told once; runs of one address
 * (recursion) are folded. Everything that came from the process is escaped: one line stays one
 * line. */
#ifndef CSN_RENDER_STACK_H
#define CSN_RENDER_STACK_H

#include "base/buf.h"
#include "base/error.h"
#include "snapshot/snapshot.h"

struct csn_render_options {
	bool colour;
	bool verbose;   /* registers, variables, how each frame was found, why each walk ended */
	bool faulted;   /* only faulted threads */
	bool no_source; /* leave source positions out */
	bool no_fold;   /* every thread and every frame */
};

/* LIMIT or NOMEM only. */
int csn_render_snapshot(const struct csn_snapshot *snapshot,
			const struct csn_render_options *options, struct csn_buf *out,
			struct csn_error *err) csn_must_check;

#endif
