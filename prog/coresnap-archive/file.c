/* An existing core file into the spool. */
#include "archive.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/options.h"
#include "base/text.h"
#include "elf/header.h"

/* Larger ones are refused: nobody's core is meant, and the copy would fill the disk. */
#define MAX_CORE_BYTES (1024 * CSN_GIB)

static int complain(const char *path, const struct csn_error *err, const char *next_step,
		    int status)
{
	char shown[512];

	fprintf(stderr, "coresnap-archive: %s: %s; %s\n", csn_escape_to(shown, sizeof(shown), path),
		err->text, next_step);
	return status;
}

static int check_core(int fd, struct csn_error *err)
{
	uint8_t head[CSN_ELF_PREFIX_BYTES];
	struct csn_elf_header header;
	struct csn_span image;
	struct stat status;
	ssize_t n;
	int r;

	if (fstat(fd, &status) < 0)
		return csn_fail_os(err, errno, "fstat");
	if (!S_ISREG(status.st_mode))
		return csn_fail(err, CSN_E_FORMAT, "not a plain file");
	n = csn_pread_full(fd, head, sizeof(head), 0);
	if (n < 0)
		return csn_fail_os(err, (int)-n, "read");
	image = csn_span_of(head, (size_t)n);
	r = csn_elf_header_read(&image, &header, err);
	if (r < 0)
		return r;
	if (header.type != ET_CORE)
		return csn_fail(err, CSN_E_FORMAT, "an ELF file, but not a core");
	return 0;
}

static int take_in(struct archive *archive, int fd, const char *uuid, struct csn_error *err)
{
	cleanup_(csn_publish_done) struct csn_publish file = CSN_PUBLISH_INIT;
	int r = archive_drop_root(archive, err);

	if (r == 0)
		r = csn_publish_begin(&file, archive->spool.stage_fd[CSN_STAGE_PENDING], uuid, 0600,
				      err);
	if (r == 0)
		r = csn_copy_fd(fd, file.fd, MAX_CORE_BYTES, NULL, err);
	return r < 0 ? r : csn_publish_commit(&file, false, err);
}

int archive_file(struct archive *archive, const char *path)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct csn_error err = CSN_ERROR_INIT;
	char uuid[CSN_UUID_TEXT], stored[CSN_MAX_PATH];

	if (fd < 0) {
		(void)csn_fail_os(&err, errno, "cannot be opened");
		return complain(path, &err, "name a core file that you may read", CSN_EXIT_DATA);
	}
	if (check_core(fd, &err) < 0)
		return complain(path, &err, "give a core file", CSN_EXIT_DATA);
	csn_uuid_format_random(uuid);
	if (take_in(archive, fd, uuid, &err) < 0)
		return complain(archive->spool.path, &err,
				err.os_errno == EACCES ? "run as root or as the spool's user"
						       : "free space there or move archive.path",
				err.os_errno == ENOSPC ? CSN_EXIT_TEMPORARY : CSN_EXIT_OS);
	archive_report(archive, uuid);
	printf("Crash dump archived in %s\n",
	       csn_spool_path(&archive->spool, "pending", uuid, stored, sizeof(stored)));
	return 0;
}
