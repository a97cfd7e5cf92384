/* Says what the heap analysis knows of addresses.
 *
 * usage: heap_look CORE|PID [ADDRESS...]
 *
 * Prints one line of JSON: the allocator, each address with its state, list, chunk and evidence,
 * and the damages. With no address: time in microseconds that looking through everything took. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyze/heap.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "target/core.h"
#include "target/live.h"

static size_t read_own(void *context, csn_addr addr, void *data, size_t size)
{
	return csn_target_read_own(context, addr, data, size);
}

static struct csn_modules *open_modules(struct csn_target *target)
{
	struct csn_modules_input input = { .read = read_own, .context = target };
	struct csn_module_mapping *list =
		csn_arena_array(target->arena, target->n_mappings + 1, sizeof(*list));
	struct csn_modules *modules = NULL;
	size_t count = 0;

	for (size_t i = 0; list && i < target->n_mappings; i++) {
		const struct csn_mapping *mapping = &target->mappings[i];

		if (mapping->is_file)
			list[count++] = (struct csn_module_mapping){
				.start = mapping->start,
				.end = mapping->end,
				.offset = mapping->offset,
				.path = mapping->path,
				.maybe_executable = mapping->executable || !mapping->perms_known,
			};
	}
	csn_target_find_auxv(target, 9, &input.entry);
	input.mappings = list;
	input.n_mappings = count;
	return csn_modules_new(&input, &modules, NULL) < 0 ? NULL : modules;
}

static void print_place(struct csn_heap *heap, csn_addr addr)
{
	struct csn_heap_place place;
	char text[128];

	csn_heap_look(heap, addr, &place);
	printf("\"0x%" PRIx64 "\":{\"state\":\"%s\",\"list\":\"%s\",\"text\":\"%s\","
	       "\"evidence\":\"%s\",\"arena\":%" PRIu64 ",\"mmapped\":%s",
	       addr, csn_heap_state_name(place.state), csn_heap_list_name(place.list),
	       csn_heap_describe(&place, text, sizeof(text)), place.evidence, place.arena,
	       place.mmapped ? "true" : "false");
	if (place.has_chunk)
		printf(",\"user\":%" PRIu64 ",\"size\":%" PRIu64 ",\"offset\":%" PRId64, place.user,
		       place.size_bytes, place.offset);
	printf("}");
}

int main(int argc, char **argv)
{
	cleanup_(csn_arena_freep) struct csn_arena *arena = csn_arena_new(1 << 30);
	cleanup_(csn_modules_freep) struct csn_modules *modules = NULL;
	cleanup_(csn_target_freep) struct csn_target *target = NULL;
	const struct csn_heap_damage *damages;
	struct csn_error err = CSN_ERROR_INIT;
	struct csn_heap *heap;
	int64_t begin;
	size_t n;
	int result;

	if (argc < 2)
		return 64;
	result = strspn(argv[1], "0123456789") == strlen(argv[1])
			 ? csn_live_open(atol(argv[1]), NULL, &target, &err)
			 : csn_core_open(argv[1], &target, &err);
	if (result < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 2;
	}
	modules = open_modules(target);
	begin = csn_monotonic_ns();
	heap = csn_heap_new(arena, target, modules);
	printf("{\"allocator\":\"%s\",\"addresses\":{", heap ? csn_heap_name(heap) : "");
	for (int i = 2; heap && i < argc; i++) {
		printf("%s", i > 2 ? "," : "");
		print_place(heap, strtoull(argv[i], NULL, 0));
	}
	printf("},\"damages\":[");
	damages = heap ? csn_heap_check(heap, &n) : NULL;
	for (size_t i = 0; heap && i < n; i++) {
		char text[256];

		printf("%s\"%s\"", i ? "," : "",
		       csn_heap_describe_damage(&damages[i], text, sizeof(text)));
	}
	printf("],\"microseconds\":%" PRId64 "}\n", (csn_monotonic_ns() - begin) / 1000);
	return 0;
}
