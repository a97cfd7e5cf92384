/* SQLite with our error values: private to the embedded engine of this room.
 *
 * A csn_sql is one connection; it is used by one thread at a time. Statements made with
 * csn_sql_get are kept by the address of their text, which must be a literal. */
#ifndef CSN_STORE_SQL_H
#define CSN_STORE_SQL_H

#include <sqlite3.h>

#include "base/error.h"
#include "base/types.h"

#define CSN_SQL_STATEMENTS 64

struct csn_sql {
	sqlite3 *db;
	struct {
		const char *text;
		sqlite3_stmt *statement;
	} cache[CSN_SQL_STATEMENTS];
	size_t n_cached;
};

/* WAL, synchronous=FULL, foreign keys, busy timeout 10 s. */
int csn_sql_open(struct csn_sql *sql, const char *path, bool read_only, struct csn_error *err)
	csn_must_check;
void csn_sql_close(struct csn_sql *sql);

/* LIMIT when the disk is full, NOMEM, FORMAT when the file is damaged, otherwise OS. */
int csn_sql_fail(struct csn_sql *sql, struct csn_error *err, const char *what);

/* Runs statements that need no parameters and give no rows. */
int csn_sql_exec(struct csn_sql *sql, const char *text, struct csn_error *err) csn_must_check;
/* Fresh bindings; NULL on failure. Reset it after use (csn_sql_done). */
sqlite3_stmt *csn_sql_get(struct csn_sql *sql, const char *literal, struct csn_error *err);
/* 1 a row, 0 done, negative failed (the statement is reset then). */
int csn_sql_step(struct csn_sql *sql, sqlite3_stmt *statement, struct csn_error *err)
	csn_must_check;
/* Steps once, expecting no row, and resets. */
int csn_sql_run(struct csn_sql *sql, sqlite3_stmt *statement, struct csn_error *err) csn_must_check;

static inline void csn_sql_resetp(sqlite3_stmt **statement)
{
	if (*statement)
		sqlite3_reset(*statement);
}

static inline void csn_sql_finalizep(sqlite3_stmt **statement)
{
	sqlite3_finalize(*statement);
}

/* Resets a kept statement when the scope ends. */
#define cleanup_reset __attribute__((cleanup(csn_sql_resetp)))
#define cleanup_finalize __attribute__((cleanup(csn_sql_finalizep)))

/* "" for SQL NULL. Valid until the next step. */
static inline const char *csn_sql_text(sqlite3_stmt *statement, int column)
{
	const unsigned char *text = sqlite3_column_text(statement, column);

	return text ? (const char *)text : "";
}

#endif
