/* See inject.h. */
#define ZSTD_STATIC_LINKING_ONLY
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "inject.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "base/cleanup.h"

#define MAX_CALLS 5000

/* The linker's names for the wrapper and the wrapped; reserved by the language for such as it. The
 * build's 64-bit file offsets make open() a call of open64(), and so on. */
#define DECLARE(type, name, ...) \
	type __real_##name(__VA_ARGS__); \
	type __wrap_##name(__VA_ARGS__)

DECLARE(void *, malloc, size_t size);
DECLARE(void *, calloc, size_t count, size_t size);
DECLARE(void *, realloc, void *old, size_t size);
DECLARE(void *, reallocarray, void *old, size_t count, size_t size);
DECLARE(char *, strdup, const char *text);
DECLARE(char *, strndup, const char *text, size_t length);
int __wrap_asprintf(char **text, const char *format, ...);
DECLARE(ssize_t, write, int fd, const void *data, size_t size);
DECLARE(ssize_t, pwrite64, int fd, const void *data, size_t size, off_t offset);
DECLARE(int, ftruncate64, int fd, off_t size);
DECLARE(int, fallocate64, int fd, int mode, off_t offset, off_t size);
DECLARE(int, fsync, int fd);
DECLARE(int, fdatasync, int fd);
DECLARE(int, linkat, int from_fd, const char *from, int to_fd, const char *to, int flags);
DECLARE(int, renameat, int from_fd, const char *from, int to_fd, const char *to);
DECLARE(int, unlinkat, int fd, const char *name, int flags);
DECLARE(int, unlink, const char *name);
DECLARE(int, mkdirat, int fd, const char *name, mode_t mode);
DECLARE(int, mkdir, const char *name, mode_t mode);
DECLARE(int, open64, const char *path, int flags, ...);
DECLARE(int, openat64, int fd, const char *path, int flags, ...);
DECLARE(DIR *, fdopendir, int fd);
DECLARE(void *, mmap64, void *at, size_t size, int protection, int flags, int fd, off_t offset);
DECLARE(ssize_t, read, int fd, void *data, size_t size);
DECLARE(ssize_t, pread64, int fd, void *data, size_t size, off_t offset);
DECLARE(int, fstat64, int fd, struct stat *status);
DECLARE(ZSTD_CCtx *, ZSTD_createCCtx, void);
DECLARE(ZSTD_DCtx *, ZSTD_createDCtx, void);

bool inject_no_tmpfile;

static _Atomic int armed = -1;
static atomic_bool fired, lasting;
static atomic_uint countdown;

static const char *name_of(enum inject_kind kind)
{
	static const char *const names[] = { "allocation", "write", "short write", "sync",
					     "name",       "open",  "read" };

	return names[kind];
}

void inject_arm(enum inject_kind kind, unsigned nth, bool on)
{
	json_set_alloc_funcs(__wrap_malloc, free);
	fired = false;
	lasting = on;
	countdown = nth;
	armed = (int)kind;
}

bool inject_disarm(void)
{
	armed = -1;
	return fired;
}

/* Sets errno too. */
static bool fails(enum inject_kind kind, int errnum)
{
	unsigned left;

	if (armed != (int)kind)
		return false;
	left = countdown;
	while (left && !atomic_compare_exchange_weak(&countdown, &left, left - 1))
		;
	if (left > 1 || (left == 0 && !lasting))
		return false;
	fired = true;
	errno = errnum;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return fails(INJECT_MEMORY, ENOMEM) ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails(INJECT_MEMORY, ENOMEM) ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return fails(INJECT_MEMORY, ENOMEM) ? NULL : __real_realloc(old, size);
}

void *__wrap_reallocarray(void *old, size_t count, size_t size)
{
	return fails(INJECT_MEMORY, ENOMEM) ? NULL : __real_reallocarray(old, count, size);
}

char *__wrap_strdup(const char *text)
{
	return fails(INJECT_MEMORY, ENOMEM) ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t length)
{
	return fails(INJECT_MEMORY, ENOMEM) ? NULL : __real_strndup(text, length);
}

int __wrap_asprintf(char **text, const char *format, ...)
{
	va_list args;
	int n;

	if (fails(INJECT_MEMORY, ENOMEM))
		return -1;
	va_start(args, format);
	n = vasprintf(text, format, args);
	va_end(args);
	return n;
}

static void *give_memory(void *unused, size_t size)
{
	(void)unused;
	return __wrap_malloc(size);
}

static void take_memory(void *unused, void *memory)
{
	(void)unused;
	free(memory);
}

static const ZSTD_customMem zstd_memory = { give_memory, take_memory, NULL };

ZSTD_CCtx *__wrap_ZSTD_createCCtx(void)
{
	return ZSTD_createCCtx_advanced(zstd_memory);
}

ZSTD_DCtx *__wrap_ZSTD_createDCtx(void)
{
	return ZSTD_createDCtx_advanced(zstd_memory);
}

/* A disk that fills up takes the beginning of what is written, and then nothing. */
static size_t size_taken(size_t size)
{
	if (!fails(INJECT_SHORT, ENOSPC))
		return size;
	lasting = true;
	armed = INJECT_WRITE;
	return (size + 1) / 2;
}

ssize_t __wrap_write(int fd, const void *data, size_t size)
{
	if (fails(INJECT_WRITE, ENOSPC))
		return -1;
	return __real_write(fd, data, size_taken(size));
}

