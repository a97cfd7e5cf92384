#include "host/counts.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/json.h"
#include "base/json_load.h"
#include "base/limits_host.h"
#include "spool/rate.h"
#include "spool/ticks.h"

#define SUM ".sum"
#define OUT ".out"
#define NO_OBJECT "00000000-0000-0000-0000-000000000000"
/* Helpers that append at the same time may each add a record past the end. */
#define MAX_LOG_BYTES (2ull * CSN_TICKS_MAX_FILE)

/* ---- files of counts ---- */

typedef char file_name[CSN_UUID_TEXT + 8];

static const char *name_of(const char *object, const char *suffix, file_name name)
{
	snprintf(name, sizeof(file_name), "%s%s", object, suffix);
	return name;
}

static void take_text(const json_t *json, const char *name, char *out, size_t out_size)
{
	snprintf(out, out_size, "%s", csn_json_get_string(json, name, ""));
}

/* NOT_FOUND when there is none. */
static int read_count(const struct csn_spool *spool, const char *object, const char *suffix,
		      struct csn_count *ret_count, struct csn_error *err)
{
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(CSN_MAX_TICK_FILE);
	cleanup_json json_t *json = NULL;
	struct csn_count count = { 0 };
	file_name name;
	int r;

	if (faccessat(spool->ticks_fd, name_of(object, suffix, name), F_OK, AT_SYMLINK_NOFOLLOW) <
	    0)
		return csn_fail(err, CSN_E_NOT_FOUND, "ticks/%s: no such file", name);
	r = csn_read_file(spool->ticks_fd, name, &text, err);
	if (r == 0)
		r = csn_json_load(csn_buf_text(&text), text.size, &json, err);
	if (r < 0)
		return csn_wrap(err, "ticks/%s", name);
	snprintf(count.object, sizeof(count.object), "%s", object);
	take_text(json, "batch", count.batch, sizeof(count.batch));
	take_text(json, "fold", count.fold, sizeof(count.fold));
	take_text(json, "hostname", count.hostname, sizeof(count.hostname));
	take_text(json, "exe", count.exe, sizeof(count.exe));
	count.count = (uint64_t)csn_json_get_int(json, "count", 0);
	count.first_s = csn_json_get_int(json, "first", 0);
	count.last_s = csn_json_get_int(json, "last", 0);
	count.signal = (int)csn_json_get_int(json, "signal", 0);
	count.uid = (uint32_t)csn_json_get_int(json, "uid", 0);
	if (!csn_uuid_parse(count.batch, NULL) || count.count < 1 ||
	    count.count > (uint64_t)CSN_MAX_TICK_COUNT)
		return csn_fail(err, CSN_E_FORMAT, "ticks/%s: not a count", name);
	*ret_count = count;
	return 0;
}

static int write_sum(const struct csn_spool *spool, const struct csn_count *count,
		     struct csn_error *err)
{
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(CSN_MAX_TICK_FILE);
	struct csn_json json = csn_json_to(&text);
	file_name name;
	int r;

	csn_json_begin_object(&json);
	csn_json_member_string(&json, "batch", count->batch);
	csn_json_member_string(&json, "object", count->object);
	csn_json_member_uint(&json, "count", count->count);
	csn_json_member_int(&json, "first", count->first_s);
	csn_json_member_int(&json, "last", count->last_s);
	csn_json_member_string(&json, "hostname", count->hostname);
	csn_json_member_string(&json, "exe", count->exe);
	csn_json_member_int(&json, "signal", count->signal);
	csn_json_member_uint(&json, "uid", count->uid);
	csn_json_member_string(&json, "fold", count->fold);
	csn_json_end_object(&json);
	r = csn_buf_check(&text, "count", err);
	if (r < 0)
		return r;
	return csn_write_file(spool->ticks_fd, name_of(count->object, SUM, name), text.data,
			      text.size, 0600, err);
}

/* What cannot be read is kept for people to look at, out of the way. */
static void set_aside(const struct csn_spool *spool, const char *object, const char *suffix)
{
	file_name from, to;

	(void)renameat(spool->ticks_fd, name_of(object, suffix, from), spool->ticks_fd,
		       name_of(object, ".bad", to));
}

