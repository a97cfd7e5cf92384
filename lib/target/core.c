#include "target/core.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "target/core_internal.h"

/* The segment that holds addr; NULL. */
static const struct csn_core_segment *csn_core_find(struct csn_core *core, csn_addr addr)
{
	size_t low = 0, high = core->n_segments;

	if (core->last < core->n_segments) {
		const struct csn_core_segment *last = &core->segments[core->last];

		if (addr >= last->start && addr < last->end)
			return last;
	}
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (addr < core->segments[middle].start) {
			high = middle;
		} else if (addr >= core->segments[middle].end) {
			low = middle + 1;
		} else {
			core->last = middle;
			return &core->segments[middle];
		}
	}
	return NULL;
}

static size_t csn_core_read(struct csn_target *target, csn_addr addr, void *data, size_t size_bytes)
{
	struct csn_core *core = target->impl;
	const struct csn_core_segment *segment = csn_core_find(core, addr);
	uint64_t in_segment;

	if (!segment || addr - segment->start >= segment->stored)
		return 0;
	in_segment = addr - segment->start;
	size_bytes = (size_t)csn_min_u64(size_bytes, segment->stored - in_segment);
	return csn_core_read_file(core, segment->offset + in_segment, data, size_bytes);
}

static bool csn_core_lost(struct csn_target *target, csn_addr addr)
{
	const struct csn_core_segment *segment = csn_core_find(target->impl, addr);

	return segment && addr - segment->start >= segment->stored &&
	       addr - segment->start < segment->promised;
}

static void csn_core_close(struct csn_target *target)
{
	struct csn_core *core = target->impl;

	if (!core)
		return;
	if (core->data)
		munmap(core->data, core->size);
	if (core->fd >= 0)
		close(core->fd);
	free(core->pages);
}

static const struct csn_target_ops csn_core_ops = {
	.read = csn_core_read,
	.lost = csn_core_lost,
	.close = csn_core_close,
};

uint64_t csn_core_stored_bytes(const struct csn_target *target)
{
	const struct csn_core *core = target->impl;
	uint64_t sum = 0;

	for (size_t i = 0; i < core->n_segments; i++)
		sum += core->segments[i].stored;
	return sum;
}

static bool csn_looks_like_text(const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < size && i < 512; i++)
		if (data[i] == 0 || data[i] == 0x7f ||
		    (data[i] < 0x20 && !strchr("\t\n\r\f\033", data[i])))
			return false;
	return true;
}

/* What a file that is no core seems to be, and what to do about it. */
static int csn_core_refuse(const struct csn_span *image, struct csn_error *err)
{
	static const struct {
		const char *magic;
		size_t size;
		const char *tool;
	} packed[] = {
		{ "\x28\xb5\x2f\xfd", 4, "zstd -d" },
		{ "\x1f\x8b", 2, "gunzip" },
		{ "\xfd"
		  "7zXZ",
		  5, "unxz" },
		{ "\x04\x22\x4d\x18", 4, "lz4 -d" },
	};
	const char *seems = "not an ELF file";

	if (!image->size)
		return csn_fail(err, CSN_E_FORMAT,
				"the file is empty, no core; check the disk and 'ulimit -c'");
	for (size_t i = 0; i < csn_countof(packed); i++)
		if (image->size >= packed[i].size &&
		    memcmp(image->data, packed[i].magic, packed[i].size) == 0)
			return csn_fail(err, CSN_E_FORMAT,
					"a compressed file; unpack it first with '%s'",
					packed[i].tool);
	if (csn_looks_like_text(image->data, image->size))
		seems = "a text file";
	return csn_fail(err, CSN_E_FORMAT,
			"%s, not a core file; give the core that the kernel or gcore wrote", seems);
}

static int csn_core_check_kind(const struct csn_span *image, struct csn_elf_header *ret_header,
			       struct csn_error *err)
{
	int result;

