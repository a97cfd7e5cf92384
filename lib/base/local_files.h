/* Files opened by this process: the opener of programs that are not confined, and what the parent
 * of a confined one answers with.
 *
 * Whoever asks is not trusted. An object is whatever path it likes, if that is a regular ELF file:
 * no core (it holds memory of others), nothing of the kernel's own file systems (/proc/kcore is an
 * ELF file), nothing through their magic links except below what was given by hand. A device or a
 * FIFO is opened without waiting and refused. Everything else is a list or one folder. */
#ifndef CSN_BASE_LOCAL_FILES_H
#define CSN_BASE_LOCAL_FILES_H

#include "base/opener.h"

/* Longest name of a file in the cache folder. */
#define CSN_KEPT_NAME 192

struct csn_local_files {
	/* Borrowed: files and folders that the command line names. NULL ones are passed over. */
	const char *const *given;
	size_t n_given;
	const char *cache; /* borrowed; folder of kept files; NULL: none */
	/* Private: the file that is being written. */
	int folder_fd;
	char part[CSN_KEPT_NAME + 32];
};

/* local must outlive the opener; call csn_local_files_done after the last use. */
void csn_local_files_init(struct csn_local_files *local, const char *cache);
/* Removes what was begun and not published. */
void csn_local_files_done(struct csn_local_files *local);
struct csn_opener csn_local_files_opener(struct csn_local_files *local);

/* kept.c: the cache folder, made when it is missing. A file counts when it is ours or root's and
 * nobody else may write it; one that is used is newer than one that is not, and once the folder is
 * full, what was not used for longest goes. */
int csn_kept_open(const char *folder, const char *name, int *ret_fd, struct csn_error *err)
	csn_must_check;
int csn_kept_begin(struct csn_local_files *local, const char *name, int *ret_fd,
		   struct csn_error *err) csn_must_check;
/* Renamed; nothing is synced: a file that a power cut leaves torn is not believed. */
int csn_kept_publish(struct csn_local_files *local, const char *name, struct csn_error *err)
	csn_must_check;

#endif
