/* The programs' logger: one line per event to syslog (/dev/log) or stderr.
 *
 * Only programs log; lib/ reports through return values and sinks. Where /dev/log is missing the
 * lines go to stderr, until it is there (again). Text is escaped, so one call is always one line.
 * Not thread-safe to open; safe to write from several threads (one write(2) per line). */
#ifndef CSN_BASE_LOG_H
#define CSN_BASE_LOG_H

#include <syslog.h>

#include "base/types.h"

struct csn_log {
	const char *identifier; /* borrowed: "coresnap" */
	int socket_fd;          /* -1: stderr */
	bool to_syslog;         /* /dev/log answered at opening */
	int facility;
	int max_level; /* LOG_INFO by default; LOG_DEBUG shows all */
	int copy_fd;   /* also append the plain line here; -1 none */
};

/* foreground: stderr even when /dev/log exists. Identifier must outlive the log. */
void csn_log_open(struct csn_log *log, const char *identifier, int facility, bool foreground);
void csn_log_close(struct csn_log *log);

/* level: LOG_ERR ... LOG_DEBUG. The message is escaped (csn_escape_text) and cut at
 * CSN_MAX_LOG_LINE. stderr lines read "identifier[pid]: message". */
void csn_log(struct csn_log *log, int level, const char *format, ...) csn_printf(3, 4);
/* Same, for text that is already quoted (csn_quote_command): only control bytes are escaped. */
void csn_log_raw(struct csn_log *log, int level, const char *text);

#endif
