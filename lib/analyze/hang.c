/* What the wait graph says: annotations, and the thread to blame. */
#include <inttypes.h>
#include <signal.h>
#include <string.h>

#include "analyze/place.h"
#include "analyze/tellers.h"
#include "analyze/waits_internal.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/limits.h"

/* Threads of a cycle that are named one by one. */
#define CSN_TOLD_CYCLE 8u

/* Who says that the process hangs. */
enum csn_hang_judge {
	CSN_JUDGE_NOBODY, /* the crash has a reason of its own */
	CSN_JUDGE_PROOF,  /* somebody looks, or the process gave up by itself: only a deadlock is
			     proof */
	CSN_JUDGE_OTHER,  /* somebody else ended it by a signal */
};

static const char *const csn_lock_nouns[] = {
	[CSN_LOCK_OTHER] = "futex",
	[CSN_LOCK_MUTEX] = "mutex",
	[CSN_LOCK_RWLOCK] = "read-write lock",
	[CSN_LOCK_CONDITION] = "condition variable",
	[CSN_LOCK_SEMAPHORE] = "semaphore",
	[CSN_LOCK_THREAD] = "thread",
	[CSN_LOCK_LIBRARY] = "lock inside the C library",
};

static void csn_tell_thread(struct csn_buf *out, const struct csn_wait_node *node)
{
	const char *name = node->stack ? node->stack->name : node->thread->name;

	csn_buf_printf(out, "thread %" PRId64, node->thread->tid);
	if (name && *name)
		csn_buf_printf(out, " (%.64s)", name);
}

/* "mutex 0x55... (g_lock)" */
static void csn_tell_lock(struct csn_buf *out, const struct csn_wait_node *node)
{
	const char *noun = csn_lock_nouns[node->lock.kind];

	if (node->lock.kind == CSN_LOCK_CONDITION || node->lock.kind == CSN_LOCK_LIBRARY)
		csn_buf_printf(out, node->name ? "%s" : "a %s", noun);
	else
		csn_buf_printf(out, "%s 0x%" PRIx64, noun, node->lock.address);
	if (node->name)
		csn_buf_printf(out, " (%.200s)", node->name);
}

/* "waits for mutex 0x55... (g_lock) held by thread 13 (io)" */
static void csn_tell_wait(struct csn_buf *out, const struct csn_waits *waits, size_t index,
			  const char *verb)
{
	const struct csn_wait_node *node = &waits->nodes[index];

	csn_buf_printf(out, "%s for ", verb);
	if (node->lock.kind == CSN_LOCK_THREAD && node->owner != SIZE_MAX) {
		csn_tell_thread(out, &waits->nodes[node->owner]);
		csn_buf_puts(out, " to end");
		return;
	}
	csn_tell_lock(out, node);
	if (node->owner == index) {
		csn_buf_puts(out, " that it holds itself");
	} else if (node->owner != SIZE_MAX) {
		csn_buf_puts(out, " held by ");
		csn_tell_thread(out, &waits->nodes[node->owner]);
	} else if (node->lock.owner) {
		csn_buf_printf(out, " held by thread %" PRId64 ", which is not in this process",
			       node->lock.owner);
	} else if (node->lock.n_readers) {
		csn_buf_printf(out, " held by %" PRIu32 " reader%s", node->lock.n_readers,
			       node->lock.n_readers > 1 ? "s" : "");
	}
}

/* --- annotations --- */

struct csn_lock_variable {
	csn_addr address;
	const struct csn_scene *scene;
	const char *path;                    /* NULL: not found */
	const struct csn_scene_frame *frame; /* where */
};

/* A value that lies where the lock is, or points there, of a type that says so. */
static bool csn_visit_variable(void *context, const struct csn_scene_spot *spot)
{
	static const char *const types[] = { "mutex", "rwlock", "cond", "sem_t", "pthread_t" };
	const struct csn_value_node *value = csn_scene_spot_value(spot);
	struct csn_lock_variable *found = context;

	for (size_t i = 0; i < csn_countof(types) && !found->path; i++) {
		if (!value->type || !strstr(value->type, types[i]))
			continue;
		if ((value->has_address && value->address == found->address) ||
		    (value->is_pointer && value->has_number && value->number == found->address)) {
			found->path = csn_scene_path(found->scene, spot);
			found->frame = spot->frame;
		}
	}
	return !found->path;
}

