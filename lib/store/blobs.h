/* Blobs: bytes kept under a reference, the third of the store's ops records.
 *
 * The embedded engine (blobs_files.c) appends small ones to pack files and writes large ones as
 * files of their own. Another engine (an S3 bucket) fills the same record. Writers: the committer
 * thread only. Readers: any thread. */
#ifndef CSN_STORE_BLOBS_H
#define CSN_STORE_BLOBS_H

#include "base/buf.h"
#include "base/error.h"

#define CSN_BLOB_REF_MAX 64

struct csn_blob_ref {
	char text[CSN_BLOB_REF_MAX]; /* the engine's own form; "" none */
};

struct csn_blob_ops {
	const char *name;
	void (*close)(void *state);
	/* Appends; not durable before sync. uuid names it in the record's header. */
	int (*put)(void *state, const uint8_t uuid[16], const void *data, size_t size_bytes,
		   struct csn_blob_ref *ret_ref, struct csn_error *err);
	/* Makes every put durable. */
	int (*sync)(void *state, struct csn_error *err);
	/* Forgets every put since the last keep. */
	void (*undo)(void *state);
	/* Where the synced puts end, in the engine's own form; committed together with the rows
	 * that name them, and given back to restore when the store is opened, which takes back
	 * whatever was put after it. */
	void (*position)(void *state, struct csn_blob_ref *ret_position);
	int (*restore)(void *state, const char *position, struct csn_error *err);
	/* The rows are committed: undo no longer reaches behind here. */
	void (*keep)(void *state);
	/* Appends the bytes to out; FORMAT when the record is damaged. */
	int (*get)(void *state, const struct csn_blob_ref *ref, struct csn_buf *out,
		   struct csn_error *err);
	/* After the commit that dropped the reference. A missing blob is fine. */
	int (*drop)(void *state, const struct csn_blob_ref *ref, struct csn_error *err);
};

struct csn_blobs {
	const struct csn_blob_ops *ops;
	void *state;
};

/* folder must exist. */
int csn_blobs_open_files(const char *folder, struct csn_blobs *ret_blobs, struct csn_error *err)
	csn_must_check;

#endif