/* ---- ticks into sums ---- */

struct pile {
	struct csn_tick *items; /* owned */
	size_t count, capacity;
};

static void pile_done(struct pile *pile)
{
	free(pile->items);
}

static int read_pile(int fd, struct pile *pile, uint64_t *skipped, struct csn_error *err)
{
	cleanup_(csn_buf_done) struct csn_buf bytes = CSN_BUF_INIT(MAX_LOG_BYTES);
	struct csn_span span;
	int r = csn_read_fd(fd, "ticks", &bytes, err);

	if (r < 0)
		return r;
	pile->capacity = bytes.size / CSN_TICK_BYTES + 1;
	pile->items = calloc(pile->capacity, sizeof(*pile->items));
	if (!pile->items)
		return csn_fail_nomem(err);
	span = csn_span_of(bytes.data, bytes.size);
	while (pile->count < pile->capacity &&
	       csn_ticks_next(&span, &pile->items[pile->count], skipped))
		pile->count++;
	return 0;
}

/* By object; payments of one debt beside each other, the largest first. */
static int compare_ticks(const void *left, const void *right)
{
	const struct csn_tick *a = left, *b = right;
	int order = memcmp(a->object, b->object, sizeof(a->object));

	if (order)
		return order;
	if (a->key != b->key)
		return a->key < b->key ? -1 : 1;
	if (a->round != b->round)
		return a->round < b->round ? -1 : 1;
	return (a->count < b->count) - (a->count > b->count);
}

static bool is_same_payment(const struct csn_tick *a, const struct csn_tick *b)
{
	return a->round && a->round == b->round && a->key == b->key;
}

/* All ticks of one object: n of them from items on. */
static struct csn_count add_up(const struct csn_tick *items, size_t n)
{
	struct csn_count sum = { .signal = items[0].signal, .uid = items[0].uid };
	size_t i;

	csn_uuid_format(items[0].object, sum.object);
	for (i = 0; i < n; i++) {
		int64_t second = items[i].time_ns / CSN_NS_PER_SECOND;

		if (i && is_same_payment(&items[i], &items[i - 1]))
			continue;
		sum.count += items[i].count;
		if (i == 0 || second < sum.first_s)
			sum.first_s = second;
		if (i == 0 || second > sum.last_s)
			sum.last_s = second;
		if (!*sum.exe)
			snprintf(sum.exe, sizeof(sum.exe), "%s", items[i].exe);
	}
	return sum;
}

/* Adds to what waits already. False in *ret_grew: this file was added before a kill. */
static int add_to_sum(const struct csn_spool *spool, const struct csn_count *added,
		      const char *fold, bool *ret_grew, struct csn_error *err)
{
	struct csn_count sum = { 0 };
	int r = read_count(spool, added->object, SUM, &sum, err);

	*ret_grew = false;
	if (r == 0 && strcmp(sum.fold, fold) == 0)
		return 0;
	if (r == -CSN_E_FORMAT || r == -CSN_E_LIMIT)
		set_aside(spool, added->object, SUM);
	else if (r < 0 && r != -CSN_E_NOT_FOUND)
		return r;
	if (r < 0) {
		sum = *added;
		csn_uuid_format_random(sum.batch);
		if (gethostname(sum.hostname, sizeof(sum.hostname) - 1) < 0)
			sum.hostname[0] = '\0';
	} else {
		sum.count += added->count;
		sum.first_s = added->first_s < sum.first_s ? added->first_s : sum.first_s;
		sum.last_s = added->last_s > sum.last_s ? added->last_s : sum.last_s;
	}
	snprintf(sum.fold, sizeof(sum.fold), "%s", fold);
	*ret_grew = true;
	return write_sum(spool, &sum, err);
}

static int fold_pile(const struct csn_spool *spool, struct pile *pile, const char *fold,
		     csn_counts_grew grew, void *context, struct csn_error *err)
{
	size_t i, n;

	if (pile->count > 1)
		qsort(pile->items, pile->count, sizeof(*pile->items), compare_ticks);
	for (i = 0; i < pile->count; i += n) {
		struct csn_count added;
		bool is_new = false;
		int r;

		for (n = 1; i + n < pile->count; n++)
			if (memcmp(pile->items[i + n].object, pile->items[i].object,
				   sizeof(pile->items[i].object)) != 0)
				break;
		added = add_up(&pile->items[i], n);
		r = add_to_sum(spool, &added, fold, &is_new, err);
		if (r < 0)
			return r;
		if (is_new)
			grew(context, &added);
	}
	return 0;
}

