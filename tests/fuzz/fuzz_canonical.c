/* Canonical names and roles: any bytes as a function name. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "group/canonical.h"
#include "group/role.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	cleanup_(csn_arena_freep) struct csn_arena *arena = csn_arena_new(16 * CSN_MIB);
	char *name = csn_arena_strndup(arena, (const char *)data, size_bytes);
	char *plain = name ? csn_canonical_name(arena, name, NULL, NULL) : NULL;
	char *libc = name ? csn_canonical_name(arena, name, "libc.so.6", NULL) : NULL;

	if (!plain || !libc)
		return 0;
	if (*name && (!*plain || !*libc))
		abort();
	(void)csn_role_find(name, plain, NULL);
	return 0;
}
