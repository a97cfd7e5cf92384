/* Shared by the model, the JSON writer and the reader: annotations as they are kept, and finding a
 * module by the path a frame names.
 *
 * A frame's build-id is not repeated in the document when its module says the same; the reader
 * fills it in again. Both sides must therefore find the same module for a path. */
#ifndef CSN_SNAPSHOT_DOCUMENT_INTERNAL_H
#define CSN_SNAPSHOT_DOCUMENT_INTERNAL_H

#include "snapshot/snapshot.h"

struct csn_module_index {
	const struct csn_snapshot_module **by_path; /* owned; sorted by path, then place */
	size_t count;
};

/* Borrows the snapshot's modules. */
int csn_module_index_init(struct csn_module_index *index, const struct csn_snapshot *snapshot,
			  struct csn_error *err) csn_must_check;
void csn_module_index_done(struct csn_module_index *index);
/* The build-id of the first module with that path; NULL unknown. path may be NULL. */
const char *csn_module_index_find_build_id(const struct csn_module_index *index, const char *path);

/* Adds a copy of it as it is. */
int csn_snapshot_append_annotation(struct csn_snapshot *snapshot,
				   const struct csn_annotation *annotation, struct csn_error *err)
	csn_must_check;

#endif
