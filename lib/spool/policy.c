#include "spool/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/hash.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/root.h"
#include "base/span.h"

/* The record: little-endian numbers, zeroes, the path at PATH_AT, the CRC-32 of all before it in
 * the last four bytes. */
#define PATH_AT 512u
#define CRC_AT (CSN_POLICY_BYTES - 4)
#define RECORD_PATH_MAX (CRC_AT - PATH_AT)

static const char magic[8] = "CSNPOLI";

void csn_policy_init(struct csn_policy *policy, const char *root)
{
	int n;

	*policy = (struct csn_policy){
		.mode = CSN_POLICY_MINIMAL,
		.uid = CSN_POLICY_OWNER,
		.gid = CSN_POLICY_OWNER,
		.budget_bytes = 4 * CSN_MIB,
		.full_below_bytes = 16 * CSN_MIB,
		.files_bytes = 64 * CSN_MIB,
		.quota = { .permyriad = 1000 },
		.limits = CSN_SPOOL_LIMITS_INIT,
		.rate_full = { 100, 600 },
		.rate_notes = { 60, 3600 },
	};
	n = snprintf(policy->archive, sizeof(policy->archive), "%s%s", root, CSN_ARCHIVE);
	if (n < 0 || (size_t)n >= sizeof(policy->archive))
		snprintf(policy->archive, sizeof(policy->archive), "%s", CSN_ARCHIVE);
}

static void put_uint(uint8_t **at, uint64_t value, unsigned width)
{
	for (; width; width--, value >>= 8)
		*(*at)++ = (uint8_t)value;
}

static void format_record(const struct csn_policy *policy, uint8_t record[CSN_POLICY_BYTES])
{
	uint8_t *at = record + sizeof(magic);

	memset(record, 0, CSN_POLICY_BYTES);
	memcpy(record, magic, sizeof(magic));
	put_uint(&at, CSN_POLICY_VERSION, 4);
	put_uint(&at, policy->mode, 4);
	put_uint(&at, policy->uid, 4);
	put_uint(&at, policy->gid, 4);
	put_uint(&at, policy->budget_bytes, 8);
	put_uint(&at, policy->full_below_bytes, 8);
	put_uint(&at, policy->files_bytes, 8);
	put_uint(&at, policy->quota.bytes, 8);
	put_uint(&at, policy->quota.permyriad, 4);
	put_uint(&at, policy->rate_disabled, 4);
	put_uint(&at, policy->rate_full.count, 4);
	put_uint(&at, policy->rate_full.seconds, 4);
	put_uint(&at, policy->rate_notes.count, 4);
	put_uint(&at, policy->rate_notes.seconds, 4);
	put_uint(&at, policy->limits.bytes, 8);
	put_uint(&at, policy->limits.files, 4);
	put_uint(&at, policy->limits.share_percent, 4);
	memcpy(record + PATH_AT, policy->archive, strlen(policy->archive));
	at = record + CRC_AT;
	put_uint(&at, csn_crc32(record, CRC_AT), 4);
}

bool csn_policy_equal(const struct csn_policy *a, const struct csn_policy *b)
{
	uint8_t record_a[CSN_POLICY_BYTES], record_b[CSN_POLICY_BYTES];

	format_record(a, record_a);
	format_record(b, record_b);
	return memcmp(record_a, record_b, sizeof(record_a)) == 0;
}

static int parse_record(const uint8_t record[CSN_POLICY_BYTES], struct csn_policy *policy,
			struct csn_error *err)
{
	struct csn_span span = csn_span_of(record, CSN_POLICY_BYTES);
	struct csn_span crc = csn_span_part(&span, CRC_AT, 4);
	uint32_t version;

	if (memcmp(csn_span_bytes(&span, sizeof(magic)), magic, sizeof(magic)) != 0)
		return csn_fail(err, CSN_E_FORMAT, "not a policy record");
	if (csn_span_u32(&crc) != csn_crc32(record, CRC_AT))
		return csn_fail(err, CSN_E_FORMAT, "torn: the checksum does not match");
	version = csn_span_u32(&span);
	if (version == 0 || version > CSN_POLICY_VERSION)
		return csn_fail(err, CSN_E_FORMAT, "policy version %u, this program knows %u",
				version, CSN_POLICY_VERSION);
	policy->mode = (enum csn_policy_mode)csn_span_u32(&span);
	policy->uid = csn_span_u32(&span);
	policy->gid = csn_span_u32(&span);
	policy->budget_bytes = csn_span_u64(&span);
	policy->full_below_bytes = csn_span_u64(&span);
	policy->files_bytes = csn_span_u64(&span);
	policy->quota.bytes = csn_span_u64(&span);
	policy->quota.permyriad = csn_span_u32(&span);
	policy->rate_disabled = csn_span_u32(&span) != 0;
	policy->rate_full.count = csn_span_u32(&span);
	policy->rate_full.seconds = csn_span_u32(&span);
	policy->rate_notes.count = csn_span_u32(&span);
	policy->rate_notes.seconds = csn_span_u32(&span);
	policy->limits = (struct csn_spool_limits)CSN_SPOOL_LIMITS_INIT;
	if (version >= 2) {
		policy->limits.bytes = csn_span_u64(&span);
		policy->limits.files = csn_span_u32(&span);
		policy->limits.share_percent = csn_span_u32(&span);
	}
	memcpy(policy->archive, record + PATH_AT, RECORD_PATH_MAX);
	policy->archive[RECORD_PATH_MAX - 1] = '\0';
	if (policy->mode > CSN_POLICY_AUTO || policy->archive[0] != '/')
		return csn_fail(err, CSN_E_FORMAT, "a value is out of range");
	return 0;
}

