/* Files of the dead: executables and libraries that cannot be opened later at their paths.
 *
 * Opened (only opened) while the process is held, through map_files, which reaches deleted files
 * and those of other mount namespaces. After the release, and as the spool's user, those that this
 * user cannot open at their path as the same file are copied beside the core. */
#ifndef CSN_CAPTURE_ASSETS_H
#define CSN_CAPTURE_ASSETS_H

#include <sys/types.h>

#include "capture/memory.h"

struct csn_asset {
	int fd;           /* owned */
	const char *path; /* in the notes, as the process saw it */
	dev_t device;
	ino_t inode;
	/* Filled by csn_assets_copy for copied ones: */
	bool copied, deleted;
	uint64_t size_bytes;
	char name[2 * 64 + 1]; /* build-id in hex, or "path-" and a hash */
	char build_id[2 * 64 + 1];
};

struct csn_assets {
	struct csn_asset *items; /* in the region */
	_Atomic size_t count;
};

/* Opens the files of executable mappings; of each file once. */
void csn_assets_open(const struct csn_prefix *prefix, const struct csn_victim *victim,
		     struct csn_capture_memory *memory, struct csn_assets *assets);
void csn_assets_close(struct csn_assets *assets);

/* True when any must be copied: this user cannot open that file at its path. Marks deleted ones,
 * closes those that need no copy. */
bool csn_assets_choose(struct csn_assets *assets);
/* Puts the chosen ones into the folder, up to max_bytes in all; notes what did not fit. A file
 * that an earlier crash left below all_fd (the folder of such folders) with the same build-id and
 * the same bytes is linked instead of copied. */
void csn_assets_copy(struct csn_assets *assets, int all_fd, int folder_fd, uint64_t max_bytes,
		     struct csn_omissions *omissions);

#endif
