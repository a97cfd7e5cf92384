/* coresnap-archive: what the kernel starts when a process dies (core_pattern). */
#include <fcntl.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "archive.h"
#include "base/options.h"

#define ALL_SECONDS 10

static const char *const usages[] = {
	"coresnap-archive PID TID SIGNAL DUMPABLE TIME UID GID [PIDFD]",
	"coresnap-archive --listen [-f] [--supervised]",
	"coresnap-archive --file CORE",
	NULL,
};

static const char *const examples[] = {
	"# what 'coresnap enable' writes into /proc/sys/kernel/core_pattern",
	"|/opt/backtrace/sbin/coresnap-archive %P %I %s %d %t %u %g %F",
	"# takes an existing core file into the spool",
	"coresnap-archive --file /tmp/core.1234",
	NULL,
};

/* The kernel closes 1 and 2: the first files opened must not become the log's stderr. Our own
 * crash must not start us again, so the limit of 1 that the kernel gave stays, and a stuck helper
 * dies by the alarm's default action even where a handler could not run. */
static void harden(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

int main(int argc, char **argv)
{
	const char *file = NULL;
	struct archive_listen_options listen = { 0 };
	bool listens = false;
	const struct csn_option options[] = {
		{ "file", 0, CSN_OPT_STRING, "CORE", "take this core file into the spool", &file },
		{ "listen", 0, CSN_OPT_FLAG, NULL, "take crashes through a socket (capture.mode)",
		  &listens },
		{ "foreground", 'f', CSN_OPT_FLAG, NULL, "listen in the foreground",
		  &listen.foreground },
		{ "supervised", 0, CSN_OPT_FLAG, NULL,
		  "somebody starts the listener again when it dies", &listen.supervised },
		{ "root", 0, CSN_OPT_STRING, "DIR", "installation below DIR", &listen.root },
		{ NULL },
	};
	const struct csn_program program = {
		.name = "coresnap-archive",
		.summary =
			"Archives a crashing process; started by the kernel through core_pattern.",
		.usages = usages,
		.options = options,
		.examples = examples,
		.notes = "Exit status: 0 archived, 64 usage, 65 no core, 71 system error,\n"
			 "75 disk full (tried to keep the notes), 77 not root, 78 no spool.",
	};
	struct archive archive = ARCHIVE_INIT;
	struct csn_request request;
	struct csn_error err;
	int first, status;

	harden();
	status = csn_options_parse(&program, argc, argv, &first);
	if (status >= 0)
		return status;
	if (listens)
		return archive_listen(&listen);
	if (!file) {
		alarm(ALL_SECONDS);
		if (csn_request_parse((size_t)(argc - first), (const char *const *)argv + first,
				      &request, &err) < 0)
			return csn_usage_error(&program, "%s", err.text);
	}
	if ((file ? archive_open(&archive, listen.root, &err)
		  : archive_open_for_crash(&archive, listen.root, &err)) < 0) {
		csn_log(&archive.log, LOG_ERR, "%s", err.text);
		if (archive.log.to_syslog)
			fprintf(stderr, "coresnap-archive: %s\n", err.text);
		return CSN_EXIT_CONFIG;
	}
	return file ? archive_file(&archive, file) : archive_pipe(&archive, &request);
}
