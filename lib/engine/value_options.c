#include "engine/value_options.h"

#include <string.h>

bool csn_engine_variables_find(const char *name, enum csn_engine_variables *ret_variables)
{
	static const char *const names[] = {
		[CSN_VARIABLES_NONE] = "none",
		[CSN_VARIABLES_FAULTED] = "faulted",
		[CSN_VARIABLES_ARGUMENTS] = "arguments",
		[CSN_VARIABLES_ALL] = "all",
	};

	for (size_t i = 0; i < csn_countof(names); i++) {
		if (strcmp(name, names[i]) != 0)
			continue;
		*ret_variables = (enum csn_engine_variables)i;
		return true;
	}
	return false;
}
