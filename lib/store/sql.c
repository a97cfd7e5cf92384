#include "store/sql.h"

#include <errno.h>
#include <string.h>

int csn_sql_fail(struct csn_sql *sql, struct csn_error *err, const char *what)
{
	int code = sqlite3_errcode(sql->db), os_errno = sqlite3_system_errno(sql->db);

	if ((code & 0xff) == SQLITE_FULL || os_errno == ENOSPC || os_errno == EDQUOT)
		return csn_fail(err, CSN_E_LIMIT, "%s: the disk is full", what);
	if (code == SQLITE_NOMEM)
		return csn_fail_nomem(err);
	if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB)
		return csn_fail(err, CSN_E_FORMAT, "%s: %s", what, sqlite3_errmsg(sql->db));
	return csn_fail(err, CSN_E_OS, "%s: %s", what, sqlite3_errmsg(sql->db));
}

int csn_sql_open(struct csn_sql *sql, const char *path, bool read_only, struct csn_error *err)
{
	int flags = SQLITE_OPEN_NOMUTEX |
		    (read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
	int r;

	memset(sql, 0, sizeof(*sql));
	if (sqlite3_open_v2(path, &sql->db, flags, NULL) != SQLITE_OK) {
		r = csn_sql_fail(sql, err, path);
		csn_sql_close(sql);
		return r;
	}
	sqlite3_busy_timeout(sql->db, 10000);
	r = csn_sql_exec(sql,
			 read_only ? "PRAGMA query_only=1; PRAGMA mmap_size=268435456"
				   : "PRAGMA auto_vacuum=INCREMENTAL; PRAGMA journal_mode=WAL;"
				     "PRAGMA synchronous=FULL;"
				     "PRAGMA foreign_keys=ON; PRAGMA temp_store=MEMORY;"
				     "PRAGMA cache_size=-65536;"
				     "PRAGMA wal_autocheckpoint=8000",
			 err);
	if (r < 0) {
		csn_sql_close(sql);
		return csn_wrap(err, "%s", path);
	}
	return 0;
}

void csn_sql_close(struct csn_sql *sql)
{
	for (size_t i = 0; i < sql->n_cached; i++)
		sqlite3_finalize(sql->cache[i].statement);
	sql->n_cached = 0;
	sqlite3_close(sql->db);
	sql->db = NULL;
}

int csn_sql_exec(struct csn_sql *sql, const char *text, struct csn_error *err)
{
	if (sqlite3_exec(sql->db, text, NULL, NULL, NULL) != SQLITE_OK)
		return csn_sql_fail(sql, err, "database");
	return 0;
}

sqlite3_stmt *csn_sql_get(struct csn_sql *sql, const char *literal, struct csn_error *err)
{
	sqlite3_stmt *statement;

	for (size_t i = 0; i < sql->n_cached; i++) {
		if (sql->cache[i].text == literal) {
			sqlite3_clear_bindings(sql->cache[i].statement);
			return sql->cache[i].statement;
		}
	}
	if (sql->n_cached == CSN_SQL_STATEMENTS) {
		csn_fail(err, CSN_E_LIMIT, "too many kept statements");
		return NULL;
	}
	if (sqlite3_prepare_v3(sql->db, literal, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL) !=
	    SQLITE_OK) {
		csn_sql_fail(sql, err, "database");
		return NULL;
	}
	sql->cache[sql->n_cached].text = literal;
	sql->cache[sql->n_cached++].statement = statement;
	return statement;
}

int csn_sql_step(struct csn_sql *sql, sqlite3_stmt *statement, struct csn_error *err)
{
	int r = sqlite3_step(statement);

	if (r == SQLITE_ROW)
		return 1;
	if (r == SQLITE_DONE)
		return 0;
	r = csn_sql_fail(sql, err, "database");
	sqlite3_reset(statement);
	return r;
}

int csn_sql_run(struct csn_sql *sql, sqlite3_stmt *statement, struct csn_error *err)
{
	int r = csn_sql_step(sql, statement, err);

	sqlite3_reset(statement);
	return r < 0 ? r : 0;
}
