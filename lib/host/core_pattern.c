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
#include "spool/crash_socket.h"

#define MODES_FILE "/proc/sys/kernel/core_modes"
#define POLICY "/var/coresnap/policy"
#define PREVIOUS_FILE CSN_RUN_FOLDER "/previous"
/* The kernel takes 127 and cuts the rest without a word. */
#define MAX_LINE 120
/* A listener whose workers are all busy answers late. */
#define LISTENER_WAIT_MS 2000

/* Where a copy of the helper may live. */
static const char *const copy_places[] = { CSN_RUN_FOLDER, "/var/lib/coresnap" };

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
		return csn_crash_socket_is_pattern(text);
	return (length >= tail && strncmp(program + length - tail, name, tail) == 0) ||
	       is_copy(program, length);
}

int csn_core_pattern_find_helper(const struct csn_root *root, char *out, size_t out_size,
				 struct csn_error *err)
{
	char path[CSN_MAX_PATH];
	cleanup_free char *real = NULL;

	csn_root_path(root, CSN_HELPER, path, sizeof(path));
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
	struct csn_crash_socket place;
	struct csn_error ignored;

	if (csn_core_pattern_find_helper(root, helper, sizeof(helper), &ignored) < 0)
		return false;
	csn_crash_socket_init(&place, helper);
	if (!program)
		return strcmp(text, place.pattern) == 0;
	if (strlen(helper) == length && strncmp(helper, program, length) == 0)
		return true;
	for (i = 0; i < csn_countof(copy_places); i++) {
		format_copy_folder(copy_places[i], helper, folder, sizeof(folder));
		if (is_copy(program, length) && strncmp(folder, program, strlen(folder)) == 0)
			return true;
	}
	return false;
}

bool csn_core_pattern_is_roots_alone(const char *path, char *ret_culprit, size_t culprit_size)
{
	char part[CSN_MAX_PATH];
	struct stat status;
	size_t length;

	for (length = strlen(path); length > 0; length--) {
		if (path[length] != '\0' && path[length] != '/')
			continue;
		snprintf(part, sizeof(part), "%.*s", (int)length, path);
		if (lstat(part, &status) == 0 && status.st_uid == 0 && !(status.st_mode & 022))
			continue;
		snprintf(ret_culprit, culprit_size, "%s", part);
		return false;
	}
	return true;
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
		r = csn_make_roots_folder(copy_places[i], 0755, err);
		if (r < 0)
			return r;
		if (statvfs(copy_places[i], &status) == 0 && !(status.f_flag & ST_NOEXEC))
			break;
	}
	if (i == csn_countof(copy_places))
		return csn_fail(err, CSN_E_DENIED, "%s and %s are mounted noexec", copy_places[0],
				copy_places[1]);
	format_copy_folder(copy_places[i], helper, folder, sizeof(folder));
	r = csn_make_roots_folder(folder, 0755, err);
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
	char helper[CSN_MAX_PATH], line[CSN_MAX_PATH + 64], culprit[CSN_MAX_PATH];
	int r = csn_core_pattern_find_helper(root, helper, sizeof(helper), err);

	if (r < 0)
		return r;
	snprintf(line, sizeof(line), "|%s %s", helper, CSN_CORE_PATTERN_ARGUMENTS);
	if (strlen(line) > MAX_LINE || strpbrk(helper, " \t\n%") ||
	    !csn_core_pattern_is_roots_alone(helper, culprit, sizeof(culprit))) {
		r = copy_helper(root, helper, helper, sizeof(helper), err);
		if (r < 0)
			return r;
		snprintf(line, sizeof(line), "|%s %s", helper, CSN_CORE_PATTERN_ARGUMENTS);
	}
	pattern->pipe_limit = CSN_CORE_PIPE_LIMIT;
	memcpy(pattern->text, line, strlen(line) + 1);
	return 0;
}

static int save_previous(const struct csn_core_pattern *pattern, struct csn_error *err)
{
	int r = csn_make_roots_folder(CSN_RUN_FOLDER, 0755, err);

	return r < 0 ? r : csn_core_pattern_save(pattern, PREVIOUS_FILE, err);
}

/* What was there before us; the kernel's own default when nobody wrote it down. */
static struct csn_core_pattern read_previous(void)
{
	struct csn_core_pattern pattern = { .text = "core" };
	struct csn_error ignored;

	(void)!csn_core_pattern_load(PREVIOUS_FILE, &pattern, &ignored);
	return pattern;
}

/* Nothing is changed before it is known that the kernel's file can be written at all. */
static int check_writable(struct csn_error *err)
{
	cleanup_close int fd = open(CSN_CORE_PATTERN_FILE, O_WRONLY | O_CLOEXEC);

	if (fd >= 0)
		return 0;
	if (errno == EROFS || errno == EACCES || errno == EPERM)
		return csn_fail(err, CSN_E_DENIED, "%s: %s", CSN_CORE_PATTERN_FILE,
				strerror(errno));
	return csn_fail_os(err, errno, "%s", CSN_CORE_PATTERN_FILE);
}

