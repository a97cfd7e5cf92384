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
/* Commits what is queued, then closes. */
void csn_store_close(struct csn_store *store);
void csn_store_closep(struct csn_store **store);

/* Proposal for the two rooms above (this comment goes when they have landed; room api calls them):
 *
 * ingest/ingest.h: what arrived -> a submission; no disk, no wait. The HTTP layer has undone
 * Content-Encoding and taken multipart apart.
 *
 *	struct csn_ingest_request {
 *		int64_t project;
 *		const char *format;              "btt", "json"; NULL or "": by content
 *		struct csn_submission_file object;
 *		const struct csn_submission_file *attachments; size_t n_attachments;
 *		const struct csn_ingest_pair { const char *key, *value; } *pairs; size_t n_pairs;
 *	};
 *	int csn_ingest_prepare(const struct csn_ingest_request *request,
 *			       struct csn_submission **ret_submission, struct csn_error *err);
 *	FORMAT: refuse with 400; UNSUPPORTED: unknown format, 400; LIMIT: 413. The request's bytes
 *	are borrowed for the call only, the submission copies what it keeps.
 *
 * query/query.h: the body of POST /api/query -> the whole reply {"response":...,"_":{...}}.
 *
 *	struct csn_query_context {
 *		struct csn_store *store;
 *		int64_t project;
 *		const char *user, *universe_name, *project_name;
 *		bool may_write;                  "set" and "actions" allowed
 *	};
 *	int csn_query_run(const struct csn_query_context *context, const char *json, size_t length,
 *			  struct csn_buf *reply, struct csn_error *err);
 *	int csn_query_describe(const struct csn_query_context *context, bool disabled_too,
 *			       struct csn_buf *reply, struct csn_error *err);
 *	int csn_query_select_ids(const struct csn_query_context *context, const char *json,
 *				 size_t length, uint64_t **ret_ids, size_t *ret_count,
 *				 struct csn_error *err);   for deletes by query; empty filter:
 *DENIED The error's text is what morgue shows; api sends it with HTTP 200 and a code. */

#endif
