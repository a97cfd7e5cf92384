#include "spool/core_identity.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "spool/core_note_internal.h"

/* FreeBSD's numbers for its own owner. */
#define FREEBSD_OWNER "FreeBSD"
/* The kernel's file_note_size limit is 4 MiB; a sysctl can raise it. */
#define MAX_FILE_NOTE (16 * CSN_MIB)
/* 16-bit ids of 32-bit cores say this for what does not fit. */
#define OVERFLOW_UID 65534

/* A note's body, read whole up to max; NULL when there is none. */
static uint8_t *load_note(const struct core *core, const char *owner, uint32_t type, size_t max,
			  struct csn_span *ret_span)
{
	struct csn_error ignored;
	struct note note;
	uint8_t *body;

	if (core_find_note(core, owner, type, &note, &ignored) < 0)
		return NULL;
	if (note.size < max)
		max = note.size;
	body = malloc(max ? max : 1);
	if (body && core_read(core, body, max, note.offset, ret_span, &ignored) == 0)
		return body;
	free(body);
	return NULL;
}

/* A fixed field that need not end with a NUL. */
static void copy_name(char *out, size_t out_size, struct csn_span *span, size_t field)
{
	const char *bytes = csn_span_bytes(span, field);
	size_t length = bytes ? strnlen(bytes, field) : 0;

	if (length >= out_size)
		length = out_size - 1;
	if (bytes)
		memcpy(out, bytes, length);
	out[length] = '\0';
}

/* struct elf_prpsinfo: state bytes, flags, ids, fname. Ids have 16 bits in old 32-bit layouts. */
static void read_process(const struct core *core, struct csn_core_identity *identity)
{
	struct csn_span span = { 0 };
	cleanup_free uint8_t *body = load_note(core, "CORE", NT_PRPSINFO, 256, &span);
	uint64_t uid, pid;

	if (!body)
		return;
	csn_span_skip(&span, core->wide ? 16 : 8);
	uid = csn_span_uint(&span, core->wide ? 4 : 2);
	(void)csn_span_uint(&span, core->wide ? 4 : 2); /* gid */
	pid = csn_span_u32(&span);
	csn_span_skip(&span, 12); /* ppid, pgrp, sid */
	copy_name(identity->name, sizeof(identity->name), &span, 16);
	if (!csn_span_ok(&span))
		return;
	identity->pid = (int32_t)pid;
	if (core->wide || uid != OVERFLOW_UID)
		identity->uid = (int64_t)uid;
}

/* struct prpsinfo of FreeBSD: version, size, fname[17], psargs[81]. It has no uid. */
static void read_freebsd_process(const struct core *core, struct csn_core_identity *identity)
{
	struct csn_span span = { 0 };
	cleanup_free uint8_t *body = load_note(core, FREEBSD_OWNER, NT_PRPSINFO, 256, &span);

	if (!body)
		return;
	csn_span_skip(&span, core->wide ? 16 : 8);
	copy_name(identity->name, sizeof(identity->name), &span, 17);
}

/* elf_siginfo's three ints and pr_cursig; FreeBSD: version, three sizes, osreldate, cursig. */
static void read_signal(const struct core *core, struct csn_core_identity *identity)
{
	struct csn_span span = { 0 };
	cleanup_free uint8_t *body =
		load_note(core, core->freebsd ? FREEBSD_OWNER : "CORE", NT_PRSTATUS, 256, &span);
	uint64_t number;

	if (!body)
		return;
	if (core->freebsd)
		csn_span_skip(&span, core->wide ? 36 : 20);
	else
		csn_span_skip(&span, 12);
	number = core->freebsd ? csn_span_u32(&span) : csn_span_u16(&span);
	if (csn_span_ok(&span) && number <= 64)
		identity->signal = (int)number;
}

static bool find_entry(const struct core *core, uint64_t *ret_entry)
{
	unsigned width = core->wide ? 8 : 4;
	struct csn_span span = { 0 };
	cleanup_free uint8_t *body = load_note(core, "CORE", NT_AUXV, CSN_MAX_AUXV * 16ull, &span);

	while (body && csn_span_left(&span) >= 2ull * width) {
		uint64_t type = csn_span_uint(&span, width), value = csn_span_uint(&span, width);

		if (type == AT_ENTRY) {
			*ret_entry = value;
			return true;
		}
	}
	return false;
}

