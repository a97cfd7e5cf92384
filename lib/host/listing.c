#include "host/listing.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/text.h"

const char *csn_short_uuid(const char *uuid, char out[CSN_SHORT_UUID_TEXT])
{
	snprintf(out, CSN_SHORT_UUID_TEXT, "%.12s...", uuid);
	return out;
}

const char *csn_format_ctime(int64_t time_ns, char out[CSN_CTIME_TEXT])
{
	time_t seconds = (time_t)(time_ns / CSN_NS_PER_SECOND);
	struct tm when;

	out[0] = '\0';
	if (localtime_r(&seconds, &when))
		strftime(out, CSN_CTIME_TEXT, "%a %b %e %H:%M:%S %Y", &when);
	return out;
}

void csn_listing_object(struct csn_buf *out, const struct csn_spool_object *object, bool has_core,
			bool has_snapshot, const char *program)
{
	char uuid[CSN_SHORT_UUID_TEXT], when[CSN_CTIME_TEXT], size[32];

	csn_format_size(size, sizeof(size), object->size_bytes);
	csn_buf_printf(out, "%s/%s %c%c%c ", csn_stage_name(object->stage),
		       csn_short_uuid(object->uuid, uuid), has_core ? 'c' : '-',
		       has_snapshot ? 's' : '-', object->has_assets ? 'a' : '-');
	csn_escape_text(out, program && *program ? program : "?",
			program && *program ? strlen(program) : 1);
	csn_buf_printf(out, " %s %s\n", csn_format_ctime(object->mtime_ns, when), size);
}

void csn_listing_footer(struct csn_buf *out, size_t n_pending, uint64_t pending_bytes,
			size_t n_sending, uint64_t sending_bytes, size_t n_quarantine,
			uint64_t quarantine_bytes)
{
	char pending[32], sending[32], quarantine[32];

	csn_format_size(pending, sizeof(pending), pending_bytes);
	csn_format_size(sending, sizeof(sending), sending_bytes);
	csn_buf_printf(out, "[pending]/%zuO/%s [sending]/%zuO/%s", n_pending, pending, n_sending,
		       sending);
	csn_format_size(quarantine, sizeof(quarantine), quarantine_bytes);
	if (n_quarantine)
		csn_buf_printf(out, " [quarantine]/%zuO/%s", n_quarantine, quarantine);
	csn_buf_putc(out, '\n');
}
