/* The inside of a store, shared by the files above the ops records: store.c, committer.c,
 * objects.c, catalog.c, accounts.c. */
#ifndef CSN_STORE_STORE_INTERNAL_H
#define CSN_STORE_STORE_INTERNAL_H

#include <pthread.h>

#include "store/index.h"
#include "store/store.h"

struct csn_committer;

struct csn_store {
	int lock_fd;
	struct csn_catalog catalog;
	struct csn_index index;
	struct csn_blobs blobs;
	/* Held around every transaction of the index and the blob writes that belong to it. */
	pthread_mutex_t writer;
	struct csn_committer *committer;
};

/* A transaction of index and blobs. commit syncs the blobs first, then commits the rows; every
 * failure undoes both. Lock the writer around it. */
int csn_store_begin(struct csn_store *store, struct csn_error *err) csn_must_check;
int csn_store_commit(struct csn_store *store, struct csn_error *err) csn_must_check;
void csn_store_rollback(struct csn_store *store);
/* Gives back the space of blobs that no row names any more. The writer is locked. */
int csn_store_collect(struct csn_store *store, struct csn_error *err) csn_must_check;

/* Starts the one thread that writes; the store must outlive it. */
int csn_committer_start(struct csn_store *store, struct csn_committer **ret_committer,
			struct csn_error *err) csn_must_check;
/* Commits what is queued, then ends the thread. NULL is fine. */
void csn_committer_stop(struct csn_committer *committer);
int csn_committer_add(struct csn_committer *committer, struct csn_submission *submission,
		      csn_submit_done done, void *context, struct csn_error *err) csn_must_check;

#endif
