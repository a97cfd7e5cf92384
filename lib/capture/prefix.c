#include "capture/prefix.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/limits.h"
#include "capture/request.h"

/* Where NT_PRSTATUS keeps what we need: elf_prstatus of the kernel's <linux/elfcore.h>. */
struct status_layout {
	uint16_t machine;
	unsigned word_bytes;
	unsigned pid_at, words_at; /* bytes */
	unsigned n_words, sp_word;
};

static const struct status_layout layouts[] = {
	{ EM_X86_64, 8, 32, 112, 27, 19 },
	{ EM_AARCH64, 8, 32, 112, 34, 31 },
	{ EM_RISCV, 8, 32, 112, 32, 2 },
	{ EM_386, 4, 24, 72, 17, 15 },
};

static const struct status_layout *find_layout(const struct csn_elf_header *header)
{
	size_t i;

	for (i = 0; i < csn_countof(layouts); i++)
		if (layouts[i].machine == header->machine &&
		    (layouts[i].word_bytes == 8) == header->is_64)
			return &layouts[i];
	return NULL;
}

/* Makes the image at least size_bytes long; the region's last allocation is the image. */
static int extend_image(int fd, struct csn_region *region, struct csn_span *image,
			uint64_t size_bytes, struct csn_error *err)
{
	size_t missing;
	uint8_t *place;
	ssize_t n;

	if (size_bytes <= image->size)
		return 0;
	missing = size_bytes - image->size;
	csn_region_trim(region, image->size, 0);
	place = csn_region_alloc(region, size_bytes);
	if (!place)
		return csn_fail(err, CSN_E_LIMIT, "%llu bytes of headers",
				(unsigned long long)size_bytes);
	n = csn_read_full(fd, place + image->size, missing);
	if (n < 0)
		return csn_fail_os(err, (int)-n, "reading the core");
	*image = csn_span_of(place, image->size + (size_t)n);
	if ((size_t)n < missing)
		return csn_fail(err, CSN_E_FORMAT, "the core ends within its headers, at byte %zu",
				image->size);
	return 0;
}

