#include "capture/gather.h"

#include "base/limits.h"

/* An anonymous mapping up to this size is taken whole: TLS, the loader's own heap, the vdso. */
#define SMALL_BYTES (64 * CSN_KIB)
/* A larger .bss gives its beginning; windows reach the rest. */
#define BSS_BYTES (4 * CSN_MIB)
/* What is larger than this waits until everything smaller was taken. */
#define FIRST_PASS_BYTES CSN_MIB
/* Leaf functions keep data below sp (the x86-64 red zone is 128 bytes). */
#define BELOW_SP 256u

enum kind { KIND_OTHER, KIND_FILE, KIND_BSS, KIND_SMALL };

/* .bss is the anonymous mapping right behind a writable file mapping. */
static bool is_bss(const struct csn_prefix *prefix, size_t index)
{
	const struct csn_elf_segment *segment = &prefix->segments[index], *before = segment - 1;

	return index && before->address + before->memory_size == segment->address &&
	       before->flags & PF_W && csn_prefix_find_file(prefix, before->address);
}

static enum kind find_kind(const struct csn_prefix *prefix, size_t index)
{
	const struct csn_elf_segment *segment = &prefix->segments[index];

	if (segment->file_size == 0)
		return KIND_OTHER;
	if (csn_prefix_find_file(prefix, segment->address))
		return KIND_FILE;
	if (is_bss(prefix, index))
		return KIND_BSS;
	return segment->memory_size <= SMALL_BYTES ? KIND_SMALL : KIND_OTHER;
}

/* One pass over the segments: of these kinds and sizes. */
struct pass {
	bool small; /* KIND_SMALL, else the others */
	uint64_t min_bytes, max_bytes;
	uint64_t limit_bytes; /* of everything this pass takes */
};

static uint64_t wanted_bytes(const struct csn_prefix *prefix, size_t index, const struct pass *pass)
{
	enum kind kind = find_kind(prefix, index);
	uint64_t size = prefix->segments[index].file_size;

	if (kind == KIND_OTHER || (kind == KIND_SMALL) != pass->small)
		return 0;
	if (kind == KIND_BSS)
		size = csn_min_u64(size, BSS_BYTES);
	return size >= pass->min_bytes && size <= pass->max_bytes ? size : 0;
}

static void take_segments(struct csn_capture_memory *memory, const struct pass *pass)
{
	const struct csn_prefix *prefix = memory->prefix;
	uint64_t size, left = pass->limit_bytes;
	size_t i;

	for (i = 0; i < prefix->n_segments && csn_memory_may_go_on(memory); i++) {
		const struct csn_elf_segment *segment = &prefix->segments[i];

		size = wanted_bytes(prefix, i, pass);
		if (size == 0)
			continue;
		if (size < segment->file_size || size > left)
			csn_memory_omit(memory, (struct csn_omission){
							.what = "files",
							.why = "budget",
							.address = segment->address,
							.bytes = segment->file_size -
								 csn_min_u64(size, left),
						});
		if (left)
			left -= csn_min_u64(left, csn_memory_take(memory, CSN_CLASS_FILES,
								  segment->address,
								  segment->address + size, left));
	}
}

/* Debuggers need the small data of every library first; a program with a hundred thousand little
 * mappings must not push them out. */
void csn_gather_files(struct csn_capture_memory *memory)
{
	static const struct pass passes[] = {
		{ false, 1, FIRST_PASS_BYTES, CSN_MAX_CAPTURE_FILES / 2 },
		{ true, 1, SMALL_BYTES, CSN_MAX_CAPTURE_SMALL },
		{ false, FIRST_PASS_BYTES + 1, UINT64_MAX,
		  CSN_MAX_CAPTURE_FILES / 2 - CSN_MAX_CAPTURE_SMALL },
	};
	size_t i;

	for (i = 0; i < csn_countof(passes); i++)
		take_segments(memory, &passes[i]);
}

/* Where the stack of a thread begins: at sp, or, when it overflowed, in the next mapping above. */
static const struct csn_elf_segment *find_stack(const struct csn_capture_memory *memory,
						csn_addr sp, csn_addr *ret_start)
{
	const struct csn_prefix *prefix = memory->prefix;
	const struct csn_elf_segment *segment = csn_memory_find_dumpable(memory, sp);
	size_t low = 0, high = prefix->n_segments;

	*ret_start = sp;
	if (segment)
		return segment;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (prefix->segments[middle].address <= sp)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == prefix->n_segments)
		return NULL;
	segment = &prefix->segments[low];
	if (segment->address - sp > CSN_MAX_CAPTURE_STACK || !(segment->flags & PF_W) ||
	    segment->file_size == 0)
		return NULL;
	*ret_start = segment->address;
	return segment;
}

static void take_stack(struct csn_capture_memory *memory, const struct csn_prefix_thread *thread)
{
	const struct csn_elf_segment *segment;
	uint64_t limit = CSN_MAX_CAPTURE_STACKS - memory->taken[CSN_CLASS_STACKS];
	csn_addr start, end;

	if (!thread->sp_known)
		return;
	segment = find_stack(memory, thread->sp, &start);
	if (!segment) {
		csn_memory_omit(memory, (struct csn_omission){ .what = "stack",
							       .why = "unreadable",
							       .tid = thread->ns_tid,
							       .address = thread->sp });
		return;
	}
	end = csn_min_u64(segment->address + segment->file_size, start + CSN_MAX_CAPTURE_STACK);
	if (end < segment->address + segment->file_size)
		csn_memory_omit(memory,
				(struct csn_omission){
					.what = "stack",
					.why = "budget",
					.tid = thread->ns_tid,
					.address = end,
					.bytes = segment->address + segment->file_size - end,
				});
	start = csn_max_u64(segment->address, start - csn_min_u64(start, BELOW_SP));
	csn_memory_take(memory, CSN_CLASS_STACKS, start, end, limit);
}

void csn_gather_stacks(struct csn_capture_memory *memory, size_t first, size_t last)
{
	size_t i;

	for (i = first; i < last; i++) {
		if (memory->taken[CSN_CLASS_STACKS] >= CSN_MAX_CAPTURE_STACKS ||
		    !csn_memory_may_go_on(memory)) {
			csn_memory_omit(memory, (struct csn_omission){ .what = "stacks",
								       .why = "budget",
								       .bytes = 0 });
			return;
		}
		take_stack(memory, &memory->prefix->threads[i]);
	}
}
