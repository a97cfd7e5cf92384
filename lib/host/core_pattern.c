#include "host/core_pattern.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/hash.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/text.h"
#include "base/uuid.h"

#define PATTERN_FILE "/proc/sys/kernel/core_pattern"
#define LIMIT_FILE "/proc/sys/kernel/core_pipe_limit"
#define HELPER "/opt/backtrace/sbin/coresnap-archive"
#define POLICY "/var/coresnap/policy"
#define ARGUMENTS "%P %I %s %d %t %u %g %F"
#define RUN_FOLDER "/run/coresnap"
#define PREVIOUS_FILE RUN_FOLDER "/previous"
/* The kernel takes 127 and cuts the rest without a word. */
#define MAX_LINE 120

/* Where a copy of the helper may live. */
static const char *const copy_places[] = { RUN_FOLDER, "/var/lib/coresnap" };

static int read_line(const char *path, char *out, size_t out_size, struct csn_error *err)
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
	int r = read_line(PATTERN_FILE, pattern.text, sizeof(pattern.text), err);

	if (r == 0)
		r = read_line(LIMIT_FILE, limit, sizeof(limit), err);
	if (r < 0)
		return r;
	pattern.pipe_limit = csn_parse_u64(limit, 10, &value) ? (unsigned)value : 0;
	*ret_pattern = pattern;
	return 0;
}

static int write_line(const char *path, const char *text, struct csn_error *err)
{
	cleanup_close int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	int r = fd >= 0 ? csn_write_full(fd, text, strlen(text)) : -errno;

	if (r == -EROFS || r == -EACCES || r == -EPERM)
		return csn_fail(err, CSN_E_DENIED, "%s: %s", path, strerror(-r));
	if (r < 0)
		return csn_fail_os(err, -r, "%s", path);
	return 0;
}

/* Writes both and reads both back: some kernels accept what they will not use. */
static int write_pattern(const struct csn_core_pattern *pattern, struct csn_error *err)
{
	struct csn_core_pattern seen;
	char limit[24];
	int r;

	snprintf(limit, sizeof(limit), "%u", pattern->pipe_limit);
	r = write_line(LIMIT_FILE, limit, err);
	if (r == 0)
		r = write_line(PATTERN_FILE, pattern->text, err);
	if (r == 0)
		r = csn_core_pattern_get(&seen, err);
	if (r == 0 &&
	    (strcmp(seen.text, pattern->text) != 0 || seen.pipe_limit != pattern->pipe_limit))
		return csn_fail(err, CSN_E_OS, "%s: the kernel did not keep what was written",
				PATTERN_FILE);
	return r;
}

/* The program of a pipe pattern: length of the word behind '|'. */
static size_t program_of(const char *text, const char **ret_program)
{
	if (*text != '|')
		return 0;
	*ret_program = text + 1 + strspn(text + 1, " ");
	return strcspn(*ret_program, " ");
}

static bool is_copy(const char *program, size_t length)
{
	uint8_t bytes[4];
	char hex[9];
	size_t i, at;

	for (i = 0; i < csn_countof(copy_places); i++) {
		at = strlen(copy_places[i]);
		if (length != at + 11 || strncmp(program, copy_places[i], at) != 0 ||
		    program[at] != '/' || strncmp(program + at + 9, "/a", 2) != 0)
			continue;
		memcpy(hex, program + at + 1, 8);
		hex[8] = '\0';
		if (csn_hex_parse(hex, bytes, sizeof(bytes)))
			return true;
	}
	return false;
}

bool csn_core_pattern_is_helper(const char *text)
{
	static const char name[] = "/coresnap-archive";
	const char *program = NULL;
	size_t length = program_of(text, &program), tail = sizeof(name) - 1;

	if (!program)
		return false;
	return (length >= tail && strncmp(program + length - tail, name, tail) == 0) ||
	       is_copy(program, length);
}

/* The real path of this installation's helper. */
static int find_helper(const struct csn_root *root, char *out, size_t out_size,
		       struct csn_error *err)
{
	char path[CSN_MAX_PATH];
	cleanup_free char *real = NULL;

	csn_root_path(root, HELPER, path, sizeof(path));
	real = realpath(path, NULL);
	if (!real)
		return csn_fail_os(err, errno, "%s", path);
	if (access(real, X_OK) < 0)
		return csn_fail_os(err, errno, "%s", real);
	if ((size_t)snprintf(out, out_size, "%s", real) >= out_size)
		return csn_fail(err, CSN_E_LIMIT, "the helper's path is too long");
	return 0;
}

static void format_copy_folder(const char *place, const char *helper, char *out, size_t out_size)
{
	char digest[CSN_SHA256_TEXT];

	csn_sha256_hex(helper, strlen(helper), digest);
	snprintf(out, out_size, "%s/%.8s", place, digest);
}

