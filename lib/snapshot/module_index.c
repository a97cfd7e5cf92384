#include <stdlib.h>
#include <string.h>

#include "snapshot/document_internal.h"

static int compare_modules(const void *a, const void *b)
{
	const struct csn_snapshot_module *left = *(const struct csn_snapshot_module *const *)a;
	const struct csn_snapshot_module *right = *(const struct csn_snapshot_module *const *)b;
	int order = strcmp(left->path, right->path);

	return order ? order : (left > right) - (left < right);
}

int csn_module_index_init(struct csn_module_index *index, const struct csn_snapshot *snapshot,
			  struct csn_error *err)
{
	size_t i;

	*index = (struct csn_module_index){ 0 };
	if (!snapshot->n_modules)
		return 0;
	index->by_path = calloc(snapshot->n_modules, sizeof(void *));
	if (!index->by_path)
		return csn_fail_nomem(err);
	for (i = 0; i < snapshot->n_modules; i++)
		if (snapshot->modules[i].path)
			index->by_path[index->count++] = &snapshot->modules[i];
	qsort(index->by_path, index->count, sizeof(void *), compare_modules);
	return 0;
}

void csn_module_index_done(struct csn_module_index *index)
{
	free(index->by_path);
	*index = (struct csn_module_index){ 0 };
}

const char *csn_module_index_find_build_id(const struct csn_module_index *index, const char *path)
{
	size_t low = 0, high = index->count;

	if (!path)
		return NULL;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(index->by_path[middle]->path, path) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == index->count || strcmp(index->by_path[low]->path, path) != 0)
		return NULL;
	return index->by_path[low]->build_id;
}