/* core_modes lists them, one a line, since 6.16. */
static bool kernel_has_sockets(void)
{
	cleanup_(csn_buf_done) struct csn_buf modes = CSN_BUF_INIT(CSN_MAX_STATE_FILE);
	struct csn_error ignored;

	return csn_read_file(AT_FDCWD, MODES_FILE, &modes, &ignored) == 0 &&
	       strstr(csn_buf_text(&modes), "socket");
}

/* Whether the socket is to be used; an error when it is asked for and cannot be. */
static int choose_socket(const struct csn_crash_socket *place, enum csn_capture_mode mode,
			 bool *ret_socket, struct csn_error *err)
{
	bool supervised = false;
	int r = 0;

	if (mode != CSN_CAPTURE_PIPE && !kernel_has_sockets())
		r = csn_fail(err, CSN_E_UNSUPPORTED,
			     "this kernel cannot send cores to a socket (" MODES_FILE ")");
	else if (mode != CSN_CAPTURE_PIPE)
		r = csn_crash_socket_ask(place, LISTENER_WAIT_MS, &supervised, err);
	if (r < 0 && mode == CSN_CAPTURE_SOCKET)
		return r;
	*ret_socket =
		mode != CSN_CAPTURE_PIPE && r == 0 && (supervised || mode == CSN_CAPTURE_SOCKET);
	return 0;
}

/* Writes ours, the pipe's line, or the socket's with that one kept for the listener. */
static int write_ours(const struct csn_root *root, enum csn_capture_mode mode,
		      struct csn_core_pattern *ours, struct csn_error *err)
{
	char helper[CSN_MAX_PATH];
	struct csn_crash_socket place;
	bool use_socket = false;
	int r = csn_core_pattern_find_helper(root, helper, sizeof(helper), err);

	if (r < 0)
		return r;
	csn_crash_socket_init(&place, helper);
	r = choose_socket(&place, mode, &use_socket, err);
	if (r < 0)
		return r;
	if (!use_socket) {
		csn_crash_socket_forget_pipe(&place);
		return csn_core_pattern_set(ours, err);
	}
	r = csn_crash_socket_keep_pipe(&place, ours, err);
	if (r < 0)
		return r;
	snprintf(ours->text, sizeof(ours->text), "%s", place.pattern);
	return csn_core_pattern_set(ours, err);
}

int csn_core_pattern_enable(const struct csn_root *root, enum csn_capture_mode mode,
			    struct csn_core_pattern *ret_pattern, struct csn_error *err)
{
	struct csn_core_pattern before = { 0 }, ours = { 0 };
	struct csn_error ignored;
	int r = check_writable(err);

	if (r == 0)
		r = csn_core_pattern_get(&before, err);
	if (r == 0)
		r = make_line(root, &ours, err);
	if (r == 0 && !csn_core_pattern_is_helper(before.text))
		r = save_previous(&before, err);
	if (r < 0)
		return r;
	r = write_ours(root, mode, &ours, err);
	if (r < 0) {
		(void)!csn_core_pattern_set(&before, &ignored);
		return r;
	}
	*ret_pattern = ours;
	return 0;
}

/* Copies of the helper, and the line that the listener would change to. */
static void remove_copies(const struct csn_root *root)
{
	char helper[CSN_MAX_PATH], folder[CSN_MAX_PATH], path[CSN_MAX_PATH + 16];
	struct csn_crash_socket place;
	struct csn_error ignored;
	size_t i;

	if (csn_core_pattern_find_helper(root, helper, sizeof(helper), &ignored) < 0)
		return;
	csn_crash_socket_init(&place, helper);
	csn_crash_socket_forget_pipe(&place);
	for (i = 0; i < csn_countof(copy_places); i++) {
		format_copy_folder(copy_places[i], helper, folder, sizeof(folder));
		snprintf(path, sizeof(path), "%s/a", folder);
		(void)unlink(path);
		snprintf(path, sizeof(path), "%s/policy", folder);
		(void)unlink(path);
		(void)rmdir(folder);
	}
}

bool csn_core_pattern_find_program(const char *text, char *out, size_t out_size)
{
	const char *program = NULL;
	size_t length = program_of(text, &program);

	if (!program || length >= out_size)
		return false;
	memcpy(out, program, length);
	out[length] = '\0';
	return true;
}

/* A line that runs a helper which is gone: every crash is lost until somebody repairs it. */
static bool is_dead_helper(const char *text)
{
	char path[CSN_CORE_PATTERN_MAX];

	return csn_core_pattern_is_helper(text) &&
	       csn_core_pattern_find_program(text, path, sizeof(path)) && access(path, F_OK) < 0 &&
	       errno == ENOENT;
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
		r = csn_core_pattern_set(&now, err);
		if (r < 0)
			return r;
		(void)unlink(PREVIOUS_FILE);
		remove_copies(root);
	}
	*ret_pattern = now;
	return 0;
}