	if (image->size < SELFMAG || memcmp(image->data, ELFMAG, SELFMAG) != 0)
		return csn_core_refuse(image, err);
	result = csn_elf_header_read(image, ret_header, err);
	if (result < 0)
		return result;
	if (ret_header->type != ET_CORE)
		return csn_fail(err, CSN_E_FORMAT,
				"an ELF %s, not a core file; give the core after --core and this "
				"file behind it",
				ret_header->type == ET_REL ? "object file" : "program or library");
	return 0;
}

static int csn_segment_compare(const void *a, const void *b)
{
	const struct csn_core_segment *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* Sorts, and drops what overlaps its predecessor, so that searching is sound. */
static void csn_core_sort(struct csn_core *core)
{
	size_t kept = 0;

	qsort(core->segments, core->n_segments, sizeof(*core->segments), csn_segment_compare);
	for (size_t i = 0; i < core->n_segments; i++)
		if (!kept || core->segments[i].start >= core->segments[kept - 1].end)
			core->segments[kept++] = core->segments[i];
	core->n_segments = kept;
}

static void csn_core_add_load(struct csn_target *target, const struct csn_elf_segment *load)
{
	struct csn_core *core = target->impl;
	struct csn_core_segment *segment = &core->segments[core->n_segments];

	if (!load->memory_size || load->address + load->memory_size < load->address)
		return;
	segment->start = load->address;
	segment->end = load->address + load->memory_size;
	segment->offset = load->offset;
	segment->flags = load->flags;
	segment->promised = csn_min_u64(load->file_size, load->memory_size);
	segment->stored = segment->promised;
	if (load->offset >= core->size)
		segment->stored = 0;
	else
		segment->stored = csn_min_u64(segment->stored, core->size - load->offset);
	target->missing_bytes += segment->promised - segment->stored;
	core->n_segments++;
}

static int csn_core_read_segments(struct csn_target *target, const struct csn_elf_header *header,
				  const struct csn_span *image, struct csn_core_files *files,
				  struct csn_error *err)
{
	struct csn_core *core = target->impl;

	core->segments =
		csn_arena_array(target->arena, header->n_segments + 1ull, sizeof(*core->segments));
	if (!core->segments)
		return csn_fail_nomem(err);
	for (uint32_t i = 0; i < header->n_segments; i++) {
		struct csn_elf_segment segment;

		if (!csn_elf_segment_read(header, image, i, &segment)) {
			core->notes_broken = true;
			break;
		}
		if (segment.type == PT_LOAD)
			csn_core_add_load(target, &segment);
		if (segment.type == PT_NOTE) {
			int result = csn_core_read_notes(target, image, &segment, files, err);

			if (result < 0)
				return csn_wrap(err, "note segment %u", i);
		}
	}
	csn_core_sort(core);
	return 0;
}

static int csn_core_note_truncation(struct csn_target *target, struct csn_error *err)
{
	const struct csn_core *core = target->impl;

	if (target->missing_bytes)
		target->truncated =
			csn_arena_sprintf(target->arena,
					  "the core is cut short: %llu bytes of memory are missing",
					  (unsigned long long)target->missing_bytes);
	else if (core->notes_broken)
		target->truncated = "the core is cut short: its notes or headers are not whole";
	else
		return 0;
	return target->truncated ? 0 : csn_fail_nomem(err);
}

/* The main program is the file that holds the program headers the kernel told it about. */
static void csn_core_find_executable(struct csn_target *target)
{
	static const uint64_t types[] = { AT_PHDR, AT_ENTRY };

	for (size_t i = 0; i < csn_countof(types) && !target->executable; i++) {
		const struct csn_mapping *mapping;
		uint64_t addr;

		if (!csn_target_find_auxv(target, types[i], &addr))
			continue;
		mapping = csn_target_find_mapping(target, addr);
		if (mapping && mapping->is_file)
			target->executable = mapping->path;
	}
}

int csn_core_set_files(struct csn_target *target, struct csn_core_file *items, size_t count,
		       struct csn_error *err)
{
	struct csn_core_files files = { .items = items, .count = count };

	qsort(items, count, sizeof(*items), csn_core_file_compare);
	target->mappings = NULL;
	target->n_mappings = 0;
	target->last_mapping = NULL;
	if (csn_core_make_mappings(target, &files, err) < 0)
		return -CSN_E_NOMEM;
	csn_core_find_executable(target);
	return 0;
}

static int csn_core_fill(struct csn_target *target, const struct csn_span *image,
			 struct csn_error *err)
{
	struct csn_core_files files = { 0 };
	struct csn_elf_header header = { 0 };
	int result = csn_core_check_kind(image, &header, err);

	if (result < 0)
		return result;
	target->arch = csn_arch_find(header.machine, header.is_64);
	if (!target->arch)
		return csn_fail(err, CSN_E_UNSUPPORTED,
				"a core of machine type %u, which this release cannot read; "
				"x86-64, i386 and aarch64 are supported",
				header.machine);
	result = csn_core_read_segments(target, &header, image, &files, err);
	if (result < 0)
		return result;
	if (!target->n_threads)
		return csn_fail(err, CSN_E_FORMAT,
				"the core has no threads: it is cut short after %zu bytes; make it "
				"anew with more disk space",
				image->size);
	target->signal = target->threads[0].signal;
	if (csn_core_make_mappings(target, &files, err) < 0 ||
	    csn_core_note_truncation(target, err) < 0)
		return -CSN_E_NOMEM;
	csn_core_find_executable(target);
	return 0;
}

static int csn_core_map(int fd, struct csn_target *target, struct csn_span *ret_image,
			struct csn_error *err)
{
	struct csn_core *core = csn_arena_alloc(target->arena, sizeof(*core));
	struct stat st;
	void *data;

	if (!core)
		return csn_fail_nomem(err);
	if (fstat(fd, &st) < 0)
		return csn_fail_os(err, errno, "fstat");
	if (!S_ISREG(st.st_mode))
		return csn_fail(err, CSN_E_FORMAT, "not a regular file; give a core file");
	core->fd = -1;
	target->impl = core;
	target->timestamp = st.st_mtime;
	core->size = (size_t)st.st_size;
	*ret_image = csn_span_of("", 0);
	if (!core->size)
		return 0;
	data = mmap(NULL, core->size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED)
		return csn_fail_os(err, errno, "mmap");
	core->data = data;
	core->pages = calloc(1, sizeof(*core->pages));
	if (!core->pages)
		return csn_fail_nomem(err);
	core->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (core->fd < 0)
		return csn_fail_os(err, errno, "dup");
	*ret_image = csn_span_of(data, core->size);
	return 0;
}

int csn_core_open_fd(int fd, const char *name, struct csn_target **ret_target,
		     struct csn_error *err)
{
	cleanup_(csn_target_freep) struct csn_target *target = csn_target_new(&csn_core_ops);
	struct csn_span image = csn_span_of("", 0);
	int result;

	if (!target)
		return csn_fail_nomem(err);
	target->name = csn_arena_strdup(target->arena, name);
	if (!target->name)
		return csn_fail_nomem(err);
	result = csn_core_map(fd, target, &image, err);
	if (result == 0)
		result = csn_core_fill(target, &image, err);
	if (result < 0)
		return result;
	*ret_target = csn_take(target);
	return 0;
}

int csn_core_open_file(const char *path, int *ret_fd, struct csn_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0) {
		int errnum = errno;

		csn_fail(err, CSN_E_OS, "cannot open: %s; %s", strerror(errnum),
			 errnum == EACCES ? "read it as its owner or as root" : "check the path");
		if (err)
			err->os_errno = errnum;
		return -CSN_E_OS;
	}
	*ret_fd = fd;
	return 0;
}

int csn_core_open(const char *path, struct csn_target **ret_target, struct csn_error *err)
{
	cleanup_close int fd = -1;
	int rc = csn_core_open_file(path, &fd, err);

	return rc < 0 ? rc : csn_core_open_fd(fd, path, ret_target, err);
}
