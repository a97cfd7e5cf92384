/* The spool: where crashes wait, on disk, between the kernel and the object store.
 *
 *	<archive>/pending/<uuid>    a whole ELF core, waiting for analysis
 *	<archive>/sending/<uuid>    a whole snapshot, waiting for the server
 *	<archive>/assets/<uuid>/    files of the dead that its user could not open at their paths
 *	<archive>/kept/<uuid>       cores kept after analysis (keep.core), until purge
 *	<archive>/quarantine/<uuid> what was given up (a core or a snapshot), until purge
 *	<beside>/{policy,rate,log}  compiled settings, crash-loop table, log
 *	<beside>/ticks/             crashes of a loop that were only counted (spool/ticks.h)
 *	<beside>/state/<uuid>       what is known of an object that is not done (JSON)
 *
 * <beside> is the folder that holds <archive>. A name in pending/ or sending/ is always whole:
 * files are published (base/io.h), never written in place. Where the same uuid is in both, the
 * snapshot is complete and the core is spent. All access is relative to folders opened once,
 * without following symlinks; folders are 0700 and belong to one user. Removing and moving sync
 * the folder. Names that are no uuid are ignored.
 *
 * Not thread-safe per struct; any number of processes may use one spool (see csn_spool_lock). */
#ifndef CSN_SPOOL_SPOOL_H
#define CSN_SPOOL_SPOOL_H

#include <sys/types.h>

#include "base/error.h"
#include "base/types.h"
#include "base/uuid.h"
#include "spool/policy.h"

enum csn_stage {
	CSN_STAGE_PENDING,
	CSN_STAGE_SENDING,
	CSN_STAGE_KEPT,
	CSN_STAGE_QUARANTINE,
	CSN_N_STAGES
};

/* "pending", "sending", "kept", "quarantine". */
const char *csn_stage_name(enum csn_stage stage);

struct csn_spool {
	char path[CSN_POLICY_PATH_MAX]; /* absolute path of <archive> */
	int dir_fd;                     /* <archive> */
	int beside_fd;                  /* the folder that holds it */
	int stage_fd[CSN_N_STAGES];
	int assets_fd, state_fd, ticks_fd;
	uid_t uid; /* owner of <archive> */
	gid_t gid;
};

#define CSN_SPOOL_INIT \
	{ \
		.dir_fd = -1, .beside_fd = -1, .stage_fd = { -1, -1, -1, -1 }, .assets_fd = -1, \
		.state_fd = -1, .ticks_fd = -1 \
	}

/* Makes the folders that are missing, 0700 and (when we are root) owned by uid:gid; parents 0755.
 * Existing ones are left as they are. */
int csn_spool_make(const char *path, uid_t uid, gid_t gid, struct csn_error *err) csn_must_check;
/* Opens an existing spool. DENIED when a folder is a symlink, is writable by others, or belongs to
 * somebody else than <archive> does. kept/, quarantine/, state/ and ticks/ are made when missing
 * (needs the owner or root). Close with csn_spool_close. */
int csn_spool_open(const char *path, struct csn_spool *ret_spool, struct csn_error *err)
	csn_must_check;
void csn_spool_close(struct csn_spool *spool);
/* Whether an open file beside the spool is a plain one under a single name. A second name (a hard
 * link) could be a file of somebody else that we were made to write or to give away. */
bool csn_spool_is_plain(int fd);

/* Whether one of its folders was removed since it was opened. */
bool csn_spool_is_gone(const struct csn_spool *spool);
/* Whether its file system is mounted read-only. */
bool csn_spool_is_read_only(const struct csn_spool *spool);

/* One file in a stage. */
struct csn_spool_object {
	enum csn_stage stage;
	char uuid[CSN_UUID_TEXT];
	bool has_assets;
	uint64_t size_bytes;
	uint64_t disk_bytes; /* that it takes: less than its size where it has holes */
	int64_t mtime_ns;
};

struct csn_spool_list {
	struct csn_spool_object *items; /* owned; stage after stage, oldest first */
	size_t count;
	size_t n_odd; /* names like an object's that are no plain file */
};

/* Lists one stage into list (appended). */
int csn_spool_list(const struct csn_spool *spool, enum csn_stage stage, struct csn_spool_list *list,
		   struct csn_error *err) csn_must_check;
void csn_spool_list_done(struct csn_spool_list *list);
/* The object's file now. NOT_FOUND when it is gone. */
int csn_spool_stat(const struct csn_spool *spool, enum csn_stage stage, const char *uuid,
		   struct csn_spool_object *ret_object, struct csn_error *err) csn_must_check;
bool csn_spool_has(const struct csn_spool *spool, enum csn_stage stage, const char *uuid);
/* The only object of a stage whose uuid begins with prefix (at least 4 digits). NOT_FOUND, or USAGE
 * when several do. */
int csn_spool_find(const struct csn_spool *spool, enum csn_stage stage, const char *prefix,
		   struct csn_spool_object *ret_object, struct csn_error *err) csn_must_check;

/* Absolute path of an object ("<archive>/pending/<uuid>"). Returns out. */
const char *csn_spool_path(const struct csn_spool *spool, const char *folder, const char *uuid,
			   char *out, size_t out_size);
/* Opens an object's file without following symlinks; plain files only. */
int csn_spool_open_object(const struct csn_spool *spool, enum csn_stage stage, const char *uuid,
			  int flags, int *ret_fd, struct csn_error *err) csn_must_check;
/* Takes the object for this process: an OFD write lock on its file, held by *ret_fd (and by
 * children that inherit it). DENIED when another has it, NOT_FOUND when it is gone. */
int csn_spool_lock(const struct csn_spool *spool, enum csn_stage stage, const char *uuid,
		   int *ret_fd, struct csn_error *err) csn_must_check;

/* Removes one object's file; missing is fine. */
int csn_spool_remove(const struct csn_spool *spool, enum csn_stage stage, const char *uuid,
		     struct csn_error *err) csn_must_check;
/* From one stage into another (pending -> kept, into quarantine and out). Missing is fine. */
int csn_spool_move(const struct csn_spool *spool, enum csn_stage from, enum csn_stage to,
		   const char *uuid, struct csn_error *err) csn_must_check;
/* Makes assets/<uuid> (0700) and opens it. */
int csn_spool_make_assets(const struct csn_spool *spool, const char *uuid, int *ret_fd,
			  struct csn_error *err) csn_must_check;
bool csn_spool_has_assets(const struct csn_spool *spool, const char *uuid);
/* Removes assets/<uuid> and everything in it (one level); missing is fine. */
int csn_spool_remove_assets(const struct csn_spool *spool, const char *uuid, struct csn_error *err)
	csn_must_check;

/* Opens <beside>/log for appending (0640), after moving it to log.1 past 1 MiB. Give the
 * descriptor to csn_log.copy_fd. */
int csn_spool_open_log(const struct csn_spool *spool, int *ret_fd, struct csn_error *err)
	csn_must_check;

/* Free space against the quota. */
struct csn_spool_space {
	uint64_t total_bytes, free_bytes;
	uint64_t threshold_bytes; /* below this nothing is archived, analysed or sent */
	bool below;
};

/* The threshold of a file system: the share rounded up to the next block. */
uint64_t csn_quota_threshold(const struct csn_quota *quota, uint64_t total_bytes,
			     uint64_t block_bytes);
int csn_spool_get_space(const struct csn_spool *spool, const struct csn_quota *quota,
			struct csn_spool_space *ret_space, struct csn_error *err) csn_must_check;

#endif
