/* The content of the CORESNAP note: one JSON object (docs/formats/coresnap-note.md).
 *
 * Understands the texts of /proc that were read while the process was held. They come partly from
 * the dead (names, arguments, environment), so this runs after root was given up, and everything
 * goes through the JSON writer. */
#ifndef CSN_CAPTURE_FACTS_H
#define CSN_CAPTURE_FACTS_H

#include "base/buf.h"
#include "capture/hold.h"

struct csn_facts {
	const char *uuid;
	int64_t captured_ns; /* CLOCK_REALTIME when we began */
	int64_t uptime_ms;   /* CLOCK_BOOTTIME then */
	int64_t assets_ns;   /* CLOCK_MONOTONIC, after copying; 0: none */
	const char *reason;  /* overrides hold->reason: why there is no memory; NULL */
	bool notes_only;     /* whatever was taken is not written */
};

/* Appends the object. LIMIT when it would exceed the buffer's maximum. */
int csn_facts_format(const struct csn_hold *hold, const struct csn_facts *facts,
		     struct csn_buf *out, struct csn_error *err) csn_must_check;

/* Path of the executable without " (deleted)", into out; false when unknown. */
bool csn_facts_executable(const struct csn_hold *hold, char *out, size_t out_size,
			  bool *ret_deleted);

#endif