static int csn_annotate_wait(struct csn_waits *waits, size_t index, struct csn_error *err)
{
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(CSN_MAX_LOG_LINE);
	const struct csn_wait_node *node = &waits->nodes[index];
	const struct csn_scene *scene = waits->scene;
	const struct csn_snapshot_frame *frame =
		csn_teller_frame_to_blame(node->stack, node->first, true);
	struct csn_annotation_owner owner = { .thread = node->stack };
	struct csn_lock_variable variable = { .address = node->lock.address, .scene = scene };

	for (size_t i = 0; i < scene->n_frames && !variable.path; i++)
		if (scene->frames[i].thread == node->stack)
			csn_scene_walk(&scene->frames[i], csn_visit_variable, &variable);
	if (variable.path) {
		owner.variable = variable.path;
		owner.frame = csn_scene_frame_number(variable.frame);
		owner.has_frame = true;
	} else if (frame) {
		owner.frame = (size_t)(frame - node->stack->frames);
		owner.has_frame = true;
	}
	csn_tell_wait(&text, waits, index, "waits");
	if (csn_buf_check(&text, "wait", err) < 0)
		return -CSN_E_NOMEM;
	return csn_snapshot_add_owned_annotation(scene->snapshot, "wait", csn_buf_text(&text),
						 &owner, err);
}

/* Those with owners first: the others are many where threads wait for work. */
static int csn_annotate_waits(struct csn_waits *waits, struct csn_error *err)
{
	size_t n = 0;
	int rc = 0;

	for (int owned = 1; owned >= 0; owned--) {
		for (size_t i = 0; i < waits->n_waiting && n < CSN_MAX_WAIT_NOTES && rc == 0; i++) {
			if (!waits->nodes[waits->waiting[i]].lock.owner == !owned) {
				rc = csn_annotate_wait(waits, waits->waiting[i], err);
				n++;
			}
		}
	}
	return rc;
}

/* --- the verdict --- */

static enum csn_hang_judge csn_find_judge(const struct csn_scene *scene)
{
	const struct csn_target *target = scene->target;
	const struct csn_signal *signal = &target->signal;
	const struct csn_snapshot *snapshot = scene->snapshot;
	struct csn_syscall call;

	if (!signal->present)
		return CSN_JUDGE_PROOF;
	if (signal->has_sender && !csn_process_is(target, signal->sender_pid))
		return CSN_JUDGE_OTHER;
	if (signal->number != SIGABRT || !scene->fault_thread)
		return CSN_JUDGE_NOBODY;
	/* More is known of this abort than that it is one. */
	for (size_t i = 0; i < snapshot->n_classifiers; i++)
		if (strcmp(snapshot->classifiers[i], "abort") != 0 &&
		    strcmp(snapshot->classifiers[i], "stop") != 0)
			return CSN_JUDGE_NOBODY;
	/* A thread that did not send the signal itself got it from another one. */
	if (signal->has_sender &&
	    csn_syscall_read(target->arch, &scene->fault_thread->registers, &call) &&
	    call.kind != CSN_SYSCALL_KILL)
		return CSN_JUDGE_OTHER;
	return CSN_JUDGE_PROOF;
}

static int csn_tell_place(struct csn_buf *out, const char *place, struct csn_error *err)
{
	if (!place)
		return csn_fail_nomem(err);
	if (*place)
		csn_buf_printf(out, ", in %s", place);
	return 0;
}

static int csn_tell_cycle(struct csn_buf *out, struct csn_waits *waits, size_t begin,
			  struct csn_error *err)
{
	size_t at = begin, n = 0;

	csn_buf_puts(out, "deadlock: ");
	csn_tell_thread(out, &waits->nodes[begin]);
	do {
		if (n < CSN_TOLD_CYCLE)
			csn_tell_wait(out, waits, at, n ? ", which waits" : " waits");
		at = waits->nodes[at].owner;
		n++;
	} while (at != begin);
	if (n > CSN_TOLD_CYCLE)
		csn_buf_printf(out, ", and so on through %zu threads", n);
	return csn_tell_place(out, csn_waits_place(waits, begin), err);
}

/* "3 threads wait for mutex 0x55... (g_lock) held by thread 14 (io), in read (libc.so.6), called
 * from fetch (io.c:20)": of the locks of a holder, the one that most wait for. */
static int csn_tell_holder(struct csn_buf *out, struct csn_waits *waits, size_t holder,
			   struct csn_error *err)
{
	const struct csn_scene *scene = waits->scene;
	const struct csn_snapshot_thread *stack = waits->nodes[holder].stack;
	const struct csn_snapshot_frame *frame, *caller;
	size_t best = SIZE_MAX, n_best = 0;