/* NT_FILE: count, page size, count ranges (start, end, offset), then as many names. */
static void read_executable(const struct core *core, struct csn_core_identity *identity)
{
	unsigned width = core->wide ? 8 : 4;
	struct csn_span span = { 0 }, names;
	cleanup_free uint8_t *body = load_note(core, "CORE", NT_FILE, MAX_FILE_NOTE, &span);
	uint64_t entry, count, i, wanted;
	const char *name = NULL;

	if (!body || !find_entry(core, &entry))
		return;
	count = csn_span_uint(&span, width);
	csn_span_skip(&span, width);
	if (!csn_span_ok(&span) || count > csn_span_left(&span) / (3ull * width))
		return;
	names = span;
	csn_span_skip(&names, count * 3 * width);
	for (wanted = 0; wanted < count; wanted++) {
		uint64_t start = csn_span_uint(&span, width), end = csn_span_uint(&span, width);

		csn_span_skip(&span, width);
		if (start <= entry && entry < end)
			break;
	}
	for (i = 0; wanted < count && i <= wanted; i++)
		name = csn_span_cstr(&names);
	if (name && strlen(name) < sizeof(identity->exe))
		memcpy(identity->exe, name, strlen(name) + 1);
}

/* How far headers and notes, and all of it, reach. */
static int measure(const struct core *core, struct csn_core_identity *identity,
		   struct csn_error *err)
{
	uint64_t headers = core->phoff + (uint64_t)core->phnum * core->phentsize, end;
	unsigned index;

	identity->notes_end = identity->end = headers;
	for (index = 0; index < core->phnum; index++) {
		struct segment segment;
		int r = core_read_segment(core, index, &segment, err);

		if (r < 0)
			return r;
		if (__builtin_add_overflow(segment.offset, segment.size, &end))
			return csn_fail(err, CSN_E_FORMAT, "segment %u has no end", index);
		if (end > identity->end)
			identity->end = end;
		if (segment.type != PT_NOTE)
			continue;
		identity->has_notes = true;
		if (end > identity->notes_end)
			identity->notes_end = end;
	}
	return 0;
}

int csn_core_identify(int core_fd, struct csn_core_identity *ret_identity, struct csn_error *err)
{
	struct csn_core_identity identity = { .uid = -1, .pid = -1 };
	struct core core = { .fd = core_fd };
	int r = core_read_header(&core, err);

	if (r == 0)
		r = measure(&core, &identity, err);
	if (r < 0)
		return r;
	if (core.freebsd) {
		read_freebsd_process(&core, &identity);
	} else {
		read_process(&core, &identity);
		read_executable(&core, &identity);
	}
	read_signal(&core, &identity);
	*ret_identity = identity;
	return 0;
}

/* Clears p_filesz of what is no note. The field is an integer of the core's width; zero has no byte
 * order. */
static int empty_segments(const struct core *core, int out_fd, struct csn_error *err)
{
	static const uint8_t zero[8];
	unsigned width = core->wide ? 8 : 4;
	uint64_t field = core->wide ? 32 : 16; /* of p_filesz in a program header */
	unsigned index;

	for (index = 0; index < core->phnum; index++) {
		uint64_t at = core->phoff + (uint64_t)index * core->phentsize;
		struct segment segment;
		int r = core_read_segment(core, index, &segment, err);

		if (r == 0 && segment.type != PT_NOTE) {
			r = csn_pwrite_full(out_fd, zero, width, (off_t)(at + field));
			if (r < 0)
				return csn_fail_os(err, -r, "write");
		}
		if (r < 0)
			return r;
	}
	return 0;
}

int csn_core_copy_notes(int core_fd, const struct csn_core_identity *identity, int out_fd,
			struct csn_error *err)
{
	struct core core = { .fd = core_fd };
	uint64_t done = 0;
	int r = core_read_header(&core, err);

	if (r < 0)
		return r;
	if (identity->notes_end > CSN_MAX_CORE_NOTES)
		return csn_fail(err, CSN_E_LIMIT, "notes larger than %llu bytes",
				(unsigned long long)CSN_MAX_CORE_NOTES);
	while (done < identity->notes_end) {
		char block[64 * 1024];
		size_t want = sizeof(block);
		ssize_t n;

		if (identity->notes_end - done < want)
			want = identity->notes_end - done;
		n = csn_pread_full(core_fd, block, want, (off_t)done);
		if (n < 0)
			return csn_fail_os(err, (int)-n, "read");
		if (n == 0)
			return csn_fail(err, CSN_E_FORMAT, "the notes run past the end");
		r = csn_pwrite_full(out_fd, block, (size_t)n, (off_t)done);
		if (r < 0)
			return csn_fail_os(err, -r, "write");
		done += (uint64_t)n;
	}
	return empty_segments(&core, out_fd, err);
}
