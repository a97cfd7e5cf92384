/* The store: everything the server keeps, behind three ops records.
 *
 *	catalog   users, projects, tokens, configuration      catalog.h
 *	index     objects as typed attributes, issues         index.h
 *	blobs     documents and attachments as received       blobs.h
 *
 * The embedded engine keeps the first two in SQLite (WAL, synchronous=FULL) and the third in pack
 * files; another engine fills the same records and passes the same tests (test_store.c). What is
 * above the records and common to all engines is here and in objects.h: the committer thread, the
 * order of writes that makes a kill at any instant leave whole objects only, and the folder lock.
 *
 * Order of a commit group: blobs appended, blobs synced, rows committed, callers told. A kill
 * before the commit leaves bytes that no row names; opening the store takes them back.
 *
 * Threads: any, after open; close when no other thread uses it. */
#ifndef CSN_STORE_STORE_H
#define CSN_STORE_STORE_H

#include "base/error.h"
#include "base/types.h"
#include "store/blobs.h"
#include "store/catalog.h"
#include "store/objects.h"

/* Makes the folder (0700) and an empty store when there is none. DENIED when another process has
 * it open. */
int csn_store_open(const char *folder, struct csn_store **ret_store, struct csn_error *err)
	csn_must_check;
/* The catalog alone, beside a server that may be running: for commands that read or change
 * configuration. Nothing of objects.h may be called. NOT_FOUND when there is no catalog. */
int csn_store_open_catalog(const char *folder, struct csn_store **ret_store, struct csn_error *err)
	csn_must_check;
/* Commits what is queued, then closes. */
void csn_store_close(struct csn_store *store);
void csn_store_closep(struct csn_store **store);

#endif
