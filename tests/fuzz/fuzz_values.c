/* Variables, types, locations and values. The input is the debug sections in the order of enum
 * csn_dwarf_section, each a 16-bit size and so many bytes; what is left is memory, repeated without
 * end. Asked are addresses from 0x1000 on, and then for every variable there. */
#include <string.h>

#include "base/cleanup.h"
#include "dwarf/named.h"
#include "memory.h"
#include "values/handle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

static size_t sum;

static struct csn_span read_section(void *context, enum csn_dwarf_section section,
				    uint64_t size_bytes)
{
	const struct csn_span *sections = context;

	(void)size_bytes;
	return sections[section];
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

struct names {
	const char *names[8];
	size_t n;
};

static bool keep_name(void *context, const struct csn_global *global)
{
	struct names *names = context;

	sum += strlen(global->name) + (global->file ? strlen(global->file) : 0);
	if (names->n < csn_countof(names->names))
		names->names[names->n++] = global->name;
	return true;
}

static bool is_wanted(void *context, const char *name)
{
	(void)context;
	return name[0] != 'x';
}

/* By the names of variables, which may be those of types, too. */
static void look_by_name(struct csn_dwarf *dwarf)
{
	static const char *const usual[] = { "Base", "ns::Thing", "pair<int, 3u>", "s" };
	struct names names = { 0 };
	const struct csn_globals_query query = { .wanted = is_wanted,
						 .each = keep_name,
						 .context = &names };
	struct csn_type_link found;
	struct csn_type *type;

	csn_dwarf_each_global(dwarf, &query);
	for (size_t i = 0; i < names.n + csn_countof(usual); i++) {
		type = csn_type_find_named(dwarf, NULL,
					   i < names.n ? names.names[i] : usual[i - names.n]);
		if (!type)
			continue;
		sum += csn_type_complete(type)->n_members;
		sum += csn_type_virtual_function(type, i) != NULL;
		sum += csn_member_find_named(type, "count", &found);
	}
}

/* On from values, as modules go: a few steps each. */
static void step_on(struct csn_values *values, struct csn_value_frame *frame,
		    const struct csn_value_node *nodes, size_t count, unsigned nesting)
{
	static const char *const paths[] = { "next", "a", "x.y", "p->q", "bits" };
	struct csn_handle at, to;
	struct csn_value_node shown;
	uint64_t number;
	double fraction;

	for (size_t i = 0; i < count && i < 16; i++) {
		at = csn_handle_of(frame, &nodes[i]);
		for (size_t k = 0; k < csn_countof(paths); k++)
			sum += csn_handle_member(values, &at, paths[k], &to);
		if (nodes[i].n_parts && nodes[i].parts[0].name)
			sum += csn_handle_member(values, &at, nodes[i].parts[0].name, &to);
		sum += csn_handle_element(values, &at, 1, &to) && csn_handle_count(&at, &number);
		sum += csn_handle_number(values, &at, &number);
		sum += csn_handle_float(values, &at, &fraction);
		if (csn_handle_deref(values, &at, &to)) {
			csn_handle_show(values, &to, &shown);
			use(&shown, 1);
		}
		if (nesting)
			step_on(values, frame, nodes[i].parts, nodes[i].n_parts, nesting - 1);
	}
}

/* Frames that call each other, the first one innermost. */
static void look(struct csn_arena *arena, struct csn_target *target, struct csn_modules *modules,
		 struct csn_dwarf *dwarf)
{
	const struct csn_value_budget budget = {
		.elements = 50, .depth = 8, .follow = 2, .values = 5000, .text_bytes = 1 << 18
	};
	cleanup_(csn_values_freep) struct csn_values *values = NULL;
	struct csn_value_frame frames[8];
	struct csn_scope scopes[8];
	const struct csn_thread thread = { .tid = 1 };
	struct csn_value_node *found;
	size_t i, k, n;

	for (i = 0; i < csn_countof(scopes); i++)
		scopes[i] = (struct csn_scope){ .address = 0x1000 + 9 * i };
	if (csn_values_new(arena, target, modules, &budget, &values, NULL) < 0 ||
	    csn_dwarf_find_scopes(arena, dwarf, scopes, csn_countof(scopes), NULL) < 0)
		return;
	for (i = 0; i < csn_countof(frames); i++) {
		frames[i] = (struct csn_value_frame){
			.thread = &thread,
			.innermost = i == 0,
			.exact = i == 0,
			.registers = { .known = i ? 0xffc0 : 0x1ffff, .value = { 0x1000, 7, 16 } },
			.scope = scopes[i],
			.caller = i + 1 < csn_countof(frames) ? &frames[i + 1] : NULL,
			.callee = i ? &frames[i - 1] : NULL,
		};
	}
	for (i = 0; i < csn_countof(frames); i++)
		for (k = 0; k < frames[i].scope.n_functions; k++)
			if (csn_values_of_function(values, &frames[i], k, false, &found, &n,
						   NULL) == 0) {
				use(found, n);
				step_on(values, &frames[i], found, n, 2);
			}
	if (csn_values_name_pointers(values, NULL) == 0)
		sum += csn_values_cut(values);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	static const struct csn_target_ops ops = { .read = fuzz_read_memory };
	cleanup_(csn_arena_freep) struct csn_arena *arena = csn_arena_new(64 << 20);
	cleanup_(csn_dwarf_freep) struct csn_dwarf *dwarf = NULL;
	cleanup_(csn_target_freep) struct csn_target *target = csn_target_new(&ops);
	cleanup_(csn_modules_freep) struct csn_modules *modules = NULL;
	struct csn_span all = csn_span_of(data, size_bytes), sections[CSN_DEBUG_SECTIONS], memory;
	const struct csn_dwarf_input input = { .read = read_section, .context = sections };
	const struct csn_modules_input none = { .read = fuzz_read_nothing, .no_files = true };

	if (!arena || !target)
		return 0;
	for (size_t i = 0; i < CSN_DEBUG_SECTIONS; i++) {
		uint16_t size = csn_span_u16(&all);

		sections[i] = csn_span_take(&all, csn_min_u64(size, csn_span_left(&all)));
	}
	memory = csn_span_take(&all, csn_span_left(&all));
	target->arch = csn_arch_native();
	target->impl = &memory;
	if (csn_dwarf_new(&input, &dwarf, NULL) == 0 &&
	    csn_modules_new(&none, &modules, NULL) == 0) {
		look(arena, target, modules, dwarf);
		look_by_name(dwarf);
	}
	return 0;
}
