/* Runs a fuzz target over its corpus, so that every seed and every past finding is a plain test.
 * Each file is given whole, cut at every length (files are small) and with each bit of its first
 * 256 bytes turned: cheap, deterministic damage. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

/* A copy of its exact size, so that sanitizers see every byte too far. */
static void give(const char *data, size_t size_bytes)
{
	cleanup_free uint8_t *exact = calloc(1, size_bytes ? size_bytes : 1);

	if (!exact)
		abort();
	memcpy(exact, data, size_bytes);
	LLVMFuzzerTestOneInput(exact, size_bytes);
}

static void give_damaged(char *data, size_t size_bytes)
{
	size_t i, step = size_bytes / 512 + 1;

	give(data, size_bytes);
	for (i = 0; i < size_bytes; i += step)
		give(data, i);
	for (i = 0; i < 8 * csn_min_u64(size_bytes, 256); i++) {
		data[i / 8] ^= (char)(1 << i % 8);
		give(data, size_bytes);
		data[i / 8] ^= (char)(1 << i % 8);
	}
}

static int run_folder(const char *folder)
{
	cleanup_closedir DIR *dir = opendir(folder);
	struct dirent *entry;
	int count = 0;

	while (dir && (entry = readdir(dir))) {
		cleanup_(csn_buf_done) struct csn_buf file = CSN_BUF_INIT(CSN_MIB);
		struct csn_error err = CSN_ERROR_INIT;

		if (entry->d_name[0] == '.')
			continue;
		if (csn_read_file(dirfd(dir), entry->d_name, &file, &err) < 0) {
			fprintf(stderr, "%s/%s: %s\n", folder, entry->d_name, err.text);
			return 1;
		}
		if (file.size)
			give_damaged(file.data, file.size);
		count++;
	}
	if (count == 0)
		fprintf(stderr, "%s: no seeds\n", folder);
	return count == 0;
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
		return 64;
	}
	give("", 0);
	return run_folder(argv[1]);
}
