/* What the core_pattern helper reads: the head of a core, and texts of /proc in its notes' place.
 *
 * The input is a core's beginning; the same bytes also stand for each text of /proc, because the
 * dead choose parts of those, and what follows a line "MAPS" for its list of mappings. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/limits.h"
#include "capture/facts.h"
#include "capture/write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

static int file_of(const void *data, size_t size_bytes)
{
	int fd = memfd_create("core", MFD_CLOEXEC);

	if (fd < 0 || csn_write_full(fd, data, size_bytes) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		abort();
	return fd;
}

static void format_facts(struct csn_hold *hold, const char *text, size_t size_bytes,
			 struct csn_buf *out)
{
	struct csn_facts facts = { .uuid = "fuzz" };
	unsigned id;

	for (id = 0; id < CSN_N_TEXTS; id++)
		hold->texts.items[id] = (struct csn_text){ .data = text, .size = size_bytes };
	hold->done = CSN_PHASE_OPENED;
	hold->victim.verified = true;
	if (csn_facts_format(hold, &facts, out, NULL) < 0)
		csn_buf_clear(out);
}

/* The three ways to write what was taken, also of segments that nobody could have. */
static void write_all(struct csn_hold *hold, const struct csn_buf *note)
{
	static const enum csn_core_memory ways[] = { CSN_CORE_TAKEN, CSN_CORE_NONE,
						     CSN_CORE_WHOLE };
	struct csn_whole whole;
	size_t i;

	csn_whole_init(&whole, &hold->prefix, &hold->victim, -1,
		       csn_monotonic_ns() + 20 * CSN_NS_PER_MS);
	hold->whole = &whole;
	for (i = 0; i < csn_countof(ways); i++) {
		cleanup_close int fd = file_of("", 0);

		/* Too large, too late and too slow are fine; crashing is not. */
		if (csn_core_write(fd, hold, ways[i], note, NULL) < 0)
			continue;
	}
	hold->whole = NULL;
	free(whole.offsets); /* the last write may have failed before it gave them back */
}

static void take(struct csn_hold *hold, const char *maps, size_t size_bytes)
{
	if (!hold->prefix.has_files)
		csn_prefix_take_maps(&hold->prefix, maps, size_bytes, &hold->region);
	csn_request_complete(&hold->request, hold->prefix.signal, 0);
	csn_gather_stacks(&hold->memory, 0, hold->prefix.n_threads);
	csn_gather_files(&hold->memory);
	csn_gather_windows(&hold->memory, CSN_MIB);
}

/* From the first line that looks like one of /proc/<tid>/maps. */
static const char *find_maps(const char *text, size_t size_bytes)
{
	const char *at = memmem(text, size_bytes, "MAPS\n", 5);

	return at ? at + 5 : text + size_bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	cleanup_(csn_buf_done) struct csn_buf note = CSN_BUF_INIT(CSN_MAX_CORESNAP_NOTE);
	cleanup_close int fd = file_of(data, size_bytes);
	struct csn_hold hold = { .victim = CSN_VICTIM_INIT, .request = { .pid = 1, .tid = 1 } };
	cleanup_free char *text = malloc(size_bytes + 1);
	const char *maps;

	if (!text || csn_region_init(&hold.region, 64 * CSN_MIB, NULL) < 0)
		abort();
	memcpy(text, data, size_bytes);
	text[size_bytes] = '\0';
	maps = find_maps(text, size_bytes);
	format_facts(&hold, text, size_bytes, &note);
	if (csn_prefix_read(fd, &hold.region, &hold.prefix, NULL) == 0 &&
	    csn_memory_init(&hold.memory, &hold.prefix, &hold.victim, &hold.region, &hold.omissions,
			    csn_monotonic_ns() + CSN_NS_PER_SECOND, NULL) == 0) {
		hold.victim.mem_fd = file_of(data, size_bytes);
		take(&hold, maps, (size_t)(text + size_bytes - maps));
		write_all(&hold, &note);
	}
	csn_victim_close(&hold.victim);
	csn_region_done(&hold.region);
	return 0;
}
