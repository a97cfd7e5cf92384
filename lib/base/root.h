/* Where this installation lives.
 *
 * Programs are installed below <root>/opt/backtrace; <root> is "" on a real host and a staging
 * folder when run uninstalled. It is found from the running program's own location, or given by
 * --root. Every path of the layout (contracts 1) is built with csn_root_path. */
#ifndef CSN_BASE_ROOT_H
#define CSN_BASE_ROOT_H

#include "base/types.h"

#define CSN_BIN "/opt/backtrace/bin"
#define CSN_SBIN "/opt/backtrace/sbin"
#define CSN_ETC "/opt/backtrace/etc"
#define CSN_MODULES "/opt/backtrace/share/coresnap/modules"
#define CSN_ARCHIVE "/var/coresnap/archive"
#define CSN_CORONERD_DATA "/var/lib/coronerd"

struct csn_root {
	char path[4096]; /* "" or an absolute path without trailing slash */
};

/* given may be NULL: then from /proc/self/exe, "" when that is not below .../opt/backtrace. */
void csn_root_init(struct csn_root *root, const char *given);

/* root + path (absolute) into out; returns out. Cut paths come out as "". */
const char *csn_root_path(const struct csn_root *root, const char *path, char *out,
			  size_t out_size);

#endif
