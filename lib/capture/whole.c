#include "capture/whole.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/limits_host.h"
#include "capture/sparse.h"

/* Memory is kept while this part of the machine's is available beside it. */
#define KEEP_SHARE 4u
/* Nothing read and nothing written for so long: what is missing will not come. */
#define STALL_NS (10 * CSN_NS_PER_SECOND)
#define STEP_BYTES CSN_MIB
#define READER_STACK (128 * CSN_KIB)

uint64_t csn_whole_segment_bytes(const struct csn_elf_segment *segment)
{
	return segment->address <= INT64_MAX ? segment->file_size : 0;
}

static bool has_room(void)
{
	cleanup_close int fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
	char text[1024];
	ssize_t n = fd < 0 ? 0 : csn_read_full(fd, text, sizeof(text) - 1);
	const char *total, *available;

	text[n > 0 ? n : 0] = '\0';
	total = strstr(text, "MemTotal:");
	available = strstr(text, "MemAvailable:");
	return total && available &&
	       strtoull(available + strlen("MemAvailable:"), NULL, 10) >
		       strtoull(total + strlen("MemTotal:"), NULL, 10) / KEEP_SHARE;
}

/* The next chunk to read; false at the end, and when it is closed. */
static bool claim(struct csn_whole *whole, struct csn_whole_chunk *chunk)
{
	const struct csn_prefix *prefix = whole->prefix;
	bool found = false;

	pthread_mutex_lock(&whole->lock);
	if (csn_monotonic_ns() >= whole->deadline_ns && whole->segment < prefix->n_segments)
		whole->closed = true;
	for (; !whole->closed && !whole->write_error && whole->segment < prefix->n_segments;
	     whole->segment++, whole->offset = 0) {
		const struct csn_elf_segment *segment = &prefix->segments[whole->segment];
		uint64_t size = csn_whole_segment_bytes(segment);

		if (whole->offset >= size)
			continue;
		chunk->segment = whole->segment;
		chunk->start = segment->address + whole->offset;
		chunk->size = csn_min_u64(size - whole->offset, CSN_WHOLE_CHUNK);
		whole->offset += chunk->size;
		found = true;
		break;
	}
	pthread_mutex_unlock(&whole->lock);
	return found;
}

static void step(struct csn_whole *whole, uint64_t read_bytes, uint64_t unreadable_bytes)
{
	pthread_mutex_lock(&whole->lock);
	whole->n_steps++;
	whole->read_bytes += read_bytes;
	whole->unreadable_bytes += unreadable_bytes;
	pthread_mutex_unlock(&whole->lock);
}

static void mark(struct csn_whole_chunk *chunk, uint64_t page_bytes, uint64_t at, uint64_t size)
{
	uint64_t page, end = (at + size + page_bytes - 1) / page_bytes;

	for (page = at / page_bytes; page < end; page++)
		chunk->there[page / 64] |= 1ull << page % 64;
}

/* The run of pages from at on that are marked (or not); its end in bytes. */
static uint64_t run_end(const struct csn_whole_chunk *chunk, uint64_t page_bytes, uint64_t at,
			bool marked)
{
	for (; at < chunk->size; at += page_bytes)
		if ((chunk->there[at / page_bytes / 64] >> at / page_bytes % 64 & 1) != marked)
			break;
	return csn_min_u64(at, chunk->size);
}

static bool is_marked(const struct csn_whole_chunk *chunk, uint64_t page_bytes, uint64_t at)
{
	return run_end(chunk, page_bytes, at, true) != at;
}

/* Marks what may hold anything: all of a file mapping, of small ones too (the vdso's pages are
 * there without being touched), touched pages of other memory. Number of pages. */
static uint64_t mark_touched(const struct csn_whole *whole, struct csn_whole_chunk *chunk)
{
	uint64_t entries[512], page_bytes = whole->page_bytes, at = 0, n_pages = 0;
	bool all = whole->prefix->segments[chunk->segment].file_size <= STEP_BYTES ||
		   csn_prefix_find_file(whole->prefix, chunk->start) ||
		   whole->victim->pagemap_fd < 0;
	ssize_t n, i;

	memset(chunk->there, 0, sizeof(chunk->there));
	while (!all && at < chunk->size) {
		n = csn_pread_full(whole->victim->pagemap_fd, entries, sizeof(entries),
				   (off_t)((chunk->start + at) / page_bytes * sizeof(entries[0])));
		all = n <= 0;
		for (i = 0; i < n / (ssize_t)sizeof(entries[0]) && at < chunk->size;
		     i++, at += page_bytes) {
			if (!(entries[i] >> 62)) /* neither present nor swapped */
				continue;
			mark(chunk, page_bytes, at, 1);
			n_pages++;
		}
	}
	if (all)
		mark(chunk, page_bytes, 0, chunk->size);
	return all ? (chunk->size + page_bytes - 1) / page_bytes : n_pages;
}

/* Twice as fast as reading from /proc, but by a number: what was read counts only when that
 * number is still the thread's after it. What it does not let us read, /proc may. */
