/* Group commit: one thread takes whatever has gathered while it was writing the last group.
 *
 * Under load the group grows by itself, so no one waits for a timer: with one sender a group is
 * one submission, with a thousand it is CSN_MAX_COMMIT_GROUP. When a group fails, each of its
 * submissions is tried alone, so that one that cannot be stored does not take the others along
 * (a large one on a nearly full disk). */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "store/store_internal.h"

struct job {
	struct csn_submission *submission;
	csn_submit_done done;
	void *context;
	struct csn_receipt receipt;
	struct job *next;
};

struct csn_committer {
	struct csn_store *store;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct job *first, **last;
	size_t n_queued;
	bool stopping;
};

static int put_files(struct csn_store *store, const struct csn_submission *submission,
		     struct csn_blob_ref *refs, struct csn_error *err)
{
	int r = store->blobs.ops->put(store->blobs.state, submission->uuid, submission->object.data,
				      submission->object.size_bytes, &refs[0], err);

	for (size_t i = 0; r == 0 && i < submission->n_attachments; i++)
		r = store->blobs.ops->put(store->blobs.state, submission->uuid,
					  submission->attachments[i].data,
					  submission->attachments[i].size_bytes, &refs[i + 1], err);
	return r;
}

static int store_one(struct csn_store *store, struct job *job, struct csn_error *err)
{
	const struct csn_submission *submission = job->submission;
	cleanup_free struct csn_blob_ref *refs = NULL;
	int r;

	r = store->index.ops->find_uuid(store->index.state, submission->project, submission->uuid,
					&job->receipt, err);
	if (r != -CSN_E_NOT_FOUND)
		return r;
	refs = calloc(submission->n_attachments + 1, sizeof(*refs));
	if (!refs)
		return csn_fail_nomem(err);
	r = put_files(store, submission, refs, err);
	if (r < 0)
		return r;
	return store->index.ops->add(store->index.state, submission, refs, &job->receipt, err);
}

static int store_group(struct csn_store *store, struct job *first, size_t n, struct csn_error *err)
{
	int r = csn_store_begin(store, err);

	if (r < 0)
		return r;
	for (struct job *job = first; n && r == 0; job = job->next, n--)
		r = store_one(store, job, err);
	if (r < 0) {
		csn_store_rollback(store);
		return r;
	}
	return csn_store_commit(store, err);
}

static void finish(struct job *job, int r, const struct csn_error *err)
{
	job->done(job->context, r < 0 ? NULL : &job->receipt, r < 0 ? err : NULL);
	csn_submission_free(job->submission);
	free(job);
}

static void commit_jobs(struct csn_store *store, struct job *first, size_t n)
{
	struct csn_error err = CSN_ERROR_INIT;
	int r;

	pthread_mutex_lock(&store->writer);
	r = store_group(store, first, n, &err);
	pthread_mutex_unlock(&store->writer);
	for (struct job *job = first, *next; job; job = next) {
		next = job->next;
		if (r < 0 && n > 1) {
			struct csn_error own = CSN_ERROR_INIT;
			int alone;

			pthread_mutex_lock(&store->writer);
			alone = store_group(store, job, 1, &own);
			pthread_mutex_unlock(&store->writer);
			finish(job, alone, &own);
		} else {
			finish(job, r, &err);
		}
	}
}

/* Takes up to a group off the queue; NULL when stopping and empty. */
static struct job *next_group(struct csn_committer *committer, size_t *ret_n)
{
	struct job *first, *last;
	size_t n = 1;

	pthread_mutex_lock(&committer->lock);
	while (!committer->first && !committer->stopping)
		pthread_cond_wait(&committer->wake, &committer->lock);
	first = last = committer->first;
	while (last && last->next && n < CSN_MAX_COMMIT_GROUP) {
		last = last->next;
		n++;
	}
	if (last) {
		committer->first = last->next;
		last->next = NULL;
		committer->n_queued -= n;
		if (!committer->first)
			committer->last = &committer->first;
	}
	pthread_mutex_unlock(&committer->lock);
	*ret_n = n;
	return first;
}

static void *committer_run(void *context)
{
	struct csn_committer *committer = context;
	struct job *first;
	size_t n;

	while ((first = next_group(committer, &n)))
		commit_jobs(committer->store, first, n);
	return NULL;
}

int csn_committer_start(struct csn_store *store, struct csn_committer **ret_committer,
			struct csn_error *err)
{
	struct csn_committer *committer = calloc(1, sizeof(*committer));
	int r;

	if (!committer)
		return csn_fail_nomem(err);
	committer->store = store;
	committer->last = &committer->first;
	pthread_mutex_init(&committer->lock, NULL);
	pthread_cond_init(&committer->wake, NULL);
	r = pthread_create(&committer->thread, NULL, committer_run, committer);
	if (r) {
		free(committer);
		return csn_fail_os(err, r, "committer thread");
	}
	*ret_committer = committer;
	return 0;
}

void csn_committer_stop(struct csn_committer *committer)
{
	if (!committer)
		return;
	pthread_mutex_lock(&committer->lock);
	committer->stopping = true;
	pthread_cond_signal(&committer->wake);
	pthread_mutex_unlock(&committer->lock);
	pthread_join(committer->thread, NULL);
	pthread_cond_destroy(&committer->wake);
	pthread_mutex_destroy(&committer->lock);
	free(committer);
}

int csn_committer_add(struct csn_committer *committer, struct csn_submission *submission,
		      csn_submit_done done, void *context, struct csn_error *err)
{
	struct job *job = calloc(1, sizeof(*job));
	int r = 0;

	if (!job) {
		csn_submission_free(submission);
		return csn_fail_nomem(err);
	}
	job->submission = submission;
	job->done = done;
	job->context = context;
	pthread_mutex_lock(&committer->lock);
	if (committer->stopping || committer->n_queued >= CSN_MAX_COMMIT_QUEUE) {
		r = csn_fail(err, CSN_E_LIMIT, "too many submissions wait; try again later");
	} else {
		*committer->last = job;
		committer->last = &job->next;
		committer->n_queued++;
		pthread_cond_signal(&committer->wake);
	}
	pthread_mutex_unlock(&committer->lock);
	if (r < 0) {
		csn_submission_free(submission);
		free(job);
	}
	return r;
}
