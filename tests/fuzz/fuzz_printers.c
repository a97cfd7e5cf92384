/* Printers of values. Types are real: those of tests/crashers/containers.cc, as clang++ describes
 * them for both C++ libraries without optimisation, so that every variable lies in memory, those of
 * tests/crashers/values.rs, with enums and the library of Rust, and those of GLib in
 * tests/crashers/glib_values.c. The input is the memory, repeated without end, behind two bytes:
 * the first says which library, how many pointers are followed and whether elements are limited,
 * the second whose variables are looked at. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "elf/file.h"
#include "memory.h"
#include "values/values.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

/* Functions of the program have many variables, those of the library have few. */
#define MANY_VARIABLES 5u
#define MAX_FUNCTIONS 32u
#define RBP 6u
#define RSP 7u
/* In the first byte: types of Rust, of GLib, where there are. */
#define RUST 0x10u
#define GLIB 0x20u

/* One program with its types, read once. */
struct program {
	bool tried;
	struct csn_elf_file *elf;
	struct csn_dwarf *dwarf;
	struct csn_arena *arena;
	struct csn_scope functions[MAX_FUNCTIONS];
	size_t n_functions;
};

static const char *const paths[] = { CSN_CONTAINERS };
static struct program programs[sizeof(paths) / sizeof(paths[0])];
static size_t sum;

/* Functions of which there is much to print, by looking at all addresses that code may have. */
static void find_functions(struct program *program)
{
	enum { STEP = 64, COUNT = 16384 };
	cleanup_free struct csn_scope *scopes = calloc(COUNT, sizeof(*scopes));
	struct csn_variable *variables;
	uint64_t last = 0;
	size_t n;

	for (size_t i = 0; scopes && i < COUNT; i++)
		scopes[i].address = 0x1000 + STEP * i;
	if (!scopes ||
	    csn_dwarf_find_scopes(program->arena, program->dwarf, scopes, COUNT, NULL) < 0)
		abort();
	for (size_t i = 0; i < COUNT && program->n_functions < MAX_FUNCTIONS; i++) {
		if (!scopes[i].unit || scopes[i].entry == last || scopes[i].n_functions != 1)
			continue;
		if (csn_scope_variables(program->arena, &scopes[i], 0, &variables, &n, NULL) < 0)
			abort();
		if (n < MANY_VARIABLES)
			continue;
		last = scopes[i].entry;
		program->functions[program->n_functions++] = scopes[i];
	}
}

static struct program *get_program(size_t number)
{
	struct program *program = &programs[number % csn_countof(programs)];
	const char *path = paths[number % csn_countof(programs)];

	cleanup_close int fd = -1;

	if (program->tried)
		return program;
	program->tried = true;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	program->arena = csn_arena_new(256 << 20);
	if (fd < 0 || !program->arena || csn_elf_file_open_fd(fd, path, &program->elf, NULL) < 0 ||
	    csn_dwarf_open(program->elf, NULL, &program->dwarf, NULL) < 0)
		abort();
	find_functions(program);
	if (!program->n_functions)
		abort();
	return program;
}

static void use(const struct csn_value_node *values, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		sum += values[i].name ? strlen(values[i].name) : 0;
		sum += values[i].type ? strlen(values[i].type) : 0;
		sum += values[i].text ? strlen(values[i].text) : 0;
		sum += strlen(csn_value_state_name(values[i].state));
		use(values[i].parts, values[i].n_parts);
	}
}

static void look(const struct csn_scope *function, struct csn_target *target,
		 struct csn_modules *modules, uint8_t options)
{
	const struct csn_value_budget budget = {
		.elements = options & 2 ? 0 : 20,
		.depth = 8,
		.follow = options >> 2 & 3,
		.values = 2000,
		.text_bytes = 1 << 17,
	};
	cleanup_(csn_arena_freep) struct csn_arena *arena = csn_arena_new(64 << 20);
	cleanup_(csn_values_freep) struct csn_values *values = NULL;
	const struct csn_thread thread = { .tid = 1 };
	struct csn_value_frame frame = { .thread = &thread,
					 .innermost = true,
					 .exact = true,
					 .pc = function->address,
					 .scope = *function };
	struct csn_value_node *found;
	size_t n;

	frame.registers.known = 1ull << RBP | 1ull << RSP;
	frame.registers.value[RBP] = 0x7fff0000;
	frame.registers.value[RSP] = 0x7fff0000;
	if (!arena || csn_values_new(arena, target, modules, &budget, &values, NULL) < 0)
		return;
	if (csn_values_of_function(values, &frame, 0, false, &found, &n, NULL) == 0)
		use(found, n);
	if (csn_values_name_pointers(values, NULL) == 0)
		sum += csn_values_cut(values);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	static const struct csn_target_ops ops = { .read = fuzz_read_memory };
	cleanup_(csn_target_freep) struct csn_target *target = csn_target_new(&ops);
	cleanup_(csn_modules_freep) struct csn_modules *modules = NULL;
	const struct csn_modules_input none = { .read = fuzz_read_nothing, .no_files = true };
	const struct program *program;
	struct csn_span memory;

	if (!target || size_bytes < 2 || csn_modules_new(&none, &modules, NULL) < 0)
		return 0;
	memory = csn_span_of(data + 2, size_bytes - 2);
	target->arch = csn_arch_native();
	target->impl = &memory;
	program = get_program(data[0] & GLIB ? 3 : data[0] & RUST ? 2 : data[0] & 1);
	look(&program->functions[data[1] % program->n_functions], target, modules, data[0]);
	return 0;
}
