/* The memory of a core, a page of its file at a time.
 *
 * Unwinding reads a few words of each of thousands of stacks, scattered over files of gigabytes.
 * Mapping the file would have the kernel map (and, at the end, unmap) sixteen pages around each of
 * them; one read of the page that is asked for costs a third, and a file that shrinks meanwhile
 * gives less instead of a signal. */
#include <string.h>
#include <unistd.h>

#include "base/shrink.h"
#include "target/core_internal.h"

/* Read together when one page was asked for after the other. */
#define RUN 16u

/* What the file had from there on, when it was opened. */
static uint64_t csn_left_at(const struct csn_core *core, uint64_t offset)
{
	return offset < core->size ? core->size - offset : 0;
}

static void read_pages(struct csn_core *core, uint64_t number)
{
	struct csn_core_pages *pages = core->pages;
	uint64_t slot = number % CSN_CORE_PAGES;
	uint64_t n = number == pages->last + 1 ? csn_min_u64(RUN, CSN_CORE_PAGES - slot) : 1;
	ssize_t got = pread(core->fd, pages->data[slot], n * CSN_CORE_PAGE,
			    (off_t)(number * CSN_CORE_PAGE));
	uint64_t left = got > 0 ? (uint64_t)got : 0;

	if (left < csn_min_u64(n * CSN_CORE_PAGE, csn_left_at(core, number * CSN_CORE_PAGE)))
		csn_shrink_note();

	for (uint64_t i = 0; i < n; i++) {
		pages->held[slot + i].number = number + i;
		pages->held[slot + i].size = csn_min_u64(left, CSN_CORE_PAGE);
		left -= pages->held[slot + i].size;
	}
	pages->last = number + n - 1;
}

size_t csn_core_read_file(struct csn_core *core, uint64_t offset, void *data, size_t size_bytes)
{
	struct csn_core_pages *pages = core->pages;
	uint64_t number = offset / CSN_CORE_PAGE, slot = number % CSN_CORE_PAGES;
	uint64_t in_page = offset % CSN_CORE_PAGE;

	if (offset > INT64_MAX - size_bytes)
		return 0;
	if (size_bytes >= CSN_CORE_PAGE) {
		ssize_t got = pread(core->fd, data, size_bytes, (off_t)offset);

		if (got < 0 || (uint64_t)got < csn_min_u64(size_bytes, csn_left_at(core, offset)))
			csn_shrink_note();
		return got > 0 ? (size_t)got : 0;
	}
	if (!pages->held[slot].size || pages->held[slot].number != number)
		read_pages(core, number);
	if (in_page >= pages->held[slot].size)
		return 0;
	size_bytes = csn_min_u64(size_bytes, pages->held[slot].size - in_page);
	memcpy(data, pages->data[slot] + in_page, size_bytes);
	return size_bytes;
}