	for (size_t i = 0; i < waits->n_waiting; i++) {
		const struct csn_wait_node *node = &waits->nodes[waits->waiting[i]];
		size_t n = 0;

		for (size_t k = 0; node->owner == holder && k < waits->n_waiting; k++)
			n += waits->nodes[waits->waiting[k]].owner == holder &&
			     waits->nodes[waits->waiting[k]].lock.address == node->lock.address;
		if (n > n_best) {
			best = waits->waiting[i];
			n_best = n;
		}
	}
	if (n_best == 1)
		csn_tell_thread(out, &waits->nodes[best]);
	else
		csn_buf_printf(out, "%zu threads", n_best);
	csn_tell_wait(out, waits, best, n_best == 1 ? " waits" : " wait");
	frame = stack ? csn_teller_frame_to_blame(stack, 0, false) : NULL;
	if (!frame)
		return 0;
	caller = csn_teller_caller(stack, frame);
	if (csn_tell_place(out, csn_place_describe(scene->snapshot->arena, scene->target, frame),
			   err) < 0)
		return -CSN_E_NOMEM;
	if (caller)
		csn_buf_printf(out, ", called from %s",
			       csn_place_describe(scene->snapshot->arena, scene->target, caller));
	return 0;
}

static int csn_tell_orphan(struct csn_buf *out, struct csn_waits *waits, size_t orphan,
			   struct csn_error *err)
{
	csn_tell_thread(out, &waits->nodes[orphan]);
	csn_tell_wait(out, waits, orphan, " waits");
	return csn_tell_place(out, csn_waits_place(waits, orphan), err);
}

/* The thread to blame becomes the one that groups, unless somebody chose one. */
static int csn_blame(struct csn_waits *waits, size_t index, bool hangs, const char *text,
		     struct csn_error *err)
{
	const struct csn_snapshot_thread *stack = waits->nodes[index].stack;
	struct csn_snapshot *snapshot = waits->scene->snapshot;
	const struct csn_snapshot_attribute *verdict =
		csn_snapshot_find_attribute(snapshot, "verdict");
	bool chosen = waits->scene->fault_thread && !waits->scene->target->signal.present;
	char key[24];

	if (verdict && verdict->kind == CSN_VALUE_STRING)
		text = csn_arena_sprintf(snapshot->arena, "%s; %s", text, verdict->string);
	if (!text || csn_snapshot_set_string(snapshot, "verdict", text, err) < 0)
		return csn_fail_nomem(err);
	if (hangs && csn_snapshot_add_classifier(snapshot, "hang", err) < 0)
		return -CSN_E_NOMEM;
	if (!stack || chosen)
		return 0;
	snapshot->main_thread =
		csn_arena_strdup(snapshot->arena, csn_snapshot_thread_key(stack, key));
	return snapshot->main_thread ? 0 : csn_fail_nomem(err);
}

static int csn_find_culprit(struct csn_waits *waits, enum csn_hang_judge judge,
			    struct csn_error *err)
{
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(CSN_MAX_LOG_LINE);
	bool died = waits->scene->target->signal.present, hangs = true;
	size_t culprit = csn_waits_find_cycle(waits);
	int rc = 0;

	if (culprit == SIZE_MAX && died && judge != CSN_JUDGE_OTHER)
		return 0;
	if (culprit != SIZE_MAX) {
		rc = csn_tell_cycle(&text, waits, culprit, err);
	} else if ((culprit = csn_waits_find_orphan(waits)) != SIZE_MAX) {
		rc = csn_tell_orphan(&text, waits, culprit, err);
	} else if ((culprit = csn_waits_find_holder(waits)) != SIZE_MAX) {
		/* Of one that lives, that somebody waits is no proof that it hangs. */
		hangs = judge == CSN_JUDGE_OTHER;
		rc = csn_tell_holder(&text, waits, culprit, err);
	} else {
		return 0;
	}
	if (rc == 0)
		rc = csn_buf_check(&text, "verdict", err);
	return rc < 0 ? rc : csn_blame(waits, culprit, hangs, csn_buf_text(&text), err);
}

int csn_waits_analyze(const struct csn_scene *scene, const json_t *facts, struct csn_error *err)
{
	enum csn_hang_judge judge = csn_find_judge(scene);
	struct csn_waits waits;
	int rc;

	if (judge == CSN_JUDGE_NOBODY)
		return 0;
	rc = csn_waits_read(&waits, scene, facts, err);
	if (rc == 0)
		rc = csn_find_culprit(&waits, judge, err);
	return rc == 0 ? csn_annotate_waits(&waits, err) : rc;
}
