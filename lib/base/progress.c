#include "base/progress.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"

#define CSN_PROGRESS_FIRST_S 1
#define CSN_PROGRESS_NEXT_NS 200000000

void csn_progress_tell(const struct csn_progress_sink *sink, const char *phase, const char *object,
		       size_t done, size_t total)
{
	if (sink->tell)
		sink->tell(sink->context, phase, object, done, total);
}

/* In the signal: nothing but write. A line that cannot be drawn is not missed. */
static void csn_progress_draw(int number, siginfo_t *info, void *context)
{
	struct csn_progress_line *line =
		info->si_code == SI_TIMER ? info->si_value.sival_ptr : NULL;
	int saved = errno;
	const char *text;

	(void)number;
	(void)context;
	if (!line)
		return;
	text = line->text[line->current];
	line->shown = 1;
	if (write(STDERR_FILENO, text, strlen(text)) < 0)
		line->shown = 0;
	errno = saved;
}

void csn_progress_line_start(struct csn_progress_line *line, const char *program)
{
	const struct sigaction action = { .sa_sigaction = csn_progress_draw,
					  .sa_flags = SA_SIGINFO | SA_RESTART };
	const struct itimerspec times = { .it_value.tv_sec = CSN_PROGRESS_FIRST_S,
					  .it_interval.tv_nsec = CSN_PROGRESS_NEXT_NS };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL,
				  .sigev_signo = SIGALRM,
				  .sigev_value.sival_ptr = line };
	const char *term = getenv("TERM");

	*line = (struct csn_progress_line){ .program = program };
	if (!isatty(STDERR_FILENO) || !term || strcmp(term, "dumb") == 0 ||
	    sigaction(SIGALRM, &action, NULL) < 0 ||
	    timer_create(CLOCK_MONOTONIC, &event, &line->timer) < 0)
		return;
	line->running = true;
	if (timer_settime(line->timer, 0, &times, NULL) < 0)
		csn_progress_line_stop(line);
}

void csn_progress_line_stop(struct csn_progress_line *line)
{
	static const char wipe[] = "\r\033[K";

	if (!line->running)
		return;
	line->running = false;
	timer_delete(line->timer);
	signal(SIGALRM, SIG_IGN);
	if (line->shown && write(STDERR_FILENO, wipe, sizeof(wipe) - 1) < 0)
		line->shown = 0;
}

static void csn_progress_line_tell(void *context, const char *phase, const char *object,
				   size_t done, size_t total)
{
	struct csn_progress_line *line = context;
	char *text = line->text[!line->current], count[48] = "", shown[64] = "";

	if (!line->running)
		return;
	if (total)
		snprintf(count, sizeof(count), " %zu of %zu", done, total);
	if (object)
		csn_escape_to(shown, sizeof(shown), object);
	snprintf(text, sizeof(line->text[0]), "\r%s: %s%s%s%s\033[K", line->program, phase, count,
		 object ? " " : "", shown);
	line->current = !line->current;
}

struct csn_progress_sink csn_progress_line_sink(struct csn_progress_line *line)
{
	return (struct csn_progress_sink){ csn_progress_line_tell, line };
}
