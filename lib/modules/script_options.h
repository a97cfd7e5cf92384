/* The options of command lines that say which modules run. */
#ifndef CSN_MODULES_SCRIPT_OPTIONS_H
#define CSN_MODULES_SCRIPT_OPTIONS_H

#include "base/options.h"
#include "modules/scripts.h"

struct csn_script_options {
	struct csn_option_list load, folders, options; /* owned, csn_script_options_done */
	int64_t seconds;
};

#define CSN_SCRIPT_OPTIONS_DEFAULT \
	{ \
		.seconds = 1 \
	}

/* The rows of a program's table of options that fill them. */
#define CSN_SCRIPT_OPTIONS_ROWS(o) \
	{ "module-load", 0, CSN_OPT_LIST, "FILE|NAME", "run this analysis module (repeatable)", \
	  &(o)->load }, \
		{ "modules-path", \
		  0, \
		  CSN_OPT_LIST, \
		  "DIR", \
		  "run all modules of this folder, look for names there (repeatable)", \
		  &(o)->folders }, \
		{ "module", \
		  0, \
		  CSN_OPT_LIST, \
		  "ID:K,V[,K,V]", \
		  "options for a module (repeatable)", \
		  &(o)->options }, \
	{ \
		"modules-time", 0, CSN_OPT_DURATION, "TIME", \
			"stop a module after this time (1 s; four times that in all)", \
			&(o)->seconds \
	}

/* csn_script_sources_read of them. */
int csn_script_options_read(const struct csn_script_options *options,
			    struct csn_script_sources **ret_sources, struct csn_error *err)
	csn_must_check;
void csn_script_options_done(struct csn_script_options *options);

#endif
