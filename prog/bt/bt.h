/* bt: its options and its one step. */
#ifndef BT_BT_H
#define BT_BT_H

#include "engine/value_options.h"
#include "modules/script_options.h"

struct bt_options {
	const char *core, *cache, *sysroot, *privacy, *variables, *globals;
	bool verbose, faulted, json, no_source;
	uint64_t depth;
	struct csn_engine_values values;
	struct csn_script_options modules;
	const char *debuginfod; /* NULL: not wanted */
	int64_t debuginfod_timeout;
};

/* operand: process id or snapshot file; with --core the executable or NULL. Exit status. */
int bt_run(const struct bt_options *options, const char *operand);

#endif
