/* The options of command lines that say whose variables are read and what that may cost. */
#ifndef CSN_ENGINE_VALUE_OPTIONS_H
#define CSN_ENGINE_VALUE_OPTIONS_H

#include "base/options.h"
#include "engine/engine.h"

/* The rows of a program's table of options that set them. */
#define CSN_ENGINE_VALUES_OPTIONS(v) \
	{ "max-elements", 0, CSN_OPT_U64, "N", "elements told of an array or text (200; 0: all)", \
	  &(v)->elements }, \
		{ "max-depth", 0, CSN_OPT_U64, "N", "structures told within structures (20)", \
		  &(v)->depth }, \
		{ "follow", \
		  0, \
		  CSN_OPT_U64, \
		  "N", \
		  "pointers to structures followed in a row (1; 0: none)", \
		  &(v)->follow }, \
		{ "max-frames", \
		  0, \
		  CSN_OPT_U64, \
		  "N", \
		  "innermost frames of a thread with variables (256; 0: all)", \
		  &(v)->frames }, \
		{ "max-values", 0, CSN_OPT_U64, "N", "values in all, parts too (200000; 0: all)", \
		  &(v)->values }, \
		{ "max-bytes", 0, CSN_OPT_U64, "N", "bytes of their text in all (1048576; 0: all)", \
		  &(v)->bytes }, \
	{ \
		"values-time", 0, CSN_OPT_DURATION, "TIME", \
			"stop reading values after this time (5s)", &(v)->seconds \
	}

/* The variables that a name asks for ("none", "faulted", "arguments", "all"); false: no such. */
bool csn_engine_variables_find(const char *name, enum csn_engine_variables *ret_variables);

#endif
