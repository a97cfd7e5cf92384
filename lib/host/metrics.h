/* Metrics: the counters of the host and the state of its spool, as OpenMetrics text
 * (docs/metrics.md).
 */
#ifndef CSN_HOST_METRICS_H
#define CSN_HOST_METRICS_H

#include "base/buf.h"
#include "host/host.h"
#include "host/inventory.h"
#include "spool/counters.h"

/* A counter's place among the metrics; families stand together. */
struct csn_metric {
	enum csn_counter counter;
	const char *family;        /* "coresnap_refused" */
	const char *label, *value; /* "reason", "quota"; NULL: the family has one figure */
	const char *unit;          /* "bytes"; NULL none */
	const char *help;          /* of the family, in its first row */
};

/* All of them, family after family. Borrowed. */
const struct csn_metric *csn_metrics_table(size_t *ret_count);

/* What the text is made from, besides the counters. */
struct csn_metrics_state {
	const struct csn_inventory *inventory;
	struct csn_spool_limits limits;
	bool below_quota;
	bool pattern_is_ours;
	uint64_t reserve_bytes;
};

/* Appends the whole text, "# EOF" included. */
void csn_metrics_format(const struct csn_counters *counters, const struct csn_metrics_state *state,
			struct csn_buf *out);
/* Looks all of it up and appends it. */
int csn_metrics_collect(const struct csn_host *host, bool pattern_is_ours, struct csn_buf *out,
			struct csn_error *err) csn_must_check;

#endif
