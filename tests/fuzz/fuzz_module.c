/* A whole module: hostile pages in the core, the same bytes as the file on disk, then names, rows
 * and addresses are asked of it. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "symbols/lookup.h"

#define BASE 0x7f0000000000ull

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

static size_t read_memory(void *context, csn_addr addr, void *data, size_t size_bytes)
{
	const struct csn_span *memory = context;

	if (addr < BASE || addr - BASE >= memory->size)
		return 0;
	size_bytes = csn_min_u64(size_bytes, memory->size - (addr - BASE));
	memcpy(data, memory->data + (addr - BASE), size_bytes);
	return size_bytes;
}

static void ask(struct csn_modules *modules)
{
	cleanup_(csn_arena_freep) struct csn_arena *arena = csn_arena_new(4 * CSN_MIB);
	struct csn_lookup lookups[64] = { 0 };
	struct csn_cfi_row row;
	csn_addr addr;
	uint64_t size;
	uint8_t byte;
	size_t i;

	for (i = 0; i < csn_countof(lookups); i++) {
		lookups[i].pc = BASE + i * 0x55;
		lookups[i].is_return = i & 1;
	}
	(void)!csn_lookup_symbols(arena, modules, lookups, csn_countof(lookups), NULL);
	for (i = 0; i < csn_countof(lookups); i++) {
		struct csn_module *module = csn_modules_find(modules, lookups[i].pc);

		if (!module)
			continue;
		(void)!csn_module_find_row(module, lookups[i].pc, &row);
		(void)csn_module_read_file(module, lookups[i].pc, &byte, 1);
	}
	(void)!csn_lookup_address(modules, NULL, "nobody", &addr, &size);
}

static void run(const struct csn_span *memory, const char *path, bool as_vdso)
{
	cleanup_(csn_modules_freep) struct csn_modules *modules = NULL;
	struct csn_module_mapping mappings[] = {
		{ .start = BASE, .end = BASE + 0x1000, .maybe_executable = true },
		{ .start = BASE + 0x1000, .end = BASE + 0x3000, .offset = 0x1000 },
	};
	struct csn_modules_input input = { .mappings = mappings,
					   .n_mappings = as_vdso ? 0 : csn_countof(mappings),
					   .read = read_memory,
					   .context = (void *)(uintptr_t)memory,
					   .vdso = as_vdso ? BASE : 0,
					   .entry = BASE + 0x10,
					   .debug_root = "/nonexistent",
					   .no_files = !path };

	mappings[0].path = mappings[1].path = path ? path : "/lib/x";
	if (csn_modules_new(&input, &modules, NULL) == 0)
		ask(modules);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	static const struct csn_span nothing;
	struct csn_span memory = csn_span_of(data, size_bytes);
	cleanup_close int fd = memfd_create("module", MFD_CLOEXEC);
	char path[64];

	run(&memory, NULL, false);
	run(&memory, NULL, true);
	if (fd < 0 || csn_write_full(fd, data, size_bytes) < 0)
		return 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	run(&memory, path, false);
	run(&nothing, path, false);
	return 0;
}
