/* Objects opened by the test itself. */
#ifndef CSN_UNIT_OPEN_HERE_H
#define CSN_UNIT_OPEN_HERE_H

#include "base/local_files.h"
#include "elf/file.h"

/* path counts as given by hand: it may lead through magic links. */
static inline int open_here(const char *path, struct csn_elf_file **ret_file, struct csn_error *err)
{
	struct csn_local_files files;
	struct csn_opener opener = csn_local_files_opener(&files);
	const char *const given[] = { path };

	csn_local_files_init(&files, NULL);
	files.given = given;
	files.n_given = 1;
	return csn_elf_file_open(&opener, path, ret_file, err);
}

#endif