bool csn_core_pattern_is_of_root(const char *text, const struct csn_root *root)
{
	char helper[CSN_MAX_PATH], folder[CSN_MAX_PATH];
	const char *program = NULL;
	size_t length = program_of(text, &program), i;
	struct csn_error ignored;

	if (!program || find_helper(root, helper, sizeof(helper), &ignored) < 0)
		return false;
	if (strlen(helper) == length && strncmp(helper, program, length) == 0)
		return true;
	for (i = 0; i < csn_countof(copy_places); i++) {
		format_copy_folder(copy_places[i], helper, folder, sizeof(folder));
		if (is_copy(program, length) && strncmp(folder, program, strlen(folder)) == 0)
			return true;
	}
	return false;
}

/* True when nobody but root can change what stands at path, its folders included. */
static bool is_roots_alone(const char *path)
{
	char part[CSN_MAX_PATH];
	struct stat status;
	size_t length;

	for (length = strlen(path); length > 0; length--) {
		if (path[length] != '\0' && path[length] != '/')
			continue;
		snprintf(part, sizeof(part), "%.*s", (int)length, path);
		if (lstat(part, &status) < 0 || status.st_uid != 0 || (status.st_mode & 022))
			return false;
	}
	return true;
}

/* A root-owned folder, made when missing. */
static int make_roots_folder(const char *path, struct csn_error *err)
{
	struct stat status;

	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return csn_fail_os(err, errno, "%s", path);
	if (lstat(path, &status) < 0)
		return csn_fail_os(err, errno, "%s", path);
	if (!S_ISDIR(status.st_mode) || status.st_uid != 0 || (status.st_mode & 022))
		return csn_fail(err, CSN_E_DENIED, "%s: must be a folder of root alone", path);
	return 0;
}