static size_t read_fast(const struct csn_whole *whole, csn_addr addr, void *data, size_t size)
{
	struct iovec ours = { data, size };
	struct iovec theirs = { (void *)(uintptr_t)addr, size }; /* NOLINT: of the process */
	ssize_t n = process_vm_readv((pid_t)whole->tid, &ours, 1, &theirs, 1, 0);

	if (n <= 0 || !csn_victim_is_alive(whole->victim) ||
	    faccessat(whole->victim->proc_fd, "comm", F_OK, 0) < 0)
		return 0;
	return (size_t)n & ~(size_t)(whole->page_bytes - 1);
}

/* Reads the marked pages; unmarks what cannot be read. */
static void read_chunk(struct csn_whole *whole, struct csn_whole_chunk *chunk)
{
	uint64_t at = 0, end, size, bad, page = whole->page_bytes;
	size_t n;

	while (at < chunk->size && !whole->closed) {
		if (!is_marked(chunk, page, at)) {
			at = run_end(chunk, page, at, false);
			continue;
		}
		end = run_end(chunk, page, at, true);
		size = csn_min_u64(end - at, STEP_BYTES);
		n = read_fast(whole, chunk->start + at, chunk->data + at, size);
		if (n < size)
			n += csn_victim_read(whole->victim, chunk->start + at + n,
					     chunk->data + at + n, size - n);
		n = n == size ? n : n & ~(size_t)(page - 1);
		at += n;
		bad = n < size ? page : 0;
		if (bad)
			chunk->there[at / page / 64] &= ~(1ull << at / page % 64);
		at += bad;
		step(whole, n, csn_prefix_is_kernels(whole->prefix, chunk->start) ? 0 : bad);
	}
	/* Closed in the middle: the rest was not read. */
	for (; page && at < chunk->size; at += page)
		chunk->there[at / page / 64] &= ~(1ull << at / page % 64);
}

static int write_chunk(struct csn_whole *whole, const struct csn_whole_chunk *chunk, int fd)
{
	uint64_t page = whole->page_bytes, at = 0, end, size;
	uint64_t offset = whole->offsets[chunk->segment] +
			  (chunk->start - whole->prefix->segments[chunk->segment].address);
	int r = 0;

	while (r == 0 && at < chunk->size) {
		end = run_end(chunk, page, at, true);
		for (; r == 0 && at < end; at += size) {
			size = csn_min_u64(end - at, STEP_BYTES);
			r = csn_write_sparse(fd, chunk->data + at, size, offset + at, page);
			step(whole, 0, 0);
		}
		at = run_end(chunk, page, end, false);
	}
	return r;
}

/* Dense memory is copied with fewer page faults where pages are huge. */
static bool map_chunk(struct csn_whole_chunk *chunk, uint64_t n_touched)
{
	void *data = mmap(NULL, CSN_WHOLE_CHUNK, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (data == MAP_FAILED)
		return false;
	if (n_touched > CSN_WHOLE_PAGES / 2)
		(void)madvise(data, CSN_WHOLE_CHUNK, MADV_HUGEPAGE);
	chunk->data = data;
	return true;
}

/* Back to the cursor's list, where the next phase finds it. */
static void keep(struct csn_whole *whole, struct csn_whole_chunk *chunk)
{
	pthread_mutex_lock(&whole->lock);
	chunk->next = whole->chunks;
	whole->chunks = chunk;
	pthread_mutex_unlock(&whole->lock);
}

/* One chunk into memory. False when there is no room, before anything is claimed. */
static bool read_one_kept(struct csn_whole *whole)
{
	struct csn_whole_chunk *chunk = has_room() ? malloc(sizeof(*chunk)) : NULL;
	uint64_t n_touched;

	if (!chunk)
		return false;
	if (!claim(whole, chunk)) {
		free(chunk);
		return false;
	}
	n_touched = mark_touched(whole, chunk);
	step(whole, 0, 0);
	if (n_touched == 0) {
		free(chunk);
		return true;
	}
	if (!map_chunk(chunk, n_touched)) {
		step(whole, 0, n_touched * whole->page_bytes);
		free(chunk);
		return false;
	}
	read_chunk(whole, chunk);
	keep(whole, chunk);
	return true;
}

/* One chunk into the file, through the thread's own chunk. */
static bool read_one_written(struct csn_whole *whole, struct csn_whole_chunk *chunk)
{
	int r;

	if (!chunk->data || !claim(whole, chunk))
		return false;
	if (mark_touched(whole, chunk) == 0) {
		step(whole, 0, 0);
		return true;
	}
	read_chunk(whole, chunk);
	r = whole->closed ? 0 : write_chunk(whole, chunk, whole->fd);
	if (r == 0)
		return true;
	pthread_mutex_lock(&whole->lock);
	whole->write_error = -r;
	pthread_mutex_unlock(&whole->lock);
	return false;
}

static void *work(void *context)
{
	struct csn_whole *whole = context;
	struct csn_whole_chunk *own = NULL;

	if (whole->fd < 0) {
		while (read_one_kept(whole))
			;
	} else {
		own = calloc(1, sizeof(*own));
		if (own && map_chunk(own, CSN_WHOLE_PAGES))
			while (read_one_written(whole, own))
				;
		if (own && own->data)
			munmap(own->data, CSN_WHOLE_CHUNK);
		free(own);
	}
	pthread_mutex_lock(&whole->lock);
	whole->n_running--;
	pthread_cond_signal(&whole->changed);
	pthread_mutex_unlock(&whole->lock);
	return NULL;
}

static void start_readers(struct csn_whole *whole)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);
	pthread_attr_t attributes;
	pthread_t thread;

	/* One more than processors: while one faults pages of files in, another copies. */
	n = n < 1 ? 2 : n >= CSN_MAX_CAPTURE_READERS ? CSN_MAX_CAPTURE_READERS : n + 1;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, READER_STACK);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_mutex_lock(&whole->lock);
	for (; n > 0; n--)
		if (pthread_create(&thread, &attributes, work, whole) == 0)
			whole->n_running++;
	pthread_mutex_unlock(&whole->lock);
	pthread_attr_destroy(&attributes);
}

