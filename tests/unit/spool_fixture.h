/* A spool of its own for each test. */
#ifndef CSN_UNIT_SPOOL_FIXTURE_H
#define CSN_UNIT_SPOOL_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "folder.h"
#include "spool/spool.h"

struct fixture {
	char folder[FOLDER_MAX], archive[128];
	struct csn_spool spool;
	uint64_t grown; /* for tests that add up */
};

/* Setup and teardown of cmocka; *state is the struct fixture. */
static int open_fixture(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct csn_error err = CSN_ERROR_INIT;

	assert_true(folder_make(fixture->folder));
	snprintf(fixture->archive, sizeof(fixture->archive), "%s/var/coresnap/archive",
		 fixture->folder);
	assert_int_equal(csn_spool_make(fixture->archive, getuid(), getgid(), &err), 0);
	assert_int_equal(csn_spool_open(fixture->archive, &fixture->spool, &err), 0);
	*state = fixture;
	return 0;
}

static int close_fixture(void **state)
{
	struct fixture *fixture = *state;

	csn_spool_close(&fixture->spool);
	folder_remove(fixture->folder);
	free(fixture);
	return 0;
}

#endif
