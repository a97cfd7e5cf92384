#include "spool/kernel_pattern.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/text.h"

#define LIMIT_FILE "/proc/sys/kernel/core_pipe_limit"

int csn_kernel_line_read(const char *path, char *out, size_t out_size, struct csn_error *err)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? csn_read_full(fd, out, out_size - 1) : -errno;

	if (n < 0)
		return csn_fail_os(err, (int)-n, "%s", path);
	out[n] = '\0';
	out[strcspn(out, "\n")] = '\0';
	return 0;
}

int csn_core_pattern_get(struct csn_core_pattern *ret_pattern, struct csn_error *err)
{
	struct csn_core_pattern pattern = { 0 };
	char limit[24];
	uint64_t value;
	int r = csn_kernel_line_read(CSN_CORE_PATTERN_FILE, pattern.text, sizeof(pattern.text),
				     err);

	if (r == 0)
		r = csn_kernel_line_read(LIMIT_FILE, limit, sizeof(limit), err);
	if (r < 0)
		return r;
	pattern.pipe_limit = csn_parse_u64(limit, 10, &value) ? (unsigned)value : 0;
	*ret_pattern = pattern;
	return 0;
}

/* An empty line is written as its end: nothing at all would change nothing. */
static int write_line(const char *path, const char *text, struct csn_error *err)
{
	cleanup_close int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	const char *line = *text ? text : "\n";
	int r = fd >= 0 ? csn_write_full(fd, line, strlen(line)) : -errno;

	if (r == -EROFS || r == -EACCES || r == -EPERM)
		return csn_fail(err, CSN_E_DENIED, "%s: %s", path, strerror(-r));
	if (r < 0)
		return csn_fail_os(err, -r, "%s", path);
	return 0;
}

int csn_core_pattern_set(const struct csn_core_pattern *pattern, struct csn_error *err)
{
	struct csn_core_pattern seen;
	char limit[24];
	int r;

	snprintf(limit, sizeof(limit), "%u", pattern->pipe_limit);
	r = write_line(LIMIT_FILE, limit, err);
	if (r == 0)
		r = write_line(CSN_CORE_PATTERN_FILE, pattern->text, err);
	if (r == 0)
		r = csn_core_pattern_get(&seen, err);
	if (r == 0 &&
	    (strcmp(seen.text, pattern->text) != 0 || seen.pipe_limit != pattern->pipe_limit))
		return csn_fail(err, CSN_E_OS, "%s: the kernel did not keep what was written",
				CSN_CORE_PATTERN_FILE);
	return r;
}

int csn_core_pattern_save(const struct csn_core_pattern *pattern, const char *path,
			  struct csn_error *err)
{
	char text[CSN_CORE_PATTERN_MAX + 32];
	int n = snprintf(text, sizeof(text), "%s\n%u\n", pattern->text, pattern->pipe_limit);

	return csn_write_file(AT_FDCWD, path, text, (size_t)n, 0644, err);
}

int csn_core_pattern_load(const char *path, struct csn_core_pattern *ret_pattern,
			  struct csn_error *err)
{
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(CSN_MAX_STATE_FILE);
	struct csn_core_pattern pattern = { 0 };
	struct stat status;
	uint64_t limit;
	size_t length;
	char *end;

	if (lstat(path, &status) < 0 || !S_ISREG(status.st_mode) || status.st_uid != 0)
		return csn_fail(err, CSN_E_NOT_FOUND, "%s: no file of root's", path);
	if (csn_read_file(AT_FDCWD, path, &text, err) < 0)
		return csn_wrap(err, "%s", path);
	length = text.size ? strcspn(text.data, "\n") : 0;
	if (!text.size || length >= sizeof(pattern.text) || text.data[length] != '\n')
		return csn_fail(err, CSN_E_NOT_FOUND, "%s: cut off", path);
	memcpy(pattern.text, text.data, length);
	end = text.data + length + 1;
	end[strcspn(end, "\n")] = '\0';
	if (csn_parse_u64(end, 10, &limit))
		pattern.pipe_limit = (unsigned)limit;
	*ret_pattern = pattern;
	return 0;
}

int csn_make_roots_folder(const char *path, unsigned mode, struct csn_error *err)
{
	struct stat status;

	if (mkdir(path, mode) < 0 && errno != EEXIST)
		return csn_fail_os(err, errno, "%s", path);
	if (lstat(path, &status) < 0)
		return csn_fail_os(err, errno, "%s", path);
	if (!S_ISDIR(status.st_mode) || status.st_uid != 0 || (status.st_mode & 0777 & ~mode))
		return csn_fail(err, CSN_E_DENIED, "%s: must be a folder of root alone, mode %o",
				path, mode);
	return 0;
}
