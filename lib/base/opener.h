/* Who opens files for code that reads foreign bytes.
 *
 * That code says which file it wants and gets a descriptor or an error; it never opens one itself.
 * So it runs the same where files are opened here (base/local_files.h) and in a confined process,
 * for which its parent opens them (sandbox/sandbox.h). Objects are asked for by paths that come
 * from the dead: what is opened is decided by what the file is, not by its name. */
#ifndef CSN_BASE_OPENER_H
#define CSN_BASE_OPENER_H

#include "base/error.h"
#include "base/limits.h"

enum csn_open_kind {
	CSN_OPEN_OBJECT, /* an ELF file that is no core, by path */
	CSN_OPEN_GIVEN,  /* a file that the command line names */
	CSN_OPEN_KEPT,   /* a file of the cache folder, by name */
	CSN_OPEN_FRESH,  /* a new one of that name, for writing; seen by nobody before publish */
	CSN_N_OPEN_KINDS,
};

/* Filled by who opens; context is handed to each. */
struct csn_opener {
	/* A regular file, from its beginning; the descriptor is the caller's. OS: the system said
	 * no; FORMAT: it is no such file; DENIED: not for the asker. */
	int (*open)(void *context, enum csn_open_kind kind, const char *name, int *ret_fd,
		    struct csn_error *err);
	/* Where an object really lies, links resolved. */
	int (*locate)(void *context, const char *path, char ret_path[CSN_MAX_PATH],
		      struct csn_error *err);
	/* Shows the last FRESH file under its name, whole. */
	int (*publish)(void *context, const char *name, struct csn_error *err);
	/* Objects that will be asked for next, in any number: for an opener that had better look
	 * for them together. NULL: it makes no difference. */
	void (*foresee)(void *context, const char *const *paths, size_t n);
	void *context;
};

static inline csn_must_check int csn_opener_open(const struct csn_opener *opener,
						 enum csn_open_kind kind, const char *name,
						 int *ret_fd, struct csn_error *err)
{
	return opener->open(opener->context, kind, name, ret_fd, err);
}

#endif