static int copy_file(const char *from, const char *to, struct csn_error *err)
{
	cleanup_(csn_publish_done) struct csn_publish publish = CSN_PUBLISH_INIT;
	cleanup_close int fd = open(from, O_RDONLY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return csn_fail_os(err, errno, "%s", from);
	r = csn_publish_begin(&publish, AT_FDCWD, to, 0755, err);
	if (r == 0)
		r = csn_copy_fd(fd, publish.fd, CSN_GIB, NULL, err);
	if (r == 0 && fchmod(publish.fd, 0755) < 0)
		r = csn_fail_os(err, errno, "%s", to);
	return r < 0 ? r : csn_publish_commit(&publish, true, err);
}

static int link_policy(const struct csn_root *root, const char *folder, struct csn_error *err)
{
	char target[CSN_MAX_PATH], link[CSN_MAX_PATH + 16];

	csn_root_path(root, POLICY, target, sizeof(target));
	snprintf(link, sizeof(link), "%s/policy", folder);
	if (unlink(link) < 0 && errno != ENOENT)
		return csn_fail_os(err, errno, "%s", link);
	return symlink(target, link) < 0 ? csn_fail_os(err, errno, "%s", link) : 0;
}

static int copy_helper(const struct csn_root *root, const char *helper, char *out, size_t out_size,
		       struct csn_error *err)
{
	char folder[CSN_MAX_PATH], copy[CSN_MAX_PATH + 8];
	struct statvfs status;
	size_t i;
	int r;

	for (i = 0; i < csn_countof(copy_places); i++) {
		r = make_roots_folder(copy_places[i], err);
		if (r < 0)
			return r;
		if (statvfs(copy_places[i], &status) == 0 && !(status.f_flag & ST_NOEXEC))
			break;
	}
	if (i == csn_countof(copy_places))
		return csn_fail(err, CSN_E_DENIED, "%s and %s are mounted noexec", copy_places[0],
				copy_places[1]);
	format_copy_folder(copy_places[i], helper, folder, sizeof(folder));
	r = make_roots_folder(folder, err);
	if (r == 0)
		r = link_policy(root, folder, err);
	if (r < 0)
		return r;
	if ((size_t)snprintf(copy, sizeof(copy), "%s/a", folder) >= out_size)
		return csn_fail(err, CSN_E_LIMIT, "the helper's path is too long");
	r = copy_file(helper, copy, err);
	if (r == 0)
		memcpy(out, copy, strlen(copy) + 1);
	return r;
}

/* The line for this installation, with the helper copied when it has to be. */
static int make_line(const struct csn_root *root, struct csn_core_pattern *pattern,
		     struct csn_error *err)
{
	char helper[CSN_MAX_PATH], line[CSN_MAX_PATH + 64];
	int r = find_helper(root, helper, sizeof(helper), err);

	if (r < 0)
		return r;
	snprintf(line, sizeof(line), "|%s %s", helper, ARGUMENTS);
	if (strlen(line) > MAX_LINE || strpbrk(helper, " \t\n%") || !is_roots_alone(helper)) {
		r = copy_helper(root, helper, helper, sizeof(helper), err);
		if (r < 0)
			return r;
		snprintf(line, sizeof(line), "|%s %s", helper, ARGUMENTS);
	}
	pattern->pipe_limit = CSN_CORE_PIPE_LIMIT;
	memcpy(pattern->text, line, strlen(line) + 1);
	return 0;
}

static int save_previous(const struct csn_core_pattern *pattern, struct csn_error *err)
{
	char text[CSN_CORE_PATTERN_MAX + 32];
	int n = snprintf(text, sizeof(text), "%s\n%u\n", pattern->text, pattern->pipe_limit);
	int r = make_roots_folder(RUN_FOLDER, err);

	return r < 0 ? r : csn_write_file(AT_FDCWD, PREVIOUS_FILE, text, (size_t)n, 0644, err);
}

/* What was there before us; the kernel's own default when nobody wrote it down. */
static struct csn_core_pattern read_previous(void)
{
	struct csn_core_pattern pattern = { .text = "core" };
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(CSN_MAX_STATE_FILE);
	struct csn_error ignored;
	struct stat status;
	uint64_t limit;
	size_t length;
	char *end;

	if (lstat(PREVIOUS_FILE, &status) < 0 || !S_ISREG(status.st_mode) || status.st_uid != 0 ||
	    csn_read_file(AT_FDCWD, PREVIOUS_FILE, &text, &ignored) < 0 || !text.size)
		return pattern;
	length = strcspn(text.data, "\n");
	if (length >= sizeof(pattern.text) || text.data[length] != '\n')
		return pattern;
	memcpy(pattern.text, text.data, length);
	pattern.text[length] = '\0';
	end = text.data + length + 1;
	end[strcspn(end, "\n")] = '\0';
	if (csn_parse_u64(end, 10, &limit))
		pattern.pipe_limit = (unsigned)limit;
	return pattern;
}

/* Nothing is changed before it is known that the kernel's file can be written at all. */
static int check_writable(struct csn_error *err)
{
	cleanup_close int fd = open(PATTERN_FILE, O_WRONLY | O_CLOEXEC);

	if (fd >= 0)
		return 0;
	if (errno == EROFS || errno == EACCES || errno == EPERM)
		return csn_fail(err, CSN_E_DENIED, "%s: %s", PATTERN_FILE, strerror(errno));
	return csn_fail_os(err, errno, "%s", PATTERN_FILE);
}

int csn_core_pattern_enable(const struct csn_root *root, struct csn_core_pattern *ret_pattern,
			    struct csn_error *err)
{
	struct csn_core_pattern before = { 0 }, ours = { 0 };
	int r = check_writable(err);

	if (r == 0)
		r = csn_core_pattern_get(&before, err);
	if (r == 0)
		r = make_line(root, &ours, err);
	if (r == 0 && !csn_core_pattern_is_helper(before.text))
		r = save_previous(&before, err);
	if (r < 0)
		return r;
	r = write_pattern(&ours, err);
	if (r < 0) {
		struct csn_error ignored;

		(void)!write_pattern(&before, &ignored);
		return r;
	}
	*ret_pattern = ours;
	return 0;
}

static void remove_copies(const struct csn_root *root)
{
	char helper[CSN_MAX_PATH], folder[CSN_MAX_PATH], path[CSN_MAX_PATH + 16];
	struct csn_error ignored;
	size_t i;

	if (find_helper(root, helper, sizeof(helper), &ignored) < 0)
		return;
	for (i = 0; i < csn_countof(copy_places); i++) {
		format_copy_folder(copy_places[i], helper, folder, sizeof(folder));
		snprintf(path, sizeof(path), "%s/a", folder);
		(void)unlink(path);
		snprintf(path, sizeof(path), "%s/policy", folder);
		(void)unlink(path);
		(void)rmdir(folder);
	}
}

/* A line that runs a helper which is gone: every crash is lost until somebody repairs it. */
static bool is_dead_helper(const char *text)
{
	char path[CSN_CORE_PATTERN_MAX];
	const char *program = NULL;
	size_t length = program_of(text, &program);

	if (!program || !csn_core_pattern_is_helper(text))
		return false;
	snprintf(path, sizeof(path), "%.*s", (int)length, program);
	return access(path, F_OK) < 0 && errno == ENOENT;
}

int csn_core_pattern_disable(const struct csn_root *root, bool *ret_restored,
			     struct csn_core_pattern *ret_pattern, struct csn_error *err)
{
	struct csn_core_pattern now;
	int r = csn_core_pattern_get(&now, err);

	if (r < 0)
		return r;
	*ret_restored = csn_core_pattern_is_of_root(now.text, root) || is_dead_helper(now.text);
	if (*ret_restored) {
		now = read_previous();
		r = write_pattern(&now, err);
		if (r < 0)
			return r;
		(void)unlink(PREVIOUS_FILE);
		remove_copies(root);
	}
	*ret_pattern = now;
	return 0;
}
