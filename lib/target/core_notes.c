/* The notes of a core: one NT_PRSTATUS opens each thread, and what follows until the next one is
 * about that thread. The kernel writes the thread that took the signal first. */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "elf/note.h"
#include "target/core_internal.h"
#include "target/siginfo.h"

struct csn_note_reader {
	struct csn_target *target;
	struct csn_core_files *files;
	size_t capacity; /* of target->threads */
	struct csn_error *err;
};

/* In struct elf_prstatus, behind three ints of siginfo. */
enum { CSN_PRSTATUS_CURSIG = 12 };
/* Of the kernel's elf.h; not in every distribution's. */
enum { CSN_NT_ARM_PAC_MASK = 0x406 };

static int csn_note_prstatus(struct csn_note_reader *reader, struct csn_span desc)
{
	struct csn_target *target = reader->target;
	struct csn_thread *thread;
	int cursig;

	if (target->n_threads >= CSN_MAX_THREADS)
		return csn_fail(reader->err, CSN_E_LIMIT, "more than %u threads", CSN_MAX_THREADS);
	target->threads = csn_arena_grow(target->arena, target->threads, target->n_threads,
					 &reader->capacity, sizeof(*thread));
	if (!target->threads)
		return csn_fail_nomem(reader->err);
	thread = &target->threads[target->n_threads];
	*thread = (struct csn_thread){ 0 };
	csn_span_seek(&desc, CSN_PRSTATUS_CURSIG);
	cursig = csn_span_u16(&desc);
	csn_span_seek(&desc, target->arch->prstatus_pid);
	thread->tid = csn_span_int(&desc, 4);
	csn_span_seek(&desc, target->arch->prstatus_registers);
	if (!csn_span_ok(&desc))
		return 0; /* too short to be one; the thread is not counted */
	csn_arch_read_user(target->arch, desc, &thread->registers);
	thread->signal = (struct csn_signal){ .present = cursig != 0,
					      .number = cursig,
					      .sender_pid = -1,
					      .sender_uid = -1,
					      .trapno = -1 };
	target->n_threads++;
	return 0;
}

static int csn_note_siginfo(struct csn_note_reader *reader, struct csn_span desc)
{
	struct csn_target *target = reader->target;
	struct csn_signal signal;

	/* A thread whose prstatus shows no current signal has left-overs here at best. */
	if (target->n_threads && csn_signal_read(desc, target->arch->word_bytes, &signal) &&
	    signal.number)
		target->threads[target->n_threads - 1].signal = signal;
	return 0;
}

/* struct elf_prpsinfo. */
static int csn_note_prpsinfo(struct csn_note_reader *reader, struct csn_span desc)
{
	struct csn_target *target = reader->target;
	unsigned width = target->arch->psinfo_uid_bytes;
	const char *comm, *arguments;

	csn_span_seek(&desc, target->arch->psinfo_ids);
	target->process.uid = (int64_t)csn_span_uint(&desc, width);
	target->process.gid = (int64_t)csn_span_uint(&desc, width);
	target->process.pid = csn_span_int(&desc, 4);
	target->process.own_pid = target->process.pid;
	target->process.ppid = csn_span_int(&desc, 4);
	csn_span_skip(&desc, 8);
	comm = csn_span_bytes(&desc, 16);
	arguments = csn_span_bytes(&desc, 80);
	if (!csn_span_ok(&desc))
		return 0;
	target->process.comm = csn_arena_strndup(target->arena, comm, strnlen(comm, 16));
	target->process.arguments =
		csn_arena_strndup(target->arena, arguments, strnlen(arguments, 80));
	return target->process.comm && target->process.arguments ? 0 : csn_fail_nomem(reader->err);
}

static int csn_note_auxv(struct csn_note_reader *reader, struct csn_span desc)
{
	struct csn_target *target = reader->target;
	unsigned word = target->arch->word_bytes;
	size_t n = csn_min_u64(csn_span_left(&desc) / (2ull * word), CSN_MAX_AUXV);
	uint64_t *auxv = csn_arena_array(target->arena, n + 1, 2 * sizeof(*auxv));

	if (!auxv)
		return csn_fail_nomem(reader->err);
	for (size_t i = 0; i < 2 * n; i++)
		auxv[i] = csn_span_uint(&desc, word);
	target->auxv = auxv;
	target->n_auxv = n;
	return 0;
}

