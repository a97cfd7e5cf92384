#include "capture/memory.h"

#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/limits.h"

/* Room for every segment whole, every stack, and the smallest windows of the largest budget. */
#define SPARE_ISLANDS 32768u
#define STREAM_BLOCK (64 * CSN_KIB)

int csn_memory_init(struct csn_capture_memory *memory, const struct csn_prefix *prefix,
		    const struct csn_victim *victim, struct csn_region *region,
		    struct csn_omissions *omissions, int64_t deadline_ns, struct csn_error *err)
{
	size_t max_islands = prefix->n_segments + prefix->n_threads + SPARE_ISLANDS;

	*memory = (struct csn_capture_memory){
		.prefix = prefix,
		.victim = victim,
		.region = region,
		.omissions = omissions,
		.deadline_ns = deadline_ns,
		.page_bytes = (uint64_t)sysconf(_SC_PAGESIZE),
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.islands = csn_region_alloc(region, max_islands * sizeof(*memory->islands)),
		.max_islands = max_islands,
	};
	if (!memory->islands)
		return csn_fail(err, CSN_E_LIMIT, "no room for %zu ranges", max_islands);
	return 0;
}

void csn_memory_close(struct csn_capture_memory *memory)
{
	pthread_mutex_lock(&memory->lock);
	memory->closed = true;
	pthread_mutex_unlock(&memory->lock);
}

void csn_memory_omit(struct csn_capture_memory *memory, struct csn_omission omission)
{
	pthread_mutex_lock(&memory->lock);
	if (!memory->closed)
		csn_omit(memory->omissions, omission);
	pthread_mutex_unlock(&memory->lock);
}

bool csn_memory_may_go_on(const struct csn_capture_memory *memory)
{
	return !memory->closed && memory->n_islands < memory->max_islands &&
	       csn_region_left(memory->region) >= memory->page_bytes &&
	       csn_monotonic_ns() < memory->deadline_ns;
}