ssize_t __wrap_pwrite64(int fd, const void *data, size_t size, off_t offset)
{
	if (fails(INJECT_WRITE, ENOSPC))
		return -1;
	return __real_pwrite64(fd, data, size_taken(size), offset);
}

int __wrap_ftruncate64(int fd, off_t size)
{
	return fails(INJECT_WRITE, ENOSPC) ? -1 : __real_ftruncate64(fd, size);
}

int __wrap_fallocate64(int fd, int mode, off_t offset, off_t size)
{
	return fails(INJECT_WRITE, ENOSPC) ? -1 : __real_fallocate64(fd, mode, offset, size);
}

int __wrap_fsync(int fd)
{
	return fails(INJECT_SYNC, EIO) ? -1 : __real_fsync(fd);
}

int __wrap_fdatasync(int fd)
{
	return fails(INJECT_SYNC, EIO) ? -1 : __real_fdatasync(fd);
}

int __wrap_linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
	return fails(INJECT_NAME, EIO) ? -1 : __real_linkat(from_fd, from, to_fd, to, flags);
}

int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	return fails(INJECT_NAME, EIO) ? -1 : __real_renameat(from_fd, from, to_fd, to);
}

int __wrap_unlinkat(int fd, const char *name, int flags)
{
	return fails(INJECT_NAME, EIO) ? -1 : __real_unlinkat(fd, name, flags);
}

int __wrap_unlink(const char *name)
{
	return fails(INJECT_NAME, EIO) ? -1 : __real_unlink(name);
}

int __wrap_mkdirat(int fd, const char *name, mode_t mode)
{
	return fails(INJECT_NAME, EIO) ? -1 : __real_mkdirat(fd, name, mode);
}

int __wrap_mkdir(const char *name, mode_t mode)
{
	return fails(INJECT_NAME, EIO) ? -1 : __real_mkdir(name, mode);
}

static mode_t mode_of(int flags, va_list args)
{
	return flags & (O_CREAT | __O_TMPFILE) ? va_arg(args, mode_t) : 0;
}

int __wrap_open64(const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = mode_of(flags, args);
	va_end(args);
	return fails(INJECT_OPEN, EMFILE) ? -1 : __real_open64(path, flags, mode);
}

int __wrap_openat64(int fd, const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = mode_of(flags, args);
	va_end(args);
	if (inject_no_tmpfile && (flags & O_TMPFILE) == O_TMPFILE) {
		errno = EOPNOTSUPP;
		return -1;
	}
	return fails(INJECT_OPEN, EMFILE) ? -1 : __real_openat64(fd, path, flags, mode);
}

DIR *__wrap_fdopendir(int fd)
{
	return fails(INJECT_OPEN, ENOMEM) ? NULL : __real_fdopendir(fd);
}

void *__wrap_mmap64(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
	return fails(INJECT_OPEN, ENOMEM) ? MAP_FAILED
					  : __real_mmap64(at, size, protection, flags, fd, offset);
}

ssize_t __wrap_read(int fd, void *data, size_t size)
{
	return fails(INJECT_READ, EIO) ? -1 : __real_read(fd, data, size);
}

ssize_t __wrap_pread64(int fd, void *data, size_t size, off_t offset)
{
	return fails(INJECT_READ, EIO) ? -1 : __real_pread64(fd, data, size, offset);
}

int __wrap_fstat64(int fd, struct stat *status)
{
	return fails(INJECT_READ, EIO) ? -1 : __real_fstat64(fd, status);
}

/* ---- acts ---- */

static unsigned count_open(void)
{
	cleanup_closedir DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	while (dir && readdir(dir))
		n++;
	return n;
}

/* A code that says what it was: memory is memory, the system is the system. */
static bool is_told(enum inject_kind kind, int rc, const struct csn_error *err)
{
	if (rc != -(int)err->code || !err->text[0])
		return false;
	if (err->code == CSN_E_LIMIT)
		return strstr(err->text, "disk is full");
	return err->code == CSN_E_NOMEM || (kind != INJECT_MEMORY && err->code == CSN_E_OS);
}

/* True when the failure was met. */
static bool run_once(struct lab *lab, const struct inject_act *act, enum inject_kind kind,
		     unsigned nth, bool on)
{
	struct csn_error err = CSN_ERROR_INIT;
	unsigned n_open;
	bool met;
	int rc;

	if (act->before)
		act->before(lab);
	n_open = count_open();
	inject_arm(kind, nth, on);
	rc = act->run(lab, &err);
	met = inject_disarm();
	if (rc < 0 && (!met || !is_told(kind, rc, &err)))
		fail_msg("%s %u%s: %d %s", name_of(kind), nth, on ? "..." : "", rc, err.text);
	assert_int_equal(count_open(), n_open);
	act->after(lab, rc == 0);
	return met;
}

void inject_everything(struct lab *lab, const struct inject_act *act)
{
	for (unsigned kind = 0; kind < INJECT_N_KINDS; kind++) {
		for (int on = 0; on < 2; on++) {
			unsigned nth = 1;

			while (nth < MAX_CALLS && run_once(lab, act, kind, nth, on))
				nth++;
			assert_true(nth < MAX_CALLS);
			if (act->kinds & (1u << kind))
				assert_true(nth > 1);
		}
	}
}