int csn_core_file_compare(const void *a, const void *b)
{
	const struct csn_core_file *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static int csn_note_fpregset(struct csn_note_reader *reader, struct csn_span desc)
{
	struct csn_target *target = reader->target;
	const struct csn_arch *arch = target->arch;

	if (target->n_threads && arch->n_vectors)
		target->threads[target->n_threads - 1].vectors =
			csn_span_part(&desc, arch->fpregs_vectors,
				      arch->n_vectors * CSN_VECTOR_BYTES);
	return 0;
}

/* NT_FILE: count, page size, count triples (start, end, offset in pages), count names. */
static int csn_note_file(struct csn_note_reader *reader, struct csn_span desc)
{
	unsigned word = reader->target->arch->word_bytes;
	uint64_t count = csn_span_uint(&desc, word), page = csn_span_uint(&desc, word);
	struct csn_core_files *files = reader->files;
	struct csn_span names;

	if (reader->files->present || !csn_span_ok(&desc) ||
	    count > csn_span_left(&desc) / (3ull * word))
		return 0;
	if (count > CSN_MAX_FILE_MAPPINGS)
		return csn_fail(reader->err, CSN_E_LIMIT, "more than %u mapped files",
				CSN_MAX_FILE_MAPPINGS);
	files->items = csn_arena_array(reader->target->arena, count + 1, sizeof(*files->items));
	if (!files->items)
		return csn_fail_nomem(reader->err);
	names = desc;
	csn_span_skip(&names, count * 3 * word);
	for (uint64_t i = 0; i < count; i++) {
		struct csn_core_file *file = &files->items[files->count];

		file->start = csn_span_uint(&desc, word);
		file->end = csn_span_uint(&desc, word);
		file->offset = csn_span_uint(&desc, word) * page;
		file->path = csn_span_cstr(&names);
		if (file->path && file->start < file->end)
			files->count++;
	}
	qsort(files->items, files->count, sizeof(*files->items), csn_core_file_compare);
	files->present = true;
	return 0;
}

/* struct user_pac_mask: which bits of data and of code addresses a signature takes. */
static int csn_note_pac_mask(struct csn_note_reader *reader, struct csn_span desc)
{
	uint64_t bits;

	csn_span_skip(&desc, 8);
	bits = csn_span_u64(&desc);
	if (csn_span_ok(&desc))
		reader->target->signature_bits = bits;
	return 0;
}

/* tpidr_el0 of AArch64. */
static int csn_note_arm_tls(struct csn_note_reader *reader, struct csn_span desc)
{
	uint64_t pointer = csn_span_u64(&desc);
	struct csn_target *target = reader->target;

	if (target->n_threads && csn_span_ok(&desc))
		target->threads[target->n_threads - 1].thread_pointer = pointer;
	return 0;
}

/* struct user_desc of <asm/ldt.h>, the first of the thread's own segments: number, base, limit,
 * flags. The C library has its storage in the first one. */
static int csn_note_386_tls(struct csn_note_reader *reader, struct csn_span desc)
{
	struct csn_target *target = reader->target;
	uint32_t pointer;

	(void)csn_span_u32(&desc);
	pointer = csn_span_u32(&desc);
	if (target->n_threads && csn_span_ok(&desc))
		target->threads[target->n_threads - 1].thread_pointer = pointer;
	return 0;
}

static int csn_note_coresnap(struct csn_note_reader *reader, struct csn_span desc)
{
	struct csn_target *target = reader->target;

	if (csn_span_left(&desc) > CSN_MAX_CORESNAP_NOTE)
		return 0;
	target->coresnap_note_size = csn_span_left(&desc);
	target->coresnap_note = csn_arena_strndup(target->arena, (const char *)desc.data + desc.at,
						  target->coresnap_note_size);
	return target->coresnap_note ? 0 : csn_fail_nomem(reader->err);
}

static const struct csn_note_kind {
	const char *owner;
	uint32_t type;
	int (*read)(struct csn_note_reader *reader, struct csn_span desc);
} csn_note_kinds[] = {
	{ CSN_NOTE_CORE, NT_PRSTATUS, csn_note_prstatus },
	{ CSN_NOTE_CORE, NT_SIGINFO, csn_note_siginfo },
	{ CSN_NOTE_CORE, NT_FPREGSET, csn_note_fpregset },
	{ CSN_NOTE_CORE, NT_PRPSINFO, csn_note_prpsinfo },
	{ CSN_NOTE_CORE, NT_AUXV, csn_note_auxv },
	{ CSN_NOTE_CORE, NT_FILE, csn_note_file },
	{ CSN_NOTE_LINUX, CSN_NT_ARM_PAC_MASK, csn_note_pac_mask },
	{ CSN_NOTE_LINUX, NT_ARM_TLS, csn_note_arm_tls },
	{ CSN_NOTE_LINUX, NT_386_TLS, csn_note_386_tls },
	{ CSN_NOTE_CORESNAP, CSN_NT_CORESNAP, csn_note_coresnap },
};

static int csn_note_read(struct csn_note_reader *reader, const struct csn_elf_note *note)
{
	for (size_t i = 0; i < csn_countof(csn_note_kinds); i++) {
		const struct csn_note_kind *kind = &csn_note_kinds[i];

		if (csn_elf_note_is(note, kind->owner, kind->type))
			return kind->read(reader, note->desc);
	}
	return 0;
}

int csn_core_read_notes(struct csn_target *target, const struct csn_span *image,
			const struct csn_elf_segment *segment, struct csn_core_files *files,
			struct csn_error *err)
{
	struct csn_core *core = target->impl;
	uint64_t size = segment->file_size;
	struct csn_note_reader reader = { .target = target, .files = files, .err = err };
	struct csn_elf_notes notes;
	struct csn_elf_note note;
	struct csn_span bytes;

	if (segment->offset >= image->size)
		size = 0;
	else
		size = csn_min_u64(size, image->size - segment->offset);
	if (size > CSN_MAX_CORE_NOTES)
		return csn_fail(err, CSN_E_LIMIT, "notes of %llu bytes", (unsigned long long)size);
	reader.capacity = target->n_threads;
	bytes = csn_span_part(image, size ? segment->offset : 0, size);
	notes = csn_elf_notes_of(&bytes, segment->alignment);
	while (csn_elf_notes_next(&notes, &note)) {
		int result = csn_note_read(&reader, &note);

		if (result < 0)
			return result;
	}
	core->notes_broken |= csn_elf_notes_broken(&notes) || size < segment->file_size;
	return 0;
}
