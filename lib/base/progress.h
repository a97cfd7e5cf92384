/* What is being done now, for those who wait.
 *
 * lib/ tells a sink; it never prints. The line is what programs may do with it: text on the
 * terminal that stands there from the second second on and is gone before anything else is
 * printed. It is drawn from a timer's signal (SIGALRM), because one step alone may take long. */
#ifndef CSN_BASE_PROGRESS_H
#define CSN_BASE_PROGRESS_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

/* phase: "unwinding"; object: what is at hand, NULL none; done of total, 0 when nothing is counted.
 * Called often: it must be cheap. Texts are borrowed for the call. */
typedef void (*csn_progress_fn)(void *context, const char *phase, const char *object, size_t done,
				size_t total);

/* Borrowed context. A sink without tell hears nothing. */
struct csn_progress_sink {
	csn_progress_fn tell;
	void *context;
};

/* Tells the sink, if it hears. */
void csn_progress_tell(const struct csn_progress_sink *sink, const char *phase, const char *object,
		       size_t done, size_t total);

/* The line of a program. It must not move while it is shown. */
struct csn_progress_line {
	const char *program; /* borrowed */
	timer_t timer;
	bool running;
	volatile sig_atomic_t shown;
	volatile sig_atomic_t current; /* which text is whole */
	char text[2][160];
};

/* Starts it where standard error is a terminal; elsewhere it stays silent. */
void csn_progress_line_start(struct csn_progress_line *line, const char *program);
/* Wipes the line away. Accepts one that was never started. */
void csn_progress_line_stop(struct csn_progress_line *line);
/* A sink that shows what it is told in the line. */
struct csn_progress_sink csn_progress_line_sink(struct csn_progress_line *line);

#endif
