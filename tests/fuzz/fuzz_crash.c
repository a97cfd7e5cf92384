/* A spool as anybody may have left it: an object of any bytes in each stage, with a state file of
 * any bytes. Two bytes say how long the state is, the object is the rest. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/span.h"
#include "host/crash.h"
#include "host/listing.h"
#include "host/quarantine.h"
#include "host/route.h"

#include "../unit/folder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

#define UUID "3d22c19c-09c4-4f1e-9f5c-1f2d3c4b5a69"
#define RULES "format.1 = a %e /x$/\nformat.2 = b %u /^r/\nformat.3 = c %c /./\nformat.4 = d\n"

/* What is known of it is shown, routed and written down; what was written reads the same again. */
static void use(const struct csn_spool *spool, enum csn_stage stage,
		const struct csn_router *router)
{
	struct csn_buf text = CSN_BUF_INIT(CSN_MIB);
	struct csn_spool_object object;
	struct csn_crash crash, again;
	unsigned line;

	if (csn_spool_stat(spool, stage, UUID, &object, NULL) < 0 ||
	    csn_crash_load(spool, stage, UUID, &crash, NULL) < 0)
		abort();
	csn_listing_object(&text, &object, true, true, crash.program);
	if (!csn_buf_ok(&text) || memchr(text.data, 0x1b, text.size))
		abort();
	(void)csn_router_find(router, &crash, &line);
	if (csn_crash_save(spool, &crash, NULL) == 0) {
		if (csn_crash_load(spool, CSN_STAGE_SENDING, UUID, &again, NULL) < 0 ||
		    again.attempts != crash.attempts || strcmp(again.step, crash.step) != 0)
			abort();
		csn_crash_done(&again);
	}
	csn_crash_done(&crash);
	csn_buf_done(&text);
}

static void put(int folder_fd, const void *data, size_t size_bytes)
{
	(void)unlinkat(folder_fd, UUID, 0);
	if (csn_write_file(folder_fd, UUID, data, size_bytes, 0600, NULL) < 0)
		abort();
}

static void use_all(const struct csn_spool *spool, const struct csn_router *router,
		    const uint8_t *data, size_t size_bytes)
{
	struct csn_span at = csn_span_of(data, size_bytes);
	size_t state_size = csn_span_u16(&at) % 4096;
	enum csn_stage stage;
	int i;

	if (!csn_span_ok(&at))
		return;
	data += 2;
	size_bytes -= 2;
	if (state_size > size_bytes)
		state_size = size_bytes;
	for (i = 0; i < CSN_N_STAGES; i++) {
		put(spool->state_fd, data, state_size);
		put(spool->stage_fd[i], data + state_size, size_bytes - state_size);
		use(spool, (enum csn_stage)i, router);
		if (i == CSN_STAGE_QUARANTINE &&
		    csn_quarantine_release(spool, UUID, &stage, NULL) == 0)
			(void)unlinkat(spool->stage_fd[stage], UUID, 0);
		(void)unlinkat(spool->stage_fd[i], UUID, 0);
	}
}

/* One spool for all inputs: made at the first, removed at the end. */
struct world {
	char folder[FOLDER_MAX];
	struct csn_spool spool;
	struct csn_coresnap_conf conf;
	struct csn_router *router;
};

static struct world world = { .spool = CSN_SPOOL_INIT };

static void end(void)
{
	csn_router_free(world.router);
	csn_coresnap_conf_done(&world.conf);
	csn_spool_close(&world.spool);
	folder_remove(world.folder);
}

static void begin(void)
{
	char path[FOLDER_MAX + 16];

	snprintf(world.folder, sizeof(world.folder), "/dev/shm/csn-fuzz-crash-XXXXXX");
	if (!mkdtemp(world.folder))
		abort();
	atexit(end);
	snprintf(path, sizeof(path), "%s/archive", world.folder);
	if (csn_spool_make(path, geteuid(), getegid(), NULL) < 0 ||
	    csn_spool_open(path, &world.spool, NULL) < 0 ||
	    csn_coresnap_conf_parse("", "fuzz", RULES, &world.conf, NULL) < 0 ||
	    csn_router_new(&world.conf, &world.router, NULL) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	if (!*world.folder)
		begin();
	use_all(&world.spool, world.router, data, size_bytes);
	return 0;
}
