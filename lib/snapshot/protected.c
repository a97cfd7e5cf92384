#include "snapshot/protected.h"

#include <string.h>

/* A name ending in '*' stands for all that begin like it. */
static const char *const protected_names[] = {
	/* reserved */
	"_*",
	"coresnap.*",
	"fingerprint*",
	"callstack*",
	"verdict*",
	"timestamp*",
	/* measured */
	"hostname",
	"application",
	"uname.*",
	"classifiers",
	"signal",
	"signal.*",
	"fault.*",
	"build.id",
	"error.message",
	"cgroup",
	"container.*",
	"pod.uid",
	"namespace.*",
	"process.*",
	"descriptor.count",
	"vm.*",
	"system.*",
	"sched.*",
	"cpu.*",
	"object.size",
};

bool csn_attribute_is_protected(const char *name)
{
	size_t i, length;

	for (i = 0; i < csn_countof(protected_names); i++) {
		length = strlen(protected_names[i]);
		if (protected_names[i][length - 1] == '*') {
			if (strncmp(protected_names[i], name, length - 1) == 0)
				return true;
		} else if (strcmp(protected_names[i], name) == 0) {
			return true;
		}
	}
	return false;
}