/* Index of the first island that ends behind addr. */
static size_t lower_bound(const struct csn_capture_memory *memory, csn_addr addr)
{
	size_t low = 0, high = memory->n_islands;

	/* Most is taken by rising address. */
	if (high && memory->islands[high - 1].start + memory->islands[high - 1].size <= addr)
		return high;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (memory->islands[middle].start + memory->islands[middle].size <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct csn_island *csn_memory_find(const struct csn_capture_memory *memory, csn_addr addr)
{
	size_t at = lower_bound(memory, addr);

	if (at == memory->n_islands || memory->islands[at].start > addr)
		return NULL;
	return &memory->islands[at];
}

const uint8_t *csn_memory_peek(const struct csn_capture_memory *memory, csn_addr addr,
			       uint64_t *ret_size)
{
	const struct csn_island *island = csn_memory_find(memory, addr);

	if (!island)
		return NULL;
	*ret_size = island->start + island->size - addr;
	return island->data + (addr - island->start);
}

const struct csn_elf_segment *csn_memory_find_dumpable(const struct csn_capture_memory *memory,
						       csn_addr addr)
{
	const struct csn_elf_segment *segment = csn_prefix_find(memory->prefix, addr);

	return segment && addr - segment->address < segment->file_size ? segment : NULL;
}

static bool add_island(struct csn_capture_memory *memory, enum csn_class for_what, csn_addr start,
		       uint64_t size, const uint8_t *data)
{
	bool added = false;
	size_t at;

	pthread_mutex_lock(&memory->lock);
	if (!memory->closed && memory->n_islands < memory->max_islands) {
		at = lower_bound(memory, start);
		memmove(memory->islands + at + 1, memory->islands + at,
			(memory->n_islands - at) * sizeof(*memory->islands));
		memory->islands[at] = (struct csn_island){ start, size, data };
		memory->n_islands++;
		memory->taken[for_what] += size;
		added = true;
	}
	pthread_mutex_unlock(&memory->lock);
	return added;
}

/* Reads [start, start + size), which nobody took yet; unreadable pages are stepped over. */
static uint64_t take_gap(struct csn_capture_memory *memory, enum csn_class for_what, csn_addr start,
			 uint64_t size)
{
	static const char *const words[CSN_N_CLASSES] = { "files", "stacks", "windows", "memory" };
	uint64_t added = 0, bad = 0, left;
	csn_addr first_bad = 0;
	size_t done;
	uint8_t *place;

	for (left = size; left && csn_memory_may_go_on(memory);) {
		uint64_t want = csn_min_u64(left, csn_region_left(memory->region) &
							  ~(memory->page_bytes - 1));

		place = csn_region_alloc(memory->region, want);
		if (!place)
			break;
		done = csn_victim_read(memory->victim, start, place, want);
		done &= ~(size_t)(memory->page_bytes - 1);
		csn_region_trim(memory->region, want, done);
		if (done && !add_island(memory, for_what, start, done, place))
			break;
		added += done;
		start += done;
		left -= done;
		if (done == want)
			continue;
		if (!bad)
			first_bad = start;
		bad += memory->page_bytes;
		start += memory->page_bytes;
		left -= csn_min_u64(left, memory->page_bytes);
	}
	if (bad && !csn_prefix_is_kernels(memory->prefix, first_bad))
		csn_memory_omit(memory, (struct csn_omission){ .what = words[for_what],
							       .why = "unreadable",
							       .address = first_bad,
							       .bytes = bad });
	return added;
}

uint64_t csn_memory_take(struct csn_capture_memory *memory, enum csn_class for_what, csn_addr start,
			 csn_addr end, uint64_t limit_bytes)
{
	const struct csn_elf_segment *segment = csn_memory_find_dumpable(memory, start);
	uint64_t mask = ~(memory->page_bytes - 1), added = 0, size;
	size_t at;

	if (!segment || end <= start)
		return 0;
	start = csn_max_u64(start & mask, segment->address);
	end = (end + memory->page_bytes - 1) & mask;
	/* The kernel writes whole pages; a foreign core's ragged end is given up. */
	end = csn_min_u64(end, segment->address + (segment->file_size & mask));
	while (start < end && added < limit_bytes && csn_memory_may_go_on(memory)) {
		const struct csn_island *next = NULL;

		at = lower_bound(memory, start);
		if (at < memory->n_islands)
			next = &memory->islands[at];
		if (next && next->start <= start) {
			start = next->start + next->size;
			continue;
		}
		size = (next ? csn_min_u64(end, next->start) : end) - start;
		size = csn_min_u64(size, (limit_bytes - added) & mask);
		if (size == 0)
			break;
		added += take_gap(memory, for_what, start, size);
		start += size;
	}
	return added;
}

/* Reads size bytes of the stream into the region; NULL at its end or when there is no room. */
static uint8_t *read_stream(struct csn_capture_memory *memory, int core_fd, uint64_t size)
{
	uint8_t *place = csn_region_alloc(memory->region, size);

	if (!place || csn_read_full(core_fd, place, size) == (ssize_t)size)
		return place;
	csn_region_trim(memory->region, size, 0);
	return NULL;
}

void csn_memory_drain(struct csn_capture_memory *memory, int core_fd, uint64_t max_bytes)
{
	const struct csn_prefix *prefix = memory->prefix;
	uint64_t at = prefix->image.size, done, size;
	uint8_t *data;
	size_t i;

	for (i = 0; i < prefix->n_segments; i++) {
		const struct csn_elf_segment *segment = &prefix->segments[i];

		if (segment->file_size == 0 || segment->offset < at)
			continue;
		/* Between the notes and the first page there is padding. */
		if (segment->offset > at && !read_stream(memory, core_fd, segment->offset - at))
			return;
		at = segment->offset;
		for (done = 0; done < segment->file_size; done += size, at += size) {
			size = csn_min_u64(segment->file_size - done, STREAM_BLOCK);
			if (memory->taken[CSN_CLASS_STREAM] + size > max_bytes ||
			    !csn_memory_may_go_on(memory))
				return;
			data = read_stream(memory, core_fd, size);
			if (!data || !add_island(memory, CSN_CLASS_STREAM, segment->address + done,
						 size, data))
				return;
		}
	}
}
