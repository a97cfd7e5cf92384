#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"

/* The value of a variable that names a folder; NULL when it is unset, empty or relative. */
static const char *folder_in(const char *variable)
{
	const char *value = getenv(variable);

	return value && value[0] == '/' ? value : NULL;
}

const char *csn_engine_cache_folder(const char *given, char *out, size_t size_bytes)
{
	const char *own = given ? given : getenv("CORESNAP_CACHE");
	const char *shared = folder_in("XDG_CACHE_HOME"), *home = folder_in("HOME");
	int length;

	if (own && (strcmp(own, "none") == 0 || !*own))
		return NULL;
	if (own)
		length = snprintf(out, size_bytes, "%s", own);
	else if (shared)
		length = snprintf(out, size_bytes, "%s/coresnap", shared);
	else if (home)
		length = snprintf(out, size_bytes, "%s/.cache/coresnap", home);
	else
		return NULL;
	return length > 0 && (size_t)length < size_bytes ? out : NULL;
}
