#include "analyze/contracts.h"

#include <string.h>

#define READ CSN_CLAIM_READ
#define WRITE CSN_CLAIM_WRITE
#define TEXT CSN_CLAIM_TEXT
#define SIZE CSN_CLAIM_SIZE
#define FD CSN_CLAIM_FD
#define CHUNK CSN_CLAIM_CHUNK
#define ANY \
	{ \
		"", CSN_CLAIM_NONE \
	}

/* A size that is counted for two arguments stands in both. */
static const struct csn_contract csn_contracts[] = {
	{ "memcpy",
	  true,
	  { { "destination", WRITE, 3 }, { "source", READ, 3 }, { "size", SIZE } } },
	{ "__memcpy_chk",
	  true,
	  { { "destination", WRITE, 3 }, { "source", READ, 3 }, { "size", SIZE } } },
	{ "mempcpy",
	  true,
	  { { "destination", WRITE, 3 }, { "source", READ, 3 }, { "size", SIZE } } },
	{ "memmove",
	  false,
	  { { "destination", WRITE, 3 }, { "source", READ, 3 }, { "size", SIZE } } },
	{ "__memmove_chk",
	  false,
	  { { "destination", WRITE, 3 }, { "source", READ, 3 }, { "size", SIZE } } },
	{ "memset", false, { { "destination", WRITE, 3 }, ANY, { "size", SIZE } } },
	{ "__memset_chk", false, { { "destination", WRITE, 3 }, ANY, { "size", SIZE } } },
	{ "bzero", false, { { "destination", WRITE, 2 }, { "size", SIZE } } },
	/* What they need not look at is not demanded: the size of these is not. */
	{ "memcmp",
	  false,
	  { { "first operand", READ }, { "second operand", READ }, { "size", SIZE } } },
	{ "bcmp",
	  false,
	  { { "first operand", READ }, { "second operand", READ }, { "size", SIZE } } },
	{ "memchr", false, { { "memory", READ }, ANY, { "size", SIZE } } },
	{ "strlen", false, { { "text", TEXT } } },
	{ "strnlen", false, { { "text", TEXT, 2 } } },
	{ "strcpy", false, { { "destination", WRITE }, { "source", TEXT } } },
	{ "__strcpy_chk", false, { { "destination", WRITE }, { "source", TEXT } } },
	{ "stpcpy", false, { { "destination", WRITE }, { "source", TEXT } } },
	{ "strncpy",
	  false,
	  { { "destination", WRITE, 3 }, { "source", TEXT, 3 }, { "size", SIZE } } },
	{ "__strncpy_chk",
	  false,
	  { { "destination", WRITE, 3 }, { "source", TEXT, 3 }, { "size", SIZE } } },
	{ "strcat", false, { { "destination", WRITE }, { "source", TEXT } } },
	{ "__strcat_chk", false, { { "destination", WRITE }, { "source", TEXT } } },
	{ "strncat", false, { { "destination", WRITE }, { "source", TEXT, 3 }, { "size", SIZE } } },
	/* The other text may end first. */
	{ "strcmp", false, { { "first text", READ }, { "second text", READ } } },
	{ "strncmp", false, { { "first text", READ }, { "second text", READ } } },
	{ "strcasecmp", false, { { "first text", READ }, { "second text", READ } } },
	{ "strncasecmp", false, { { "first text", READ }, { "second text", READ } } },
	{ "strcoll", false, { { "first text", TEXT }, { "second text", TEXT } } },
	{ "strchr", false, { { "text", READ } } },
	{ "strrchr", false, { { "text", TEXT } } },
	{ "strstr", false, { { "text", READ }, { "wanted text", TEXT } } },
	{ "strspn", false, { { "text", READ }, { "characters", TEXT } } },
	{ "strcspn", false, { { "text", READ }, { "characters", TEXT } } },
	{ "strpbrk", false, { { "text", READ }, { "characters", TEXT } } },
	{ "strtok", false, { { "text", WRITE, .may_be_null = true }, { "delimiters", TEXT } } },
	{ "strdup", false, { { "text", TEXT } } },
	{ "__strdup", false, { { "text", TEXT } } },
	{ "strndup", false, { { "text", TEXT, 2 } } },
	{ "atoi", false, { { "text", READ } } },
	{ "atol", false, { { "text", READ } } },
	{ "strtol", false, { { "text", READ }, { "end", WRITE, .may_be_null = true } } },
	{ "strtoul", false, { { "text", READ }, { "end", WRITE, .may_be_null = true } } },
	{ "strtod", false, { { "text", READ }, { "end", WRITE, .may_be_null = true } } },
	{ "free", false, { { "pointer", CHUNK } } },
	{ "cfree", false, { { "pointer", CHUNK } } },
	{ "realloc", false, { { "pointer", CHUNK }, { "size", SIZE } } },
	{ "reallocarray", false, { { "pointer", CHUNK } } },
	{ "malloc", false, { { "size", SIZE } } },
	{ "read", false, { { "descriptor", FD }, { "buffer", WRITE, 3 }, { "size", SIZE } } },
	{ "write", false, { { "descriptor", FD }, { "buffer", READ, 3 }, { "size", SIZE } } },
	{ "pread", false, { { "descriptor", FD }, { "buffer", WRITE, 3 }, { "size", SIZE } } },
	{ "pwrite", false, { { "descriptor", FD }, { "buffer", READ, 3 }, { "size", SIZE } } },
	{ "recv", false, { { "descriptor", FD }, { "buffer", WRITE, 3 }, { "size", SIZE } } },
	{ "send", false, { { "descriptor", FD }, { "buffer", READ, 3 }, { "size", SIZE } } },
	{ "close", false, { { "descriptor", FD } } },
	{ "fread",
	  false,
	  { { "buffer", WRITE, 2, 3 },
	    { "element size", SIZE },
	    { "element count", SIZE },
	    { "stream", WRITE } } },
	{ "fwrite",
	  false,
	  { { "buffer", READ, 2, 3 },
	    { "element size", SIZE },
	    { "element count", SIZE },
	    { "stream", WRITE } } },
	{ "fgets", false, { { "buffer", WRITE }, ANY, { "stream", WRITE } } },
	{ "fputs", false, { { "text", TEXT }, { "stream", WRITE } } },
	{ "puts", false, { { "text", TEXT } } },
	{ "fclose", false, { { "stream", WRITE } } },
	{ "fflush", false, { { "stream", WRITE, .may_be_null = true } } },
	{ "printf", false, { { "format", TEXT } } },
	{ "__printf_chk", false, { ANY, { "format", TEXT } } },
	{ "fprintf", false, { { "stream", WRITE }, { "format", TEXT } } },
	{ "__fprintf_chk", false, { { "stream", WRITE }, ANY, { "format", TEXT } } },
	{ "sprintf", false, { { "buffer", WRITE }, { "format", TEXT } } },
	{ "__sprintf_chk", false, { { "buffer", WRITE }, ANY, ANY, { "format", TEXT } } },
	{ "snprintf",
	  false,
	  { { "buffer", WRITE, 2, .may_be_null = true }, { "size", SIZE }, { "format", TEXT } } },
	{ "__snprintf_chk",
	  false,
	  { { "buffer", WRITE, 2, .may_be_null = true },
	    { "size", SIZE },
	    ANY,
	    ANY,
	    { "format", TEXT } } },
	{ "vprintf", false, { { "format", TEXT } } },
	{ "vfprintf", false, { { "stream", WRITE }, { "format", TEXT } } },
	{ "qsort",
	  false,
	  { { "array", READ, 2, 3 }, { "element count", SIZE }, { "element size", SIZE } } },
	{ "bsearch",
	  false,
	  { ANY, { "array", READ, 3, 4 }, { "element count", SIZE }, { "element size", SIZE } } },
	{ "pthread_mutex_lock", false, { { "mutex", WRITE } } },
	{ "pthread_mutex_trylock", false, { { "mutex", WRITE } } },
	{ "pthread_mutex_unlock", false, { { "mutex", WRITE } } },
	{ "pthread_mutex_destroy", false, { { "mutex", WRITE } } },
	{ "pthread_cond_wait", false, { { "condition", WRITE }, { "mutex", WRITE } } },
	{ "pthread_cond_signal", false, { { "condition", WRITE } } },
	{ "pthread_rwlock_rdlock", false, { { "lock", WRITE } } },
	{ "pthread_rwlock_wrlock", false, { { "lock", WRITE } } },
	{ "pthread_rwlock_unlock", false, { { "lock", WRITE } } },
	{ "sem_wait", false, { { "semaphore", WRITE } } },
	{ "sem_post", false, { { "semaphore", WRITE } } },
};

static const struct csn_contract *csn_contract_of(const char *name, size_t length)
{
	for (size_t i = 0; i < csn_countof(csn_contracts); i++)
		if (strncmp(csn_contracts[i].function, name, length) == 0 &&
		    !csn_contracts[i].function[length])
			return &csn_contracts[i];
	return NULL;
}

/* Functions in machine code for one processor are "__strlen_avx2", "__memmove_evex_unaligned". */
const struct csn_contract *csn_contract_find(const char *function)
{
	static const char *const processors[] = { "_sse", "_avx", "_evex", "_erms", "_ssse" };
	const char *name = function + 2;
	size_t length = strcspn(function, "@");
	const struct csn_contract *found = csn_contract_of(function, length);

	if (found || strncmp(function, "__", 2) != 0)
		return found;
	length = strcspn(name, "_");
	for (size_t i = 0; i < csn_countof(processors); i++)
		if (strncmp(name + length, processors[i], strlen(processors[i])) == 0)
			return csn_contract_of(name, length);
	return NULL;
}
