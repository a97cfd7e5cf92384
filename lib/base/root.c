#include "base/root.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void csn_root_init(struct csn_root *root, const char *given)
{
	char self[sizeof(root->path)];
	char *found = NULL, *next;
	ssize_t n;

	*root = (struct csn_root){ 0 };
	if (given) {
		n = snprintf(root->path, sizeof(root->path), "%s", given);
		while (n > 0 && n < (ssize_t)sizeof(root->path) && root->path[n - 1] == '/')
			root->path[--n] = '\0';
		return;
	}
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n <= 0)
		return;
	self[n] = '\0';
	/* The last one: a checkout may itself lie below some /opt/backtrace. */
	for (next = self; (next = strstr(next, "/opt/backtrace/")); next++)
		found = next;
	if (found)
		memcpy(root->path, self, (size_t)(found - self));
}

const char *csn_root_path(const struct csn_root *root, const char *path, char *out, size_t out_size)
{
	int n = snprintf(out, out_size, "%s%s", root->path, path);

	if (n < 0 || (size_t)n >= out_size)
		out[0] = '\0';
	return out;
}
