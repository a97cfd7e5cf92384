/* Questions at the terminal itself (not stdin, which may be a pipe of data). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "morgue.h"

#define CONTROL_C 3

static int read_line(int fd, struct csn_buf *line)
{
	char c;
	ssize_t n;

	while ((n = csn_read_full(fd, &c, 1)) == 1 && c != '\n') {
		if (c == CONTROL_C)
			return -1;
		csn_buf_putc(line, c);
	}
	return n < 0 || (n == 0 && line->size == 0) ? -1 : 0;
}

/* While a secret is typed, echo is off, and signals too: a Ctrl-C that killed us here would leave
 * the terminal silent. */
static int read_hidden(int fd, struct csn_buf *line)
{
	struct termios before, silent;
	int r;

	if (tcgetattr(fd, &before) < 0)
		return read_line(fd, line);
	silent = before;
	silent.c_lflag &= (tcflag_t) ~(ECHO | ISIG);
	silent.c_lflag |= ECHONL;
	silent.c_cc[VEOL] = CONTROL_C;
	tcsetattr(fd, TCSAFLUSH, &silent);
	r = read_line(fd, line);
	tcsetattr(fd, TCSAFLUSH, &before);
	return r;
}

int morgue_ask(const char *question, bool hidden, const char *instead, char **ret_answer)
{
	cleanup_(csn_buf_done) struct csn_buf line = CSN_BUF_INIT(4096);
	cleanup_close int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	int r;

	if (fd < 0 || !isatty(STDIN_FILENO))
		return morgue_fail("no terminal to ask '%s' at; set %s", question, instead);
	csn_buf_printf(&line, "%s: ", question);
	r = csn_write_full(fd, csn_buf_text(&line), line.size);
	csn_buf_clear(&line);
	if (r == 0)
		r = hidden ? read_hidden(fd, &line) : read_line(fd, &line);
	if (r < 0)
		return morgue_fail("nothing was typed");
	csn_buf_puts(&line, "");
	*ret_answer = csn_buf_take(&line);
	return *ret_answer ? 0 : morgue_fail("that is too long");
}
