/* What `coresnap list` prints, as text. */
#ifndef CSN_HOST_LISTING_H
#define CSN_HOST_LISTING_H

#include "base/buf.h"
#include "spool/spool.h"

/* "3d22c19c-09c..." */
#define CSN_SHORT_UUID_TEXT 16
const char *csn_short_uuid(const char *uuid, char out[CSN_SHORT_UUID_TEXT]);
/* Local time as ctime(3) writes it, without a line end. */
#define CSN_CTIME_TEXT 32
const char *csn_format_ctime(int64_t time_ns, char out[CSN_CTIME_TEXT]);

/* Appends "sending/3d22c19c-09c... -s- vim.basic Fri Apr 14 22:48:44 2017 9.45kB\n". program comes
 * from the dead (NULL: unknown) and is escaped. */
void csn_listing_object(struct csn_buf *out, const struct csn_spool_object *object, bool has_core,
			bool has_snapshot, const char *program);
/* Appends "[pending]/1O/3.12mB [sending]/1O/9.45kB\n", with quarantine when it is not empty. */
void csn_listing_footer(struct csn_buf *out, size_t n_pending, uint64_t pending_bytes,
			size_t n_sending, uint64_t sending_bytes, size_t n_quarantine,
			uint64_t quarantine_bytes);

#endif