/* Only root may point a policy somewhere else: then the folder is root's and closed to others. */
static bool folder_is_roots(const char *path)
{
	const char *slash = strrchr(path, '/');
	char folder[CSN_MAX_PATH];
	struct stat status;

	if (!slash || slash == path)
		return true;
	snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path), path);
	return stat(folder, &status) == 0 && status.st_uid == 0 && !(status.st_mode & 022);
}

static int open_policy(const char *path, int *ret_fd, struct csn_error *err)
{
	int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
	char target[CSN_MAX_PATH];
	int fd = open(path, flags);
	ssize_t n;

	if (fd < 0 && errno == ELOOP && folder_is_roots(path)) {
		n = readlink(path, target, sizeof(target) - 1);
		target[n > 0 ? n : 0] = '\0';
		fd = target[0] == '/' ? open(target, flags) : -1;
	}
	if (fd < 0 && errno == ENOENT)
		return csn_fail(err, CSN_E_NOT_FOUND, "%s: no such file", path);
	if (fd < 0)
		return csn_fail_os(err, errno, "%s", path);
	*ret_fd = fd;
	return 0;
}

int csn_policy_read(const char *path, struct csn_policy *ret_policy, struct csn_error *err)
{
	uint8_t record[CSN_POLICY_BYTES + 1];
	cleanup_close int fd = -1;
	struct csn_policy policy = { 0 };
	struct stat status;
	ssize_t n;
	int r;

	r = open_policy(path, &fd, err);
	if (r < 0)
		return r;
	if (fstat(fd, &status) < 0)
		return csn_fail_os(err, errno, "%s", path);
	n = csn_read_full(fd, record, sizeof(record));
	if (n < 0)
		return csn_fail_os(err, (int)-n, "%s", path);
	if (!S_ISREG(status.st_mode) || n != CSN_POLICY_BYTES)
		return csn_fail(err, CSN_E_FORMAT, "%s: not a policy record", path);
	r = parse_record(record, &policy, err);
	if (r < 0)
		return csn_wrap(err, "%s", path);
	/* A record of the spool's user may not make a root process work as anybody else. */
	if ((status.st_mode & 022) || (status.st_uid != 0 && status.st_uid != policy.uid))
		return csn_fail(err, CSN_E_DENIED, "%s: not written by root or the spool's user",
				path);
	*ret_policy = policy;
	return 0;
}

int csn_policy_write(const char *path, const struct csn_policy *policy, struct csn_error *err)
{
	uint8_t record[CSN_POLICY_BYTES];

	if (strlen(policy->archive) >= RECORD_PATH_MAX)
		return csn_fail(err, CSN_E_LIMIT, "%s: the archive's path is too long", path);
	format_record(policy, record);
	return csn_write_file(AT_FDCWD, path, record, sizeof(record), 0644, err);
}

/* The policy's path and, for the defaults, the installation's root. */
static int find_place(const char *self, char *path, size_t path_size, char root[CSN_MAX_PATH],
		      struct csn_error *err)
{
	const char *slash = strrchr(self, '/'), *next = self, *found = NULL;
	int n;

	*root = '\0';
	while ((next = strstr(next, "/opt/backtrace/")))
		found = next++;
	if (slash && strcmp(slash, "/a") == 0) {
		n = snprintf(path, path_size, "%.*s/policy", (int)(slash - self), self);
	} else {
		if (found)
			snprintf(root, CSN_MAX_PATH, "%.*s", (int)(found - self), self);
		n = snprintf(path, path_size, "%s/var/coresnap/policy", root);
	}
	if (n < 0 || (size_t)n >= path_size)
		return csn_fail(err, CSN_E_LIMIT, "the program's path is too long");
	return 0;
}

int csn_policy_path(const char *self, char *out, size_t out_size, struct csn_error *err)
{
	char root[CSN_MAX_PATH];

	return find_place(self, out, out_size, root, err);
}

int csn_policy_find(const char *self, struct csn_policy *ret_policy, struct csn_error *err)
{
	char path[CSN_MAX_PATH], root[CSN_MAX_PATH];
	int r = find_place(self, path, sizeof(path), root, err);

	csn_policy_init(ret_policy, root);
	return r < 0 ? r : csn_policy_read(path, ret_policy, err);
}