/* One file of ticks; false in *ret_some when there is none. */
static int fold_file(const struct csn_spool *spool, csn_counts_grew grew, void *context,
		     uint64_t *skipped, bool *ret_some, struct csn_error *err)
{
	cleanup_(pile_done) struct pile pile = { 0 };
	char fold[CSN_UUID_TEXT];
	cleanup_close int fd = -1;
	int r = csn_ticks_close(spool, fold, &fd, err);

	*ret_some = r == 0 && fd >= 0;
	if (r < 0 || fd < 0)
		return r;
	r = read_pile(fd, &pile, skipped, err);
	if (r == 0)
		r = fold_pile(spool, &pile, fold, grew, context, err);
	return r < 0 ? r : csn_ticks_forget(spool, fold, err);
}

static bool pay_debt(void *context, const struct csn_rate_debt *debt)
{
	const struct csn_spool *spool = context;
	struct csn_tick tick = {
		.key = debt->key,
		.time_ns = csn_realtime_ns(),
		.count = debt->count,
		.round = debt->round,
	};
	struct csn_error ignored;

	memcpy(tick.object, debt->object, sizeof(tick.object));
	return csn_ticks_append(spool, &tick, &ignored) == 0;
}

/* What a kill left of a sum that was being published: nobody else writes here. */
static void remove_parts(const struct csn_spool *spool)
{
	int fd = openat(spool->ticks_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_closedir DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;

	if (!folder && fd >= 0)
		close(fd);
	while (folder && (entry = readdir(folder))) {
		const char *dot = strrchr(entry->d_name, '.');

		if (entry->d_name[0] == '.' && dot && strcmp(dot, ".part") == 0)
			(void)unlinkat(spool->ticks_fd, entry->d_name, 0);
	}
}

int csn_counts_fold(const struct csn_spool *spool, csn_counts_grew grew, void *context,
		    uint64_t *ret_skipped, struct csn_error *err)
{
	bool some = true;
	int r = 0;

	*ret_skipped = 0;
	remove_parts(spool);
	/* A file put aside before a kill, then the open one: both make room for debts. */
	while (r == 0 && some)
		r = fold_file(spool, grew, context, ret_skipped, &some, err);
	if (r < 0)
		return r;
	csn_rate_settle(spool, pay_debt, (void *)spool);
	return csn_ticks_waiting(spool) ? fold_file(spool, grew, context, ret_skipped, &some, err)
					: 0;
}

/* ---- sums to the server ---- */

/* Every file below ticks/ whose name ends so; stops when visit returns false. */
static void visit_files(const struct csn_spool *spool, const char *suffix,
			bool (*visit)(void *context, const char *object), void *context)
{
	int fd = openat(spool->ticks_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_closedir DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
	char object[CSN_UUID_TEXT];
	const struct dirent *entry;

	if (!folder && fd >= 0)
		close(fd);
	while (folder && (entry = readdir(folder))) {
		if (strlen(entry->d_name) != CSN_UUID_TEXT - 1 + strlen(suffix) ||
		    strcmp(entry->d_name + CSN_UUID_TEXT - 1, suffix) != 0)
			continue;
		memcpy(object, entry->d_name, CSN_UUID_TEXT - 1);
		object[CSN_UUID_TEXT - 1] = '\0';
		if (csn_uuid_parse(object, NULL) && !visit(context, object))
			return;
	}
}

struct search {
	const struct csn_spool *spool;
	const char *after;
	char found[CSN_UUID_TEXT];
};

static bool note_least(void *context, const char *object)
{
	struct search *search = context;

	if (strcmp(object, search->after) > 0 && strcmp(object, NO_OBJECT) != 0 &&
	    (!*search->found || strcmp(object, search->found) < 0) &&
	    !csn_spool_has(search->spool, CSN_STAGE_PENDING, object) &&
	    !csn_spool_has(search->spool, CSN_STAGE_SENDING, object))
		memcpy(search->found, object, sizeof(search->found));
	return true;
}

static bool note_any(void *context, const char *object)
{
	(void)object;
	*(bool *)context = true;
	return false;
}

int csn_counts_next(const struct csn_spool *spool, const char *after, struct csn_count *ret_count,
		    struct csn_error *err)
{
	struct search search = { .spool = spool, .after = after };
	file_name sum, out;
	bool folding = false;
	int r;

	visit_files(spool, ".log", note_any, &folding);
	if (folding)
		return csn_fail(err, CSN_E_NOT_FOUND, "ticks are being added up");
	visit_files(spool, OUT, note_least, &search);
	visit_files(spool, SUM, note_least, &search);
	if (!*search.found)
		return csn_fail(err, CSN_E_NOT_FOUND, "nothing to send");
	r = read_count(spool, search.found, OUT, ret_count, err);
	if (r == -CSN_E_FORMAT || r == -CSN_E_LIMIT) {
		set_aside(spool, search.found, OUT);
		return csn_counts_next(spool, after, ret_count, err);
	}
	if (r != -CSN_E_NOT_FOUND)
		return r;
	if (renameat(spool->ticks_fd, name_of(search.found, SUM, sum), spool->ticks_fd,
		     name_of(search.found, OUT, out)) < 0 ||
	    fsync(spool->ticks_fd) < 0)
		return csn_fail(err, CSN_E_OS, "ticks/%s cannot be renamed", sum);
	return read_count(spool, search.found, OUT, ret_count, err);
}

int csn_counts_sent(const struct csn_spool *spool, const char *object, struct csn_error *err)
{
	file_name name;

	return csn_unlink_synced(spool->ticks_fd, name_of(object, OUT, name), err);
}

bool csn_counts_wait_for(const struct csn_spool *spool, const char *object)
{
	file_name name;

	return faccessat(spool->ticks_fd, name_of(object, SUM, name), F_OK, 0) == 0 ||
	       faccessat(spool->ticks_fd, name_of(object, OUT, name), F_OK, 0) == 0;
}

struct total {
	const struct csn_spool *spool;
	const char *suffix;
	uint64_t count;
};

static bool add_file(void *context, const char *object)
{
	struct total *total = context;
	struct csn_count count = { 0 };
	struct csn_error ignored;

	if (read_count(total->spool, object, total->suffix, &count, &ignored) == 0)
		total->count += count.count;
	return true;
}

uint64_t csn_counts_waiting(const struct csn_spool *spool)
{
	struct total total = { .spool = spool, .suffix = OUT };

	visit_files(spool, OUT, add_file, &total);
	total.suffix = SUM;
	visit_files(spool, SUM, add_file, &total);
	return total.count + csn_ticks_waiting(spool) / CSN_TICK_BYTES;
}

struct purge {
	const struct csn_spool *spool;
	const char *suffix;
	int64_t limit_ns;
	csn_counts_grew gone;
	void *context;
};

static bool purge_file(void *context, const char *object)
{
	const struct purge *purge = context;
	struct csn_count count = { 0 };
	struct csn_error ignored;
	struct stat status;
	file_name name;

	if (fstatat(purge->spool->ticks_fd, name_of(object, purge->suffix, name), &status,
		    AT_SYMLINK_NOFOLLOW) < 0 ||
	    (int64_t)status.st_mtim.tv_sec * CSN_NS_PER_SECOND > purge->limit_ns)
		return true;
	memcpy(count.object, object, sizeof(count.object));
	(void)!read_count(purge->spool, object, purge->suffix, &count, &ignored);
	if (unlinkat(purge->spool->ticks_fd, name, 0) == 0)
		purge->gone(purge->context, &count);
	return true;
}

void csn_counts_purge(const struct csn_spool *spool, int64_t limit_ns, csn_counts_grew gone,
		      void *context)
{
	struct purge purge = { spool, OUT, limit_ns, gone, context };

	visit_files(spool, OUT, purge_file, &purge);
	purge.suffix = SUM;
	visit_files(spool, SUM, purge_file, &purge);
}
