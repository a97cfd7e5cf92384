/* Ticks: crashes that a host only counted, added to the object of the last one that it stored.
 *
 * An object carries its ticks (object.ticks), a project their sum; `tick` keeps the batches that
 * came, so that one that is sent again is known. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "store/index_internal.h"

static sqlite3_stmt *get(struct csn_index_sqlite *index, const char *literal, struct csn_error *err)
{
	return csn_sql_get(&index->writer, literal, err);
}

/* The key of the first column; NOT_FOUND when there is no row. */
static int find_key(struct csn_index_sqlite *index, const char *sql, int64_t project,
		    const uint8_t uuid[16], int64_t *ret_key, struct csn_error *err)
{
	cleanup_reset sqlite3_stmt *select = get(index, sql, err);
	int r;

	if (!select)
		return -CSN_E_OS;
	sqlite3_bind_int64(select, 1, project);
	sqlite3_bind_blob(select, 2, uuid, 16, SQLITE_STATIC);
	r = csn_sql_step(&index->writer, select, err);
	if (r < 0)
		return r;
	if (r == 0)
		return csn_fail(err, CSN_E_NOT_FOUND, "no object with this uuid");
	*ret_key = sqlite3_column_int64(select, 0);
	return 0;
}

static int keep_batch(struct csn_index_sqlite *index, const struct csn_tick_batch *batch,
		      int64_t key, struct csn_error *err)
{
	cleanup_reset sqlite3_stmt *insert =
		get(index,
		    "INSERT INTO tick(project,batch,key,count,first,last,hostname,received)"
		    " VALUES(?,?,?,?,?,?,?,?)",
		    err);

	if (!insert)
		return -CSN_E_OS;
	sqlite3_bind_int64(insert, 1, batch->project);
	sqlite3_bind_blob(insert, 2, batch->batch, 16, SQLITE_STATIC);
	sqlite3_bind_int64(insert, 3, key);
	sqlite3_bind_int64(insert, 4, (int64_t)batch->count);
	sqlite3_bind_int64(insert, 5, batch->first);
	sqlite3_bind_int64(insert, 6, batch->last);
	sqlite3_bind_text(insert, 7, batch->hostname, -1, SQLITE_STATIC);
	sqlite3_bind_int64(insert, 8, csn_realtime_ns() / CSN_NS_PER_SECOND);
	return csn_sql_run(&index->writer, insert, err);
}

static int add_count(struct csn_index_sqlite *index, const char *sql, uint64_t count, int64_t key,
		     struct csn_error *err)
{
	cleanup_reset sqlite3_stmt *update = get(index, sql, err);

	if (!update)
		return -CSN_E_OS;
	sqlite3_bind_int64(update, 1, (int64_t)count);
	sqlite3_bind_int64(update, 2, key);
	return csn_sql_run(&index->writer, update, err);
}

int csn_index_tick(void *state, const struct csn_tick_batch *batch,
		   struct csn_tick_receipt *ret_receipt, struct csn_error *err)
{
	struct csn_index_sqlite *index = state;
	struct csn_tick_receipt receipt = { .duplicate = true };
	struct csn_error ignored = CSN_ERROR_INIT;
	int64_t key = 0;
	int r = find_key(index, "SELECT key FROM tick WHERE project=? AND batch=?", batch->project,
			 batch->batch, &key, &ignored);

	if (r == -CSN_E_NOT_FOUND) {
		receipt.duplicate = false;
		r = find_key(index, "SELECT key FROM object WHERE project=? AND uuid=?",
			     batch->project, batch->object, &key, err);
		if (r == 0)
			r = keep_batch(index, batch, key, err);
		if (r == 0)
			r = add_count(index, "UPDATE object SET ticks=ticks+?1 WHERE key=?2",
				      batch->count, key, err);
		if (r == 0)
			r = add_count(index, "UPDATE project SET ticks=ticks+?1 WHERE project=?2",
				      batch->count, batch->project, err);
	} else if (r < 0) {
		*err = ignored;
	}
	receipt.id = (uint64_t)key & CSN_ID_MAX;
	if (r == 0)
		*ret_receipt = receipt;
	return r;
}