static int compare_segments(const void *a, const void *b)
{
	const struct csn_elf_segment *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

static int compare_files(const void *a, const void *b)
{
	const struct csn_prefix_file *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* PT_LOAD entries by address (core_sort_vma reorders them). */
static int read_segments(struct csn_region *region, struct csn_prefix *prefix,
			 struct csn_error *err)
{
	const struct csn_elf_header *header = &prefix->header;
	struct csn_elf_segment segment;
	bool sorted = true;
	uint32_t i;

	prefix->segments = csn_region_alloc(region, header->n_segments * sizeof(*prefix->segments));
	if (!prefix->segments)
		return csn_fail(err, CSN_E_LIMIT, "%u segments", header->n_segments);
	for (i = 0; i < header->n_segments; i++) {
		if (!csn_elf_segment_read(header, &prefix->image, i, &segment))
			return csn_fail(err, CSN_E_FORMAT, "segment %u is cut off", i);
		if (segment.type != PT_LOAD ||
		    segment.address + segment.memory_size < segment.address)
			continue;
		if (segment.file_size > segment.memory_size)
			segment.file_size = segment.memory_size;
		if (prefix->n_segments &&
		    segment.address < prefix->segments[prefix->n_segments - 1].address)
			sorted = false;
		prefix->segments[prefix->n_segments++] = segment;
		prefix->dumpable_bytes += segment.file_size;
	}
	if (!sorted)
		qsort(prefix->segments, prefix->n_segments, sizeof(segment), compare_segments);
	return 0;
}

static void read_thread(const struct status_layout *layout, struct csn_span desc,
			struct csn_prefix_thread *thread)
{
	struct csn_span words, sp;

	*thread = (struct csn_prefix_thread){ 0 };
	csn_span_seek(&desc, layout->pid_at);
	thread->ns_tid = (int32_t)csn_span_u32(&desc);
	words = csn_span_part(&desc, layout->words_at,
			      (uint64_t)layout->n_words * layout->word_bytes);
	if (!csn_span_ok(&desc) || !csn_span_ok(&words))
		return;
	thread->words = sp = words;
	csn_span_seek(&sp, (uint64_t)layout->sp_word * layout->word_bytes);
	thread->sp = csn_span_uint(&sp, layout->word_bytes);
	thread->sp_known = csn_span_ok(&sp);
}

/* NT_FILE: count, page size, then start, end, offset of each, then the names. */
static void read_files(struct csn_region *region, struct csn_prefix *prefix, struct csn_span desc)
{
	uint64_t width = prefix->word_bytes;
	uint64_t count = csn_span_uint(&desc, (unsigned)width);
	struct csn_span names;
	bool sorted = true;
	size_t i;

	csn_span_skip(&desc, width);
	if (!csn_span_ok(&desc) || count > csn_span_left(&desc) / (3 * width))
		return;
	prefix->files = csn_region_alloc(region, count * sizeof(*prefix->files));
	if (!prefix->files)
		return;
	names = desc;
	csn_span_skip(&names, count * 3 * width);
	for (i = 0; i < count; i++) {
		prefix->files[i].start = csn_span_uint(&desc, (unsigned)width);
		prefix->files[i].end = csn_span_uint(&desc, (unsigned)width);
		prefix->files[i].page = csn_span_uint(&desc, (unsigned)width);
		prefix->files[i].path = csn_span_cstr(&names);
		if (i && prefix->files[i].start < prefix->files[i - 1].start)
			sorted = false;
	}
	prefix->n_files = count;
	prefix->has_files = true;
	if (!sorted)
		qsort(prefix->files, count, sizeof(*prefix->files), compare_files);
}

static void read_auxv(struct csn_prefix *prefix, struct csn_span desc)
{
	while (csn_span_left(&desc) >= 2ull * prefix->word_bytes) {
		uint64_t type = csn_span_uint(&desc, prefix->word_bytes);
		uint64_t value = csn_span_uint(&desc, prefix->word_bytes);

		if (type == AT_BASE)
			prefix->loader_base = value;
	}
}

/* si_signo, the first word of siginfo_t. */
static int read_signal(struct csn_span desc)
{
	uint32_t number = csn_span_u32(&desc);

	return csn_span_ok(&desc) && number <= CSN_MAX_SIGNAL ? (int)number : 0;
}

static int read_notes(struct csn_region *region, struct csn_prefix *prefix, struct csn_error *err)
{
	const struct status_layout *layout = find_layout(&prefix->header);
	struct csn_elf_notes notes = csn_elf_notes_of(&prefix->notes, prefix->notes_alignment);
	struct csn_elf_note note;
	size_t n = 0;

	while (csn_elf_notes_next(&notes, &note))
		n += csn_elf_note_is(&note, CSN_NOTE_CORE, NT_PRSTATUS);
	prefix->threads = csn_region_alloc(region, n * sizeof(*prefix->threads));
	if (!prefix->threads)
		return csn_fail(err, CSN_E_LIMIT, "%zu threads", n);
	notes = csn_elf_notes_of(&prefix->notes, prefix->notes_alignment);
	while (csn_elf_notes_next(&notes, &note)) {
		if (csn_elf_note_is(&note, CSN_NOTE_CORE, NT_PRSTATUS) && layout &&
		    prefix->n_threads < n)
			read_thread(layout, note.desc, &prefix->threads[prefix->n_threads++]);
		else if (csn_elf_note_is(&note, CSN_NOTE_CORE, NT_FILE) && !prefix->has_files)
			read_files(region, prefix, note.desc);
		else if (csn_elf_note_is(&note, CSN_NOTE_CORE, NT_AUXV))
			read_auxv(prefix, note.desc);
		else if (csn_elf_note_is(&note, CSN_NOTE_CORE, NT_SIGINFO) && !prefix->signal)
			prefix->signal = read_signal(note.desc);
	}
	return 0;
}

int csn_prefix_read(int fd, struct csn_region *region, struct csn_prefix *ret_prefix,
		    struct csn_error *err)
{
	struct csn_prefix prefix = { 0 };
	struct csn_elf_segment notes;
	int r = extend_image(fd, region, &prefix.image, CSN_ELF_PREFIX_BYTES, err);

	if (r == 0)
		r = csn_elf_header_read(&prefix.image, &prefix.header, err);
	if (r < 0)
		return r;
	if (prefix.header.type != ET_CORE)
		return csn_fail(err, CSN_E_FORMAT, "ELF, but no core file");
	if (csn_elf_segments_end(&prefix.header) > CSN_MAX_CAPTURE_HEADERS)
		return csn_fail(err, CSN_E_LIMIT, "%u segments", prefix.header.n_segments);
	prefix.word_bytes = prefix.header.is_64 ? 8 : 4;
	r = extend_image(fd, region, &prefix.image, csn_elf_segments_end(&prefix.header), err);
	if (r < 0)
		return r;
	if (!csn_elf_segment_find(&prefix.header, &prefix.image, PT_NOTE, &notes))
		return csn_fail(err, CSN_E_FORMAT, "the core has no notes");
	if (notes.file_size > CSN_MAX_CAPTURE_NOTES || notes.offset > CSN_MAX_CAPTURE_HEADERS)
		return csn_fail(err, CSN_E_LIMIT, "%llu bytes of notes",
				(unsigned long long)notes.file_size);
	r = extend_image(fd, region, &prefix.image, notes.offset + notes.file_size, err);
	if (r == 0)
		r = read_segments(region, &prefix, err);
	if (r < 0)
		return r;
	prefix.notes = csn_span_part(&prefix.image, notes.offset, notes.file_size);
	prefix.notes_alignment = notes.alignment;
	r = read_notes(region, &prefix, err);
	if (r == 0)
		*ret_prefix = prefix;
	return r;
}

/* One line: "start-end perms offset major:minor inode   path". False when it maps no file. */
static bool read_mapping(char *line, struct csn_prefix_file *ret_file)
{
	char *at = line, *word;

	ret_file->start = strtoull(at, &at, 16);
	if (*at != '-')
		return false;
	ret_file->end = strtoull(at + 1, &at, 16);
	at += strspn(at, " ");
	at += strcspn(at, " "); /* behind the permissions */
	ret_file->page = strtoull(at, &at, 16) / (uint64_t)sysconf(_SC_PAGESIZE);
	at += strspn(at, " ");
	at += strcspn(at, " "); /* behind the device */
	word = at;
	if (strtoull(word, &at, 10) == 0 || at == word)
		return false;
	at += strspn(at, " ");
	ret_file->path = at;
	return ret_file->end > ret_file->start;
}

/* The kernel writes a newline within a path as \012, so every line is its own. */
void csn_prefix_take_maps(struct csn_prefix *prefix, const char *maps, size_t size_bytes,
			  struct csn_region *region)
{
	char *text = csn_region_alloc(region, size_bytes + 1), *at, *end;
	size_t n_lines = 0, n = 0;

	if (!text)
		return;
	memcpy(text, maps, size_bytes);
	text[size_bytes] = '\0';
	for (at = text; (at = strchr(at, '\n')); at++)
		n_lines++;
	prefix->files = csn_region_alloc(region, n_lines * sizeof(*prefix->files));
	if (!prefix->files)
		return;
	/* A last line that was cut off names no mapping. */
	for (at = text; n < n_lines && (end = strchr(at, '\n')); at = end + 1) {
		*end = '\0';
		n += read_mapping(at, &prefix->files[n]);
	}
	qsort(prefix->files, n, sizeof(*prefix->files), compare_files);
	prefix->n_files = n;
}

const struct csn_elf_segment *csn_prefix_find(const struct csn_prefix *prefix, csn_addr addr)
{
	size_t low = 0, high = prefix->n_segments;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct csn_elf_segment *segment = &prefix->segments[middle];

		if (addr < segment->address)
			high = middle;
		else if (addr - segment->address >= segment->memory_size)
			low = middle + 1;
		else
			return segment;
	}
	return NULL;
}

const struct csn_prefix_file *csn_prefix_find_file(const struct csn_prefix *prefix, csn_addr addr)
{
	size_t low = 0, high = prefix->n_files;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (addr < prefix->files[middle].start)
			high = middle;
		else if (addr >= prefix->files[middle].end)
			low = middle + 1;
		else
			return &prefix->files[middle];
	}
	return NULL;
}

bool csn_prefix_is_kernels(const struct csn_prefix *prefix, csn_addr addr)
{
	const struct csn_elf_segment *segment = csn_prefix_find(prefix, addr);

	return addr > INT64_MAX || (segment && !(segment->flags & (PF_W | PF_X)) &&
				    !csn_prefix_find_file(prefix, addr));
}