/* Until all threads have ended, or none of them gets on. */
static void wait_for_readers(struct csn_whole *whole)
{
	uint64_t seen = whole->n_steps;
	int64_t until_ns = csn_monotonic_ns() + STALL_NS;

	pthread_mutex_lock(&whole->lock);
	while (whole->n_running && !(whole->closed && csn_monotonic_ns() >= until_ns)) {
		struct timespec until = { until_ns / CSN_NS_PER_SECOND,
					  until_ns % CSN_NS_PER_SECOND };

		if (pthread_cond_timedwait(&whole->changed, &whole->lock, &until) != ETIMEDOUT)
			continue;
		if (whole->n_steps == seen) {
			whole->closed = true;
			break;
		}
		seen = whole->n_steps;
		until_ns = csn_monotonic_ns() + STALL_NS;
	}
	pthread_mutex_unlock(&whole->lock);
}

static bool is_complete(const struct csn_whole *whole)
{
	return !whole->closed && whole->segment == whole->prefix->n_segments;
}

void csn_whole_init(struct csn_whole *whole, const struct csn_prefix *prefix,
		    const struct csn_victim *victim, int64_t tid, int64_t deadline_ns)
{
	pthread_condattr_t attributes;

	*whole = (struct csn_whole){
		.prefix = prefix,
		.victim = victim,
		.tid = tid,
		.page_bytes = (uint64_t)sysconf(_SC_PAGESIZE),
		.deadline_ns = deadline_ns,
		.fd = -1,
		.lock = PTHREAD_MUTEX_INITIALIZER,
	};
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&whole->changed, &attributes);
	pthread_condattr_destroy(&attributes);
}

bool csn_whole_read(struct csn_whole *whole)
{
	start_readers(whole);
	wait_for_readers(whole);
	return is_complete(whole);
}

static int place_segments(struct csn_whole *whole, uint64_t at, struct csn_error *err)
{
	const struct csn_prefix *prefix = whole->prefix;
	size_t i;

	if (!whole->offsets)
		whole->offsets = calloc(prefix->n_segments + 1, sizeof(*whole->offsets));
	if (!whole->offsets)
		return csn_fail_nomem(err);
	for (i = 0; i < prefix->n_segments; i++) {
		whole->offsets[i] = at;
		at += (csn_whole_segment_bytes(&prefix->segments[i]) + whole->page_bytes - 1) &
		      ~(whole->page_bytes - 1);
	}
	return 0;
}

int csn_whole_write_rest(struct csn_whole *whole, int fd, uint64_t first_offset,
			 struct csn_error *err)
{
	int r = whole->closed ? 0 : place_segments(whole, first_offset, err);

	if (r < 0 || whole->closed || is_complete(whole))
		return r;
	/* Its own: a thread that hangs may wake up when the caller's number means another file. */
	whole->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (whole->fd < 0)
		return csn_fail_os(err, errno, "dup");
	start_readers(whole);
	wait_for_readers(whole);
	if (!whole->n_running)
		csn_closep(&whole->fd);
	if (whole->write_error) {
		whole->closed = true;
		return csn_fail_os(err, whole->write_error, "write");
	}
	return is_complete(whole) ? 0 : csn_fail(err, CSN_E_TIMEOUT, "its memory does not come");
}

int csn_whole_write_kept(struct csn_whole *whole, int fd, uint64_t first_offset,
			 struct csn_error *err)
{
	struct csn_whole_chunk *chunk;
	int r = place_segments(whole, first_offset, err);

	if (r < 0)
		return r;
	while (r == 0 && (chunk = whole->chunks)) {
		r = write_chunk(whole, chunk, fd);
		whole->chunks = chunk->next;
		munmap(chunk->data, CSN_WHOLE_CHUNK);
		free(chunk);
	}
	free(whole->offsets);
	whole->offsets = NULL;
	return r < 0 ? csn_fail_os(err, -r, "write") : 0;
}
