/* Attributes that the host adds to a snapshot, as `key=value` lines from three sources.
 *
 * In order, later wins: BACKTRACE_DEFAULTS of the daemon's environment, what defaults.command
 * prints, BACKTRACE_DEFAULTS of the dying process. Names that we measure ourselves or reserve are
 * refused, and so is what passes the caps; refusals are kept as texts for the snapshot. Owned;
 * free with csn_attributes_done. */
#ifndef CSN_HOST_ATTRIBUTES_H
#define CSN_HOST_ATTRIBUTES_H

#include "base/error.h"
#include "base/limits.h"
#include "base/types.h"

struct csn_attributes {
	struct {
		char *key, *value;
	} pairs[CSN_MAX_KV_PAIRS];
	size_t n_pairs;
	char refused[512]; /* "hostname (the daemon's environment): measured, ..."; "" none */
};

/* Adds the lines of text; source is named in refusals ("defaults.command"). NULL text is empty. */
int csn_attributes_add(struct csn_attributes *attributes, const char *source, const char *text,
		       struct csn_error *err) csn_must_check;
void csn_attributes_done(struct csn_attributes *attributes);

#endif
