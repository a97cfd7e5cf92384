#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/text.h"

static bool connect_syslog(int fd)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };

	return fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
}

void csn_log_open(struct csn_log *log, const char *identifier, int facility, bool foreground)
{
	*log = (struct csn_log){
		.identifier = identifier,
		.socket_fd = -1,
		.facility = facility,
		.max_level = LOG_INFO,
		.copy_fd = -1,
	};
	if (foreground)
		return;
	log->socket_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	log->to_syslog = connect_syslog(log->socket_fd);
}

void csn_log_close(struct csn_log *log)
{
	if (log->socket_fd >= 0)
		close(log->socket_fd);
	if (log->copy_fd >= 0)
		close(log->copy_fd);
	log->socket_fd = log->copy_fd = -1;
}

/* A system log that was restarted, or that comes up after us, has another socket of that name.
 * Connecting the same descriptor again needs no lock. */
static bool send_syslog(int fd, const struct csn_buf *line)
{
	if (send(fd, line->data, line->size, MSG_NOSIGNAL) >= 0)
		return true;
	return connect_syslog(fd) && send(fd, line->data, line->size, MSG_NOSIGNAL) >= 0;
}

static void put_line(const struct csn_log *log, int level, const char *text)
{
	cleanup_(csn_buf_done) struct csn_buf line = CSN_BUF_INIT(CSN_MAX_LOG_LINE + 256);
	struct tm when;
	char stamp[32] = "";
	time_t now = time(NULL);

	/* RFC 3164: the local time without year. */
	localtime_r(&now, &when);
	strftime(stamp, sizeof(stamp), "%b %e %H:%M:%S", &when);
	if (log->socket_fd >= 0) {
		csn_buf_printf(&line, "<%d>%s %s[%d]: %s", log->facility | level, stamp,
			       log->identifier, (int)getpid(), text);
		if (csn_buf_ok(&line) && send_syslog(log->socket_fd, &line))
			return;
		csn_buf_clear(&line);
	}
	csn_buf_printf(&line, "%s[%d]: %s\n", log->identifier, (int)getpid(), text);
	if (csn_buf_ok(&line))
		(void)csn_write_full(STDERR_FILENO, line.data, line.size);
}

static void put_copy(const struct csn_log *log, const char *text)
{
	cleanup_(csn_buf_done) struct csn_buf line = CSN_BUF_INIT(CSN_MAX_LOG_LINE + 256);
	char stamp[32] = "";
	struct tm when;
	time_t now = time(NULL);

	if (log->copy_fd < 0)
		return;
	localtime_r(&now, &when);
	strftime(stamp, sizeof(stamp), "%b %e %H:%M:%S", &when);
	csn_buf_printf(&line, "%s %s[%d]: %s\n", stamp, log->identifier, (int)getpid(), text);
	if (csn_buf_ok(&line))
		(void)csn_write_full(log->copy_fd, line.data, line.size);
}

void csn_log_raw(struct csn_log *log, int level, const char *text)
{
	if (level > log->max_level)
		return;
	put_line(log, level, text);
	put_copy(log, text);
}

void csn_log(struct csn_log *log, int level, const char *format, ...)
{
	cleanup_(csn_buf_done) struct csn_buf message = CSN_BUF_INIT(CSN_MAX_LOG_LINE);
	cleanup_(csn_buf_done) struct csn_buf shown = CSN_BUF_INIT(CSN_MAX_LOG_LINE);
	va_list args;

	if (level > log->max_level)
		return;
	va_start(args, format);
	csn_buf_vprintf(&message, format, args);
	va_end(args);
	if (csn_buf_ok(&message))
		csn_escape_text(&shown, csn_buf_text(&message), message.size);
	csn_log_raw(log, level, csn_buf_ok(&shown) ? csn_buf_text(&shown) : "(message too long)");
}
