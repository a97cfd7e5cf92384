#include "analyze/naming.h"

#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "symbols/lookup.h"

/* Terms that an address is the sum of. */
#define CSN_SUMMANDS 4u

bool csn_naming_begin(const struct csn_scene *scene, const struct csn_value_frame *of,
		      struct csn_naming *ret_naming)
{
	struct csn_naming naming = { .scene = scene };
	struct csn_arena *arena = scene->snapshot->arena;
	struct csn_value_frame *frame;

	if (!scene->values || !of->module || !csn_origin_find(scene, of, &naming.origin))
		return false;
	/* Variables are those of before the instruction. */
	frame = csn_arena_copy(arena, of, sizeof(*of));
	if (!frame)
		return false;
	frame->pc = naming.origin.at;
	frame->exact = true;
	naming.frame = frame;
	if (csn_values_find_scopes(scene->values, &frame, 1, NULL) < 0 || !frame->scope.unit)
		return false;
	naming.n_functions = frame->scope.n_functions;
	naming.functions =
		csn_arena_array(arena, naming.n_functions + 1, sizeof(*naming.functions));
	for (size_t i = 0; naming.functions && i < naming.n_functions; i++)
		if (csn_values_places(scene->values, frame, i, &naming.functions[i].places,
				      &naming.functions[i].n_places, NULL) < 0)
			return false;
	*ret_naming = naming;
	return naming.functions != NULL;
}

/* The variable that lives in a register: of the innermost function that has one there. NULL when
 * there is none, or two. */
static const struct csn_variable_place *csn_find_in_register(const struct csn_naming *naming,
							     unsigned number)
{
	const struct csn_variable_place *found = NULL;

	for (size_t i = 0; i < naming->n_functions && !found; i++) {
		const struct csn_naming_function *function = &naming->functions[i];

		for (size_t k = 0; k < function->n_places; k++) {
			const struct csn_variable_place *place = &function->places[k];

			if (!place->in_register || place->reg != number ||
			    csn_value_has_parts(place->type))
				continue;
			if (found)
				return NULL;
			found = place;
		}
	}
	return found;
}

static const struct csn_variable_place *csn_find_held(const struct csn_naming *naming,
						      const struct csn_term *term)
{
	const struct csn_origin *origin = &naming->origin;
	const struct csn_variable_place *found = NULL;

	for (unsigned i = 0; i < origin->target->arch->n_dwarf && !found; i++)
		if (origin->registers[i] == term &&
		    csn_register_known(&naming->frame->registers, i))
			found = csn_find_in_register(naming, i);
	return found;
}

bool csn_name_value(struct csn_naming *naming, const struct csn_term *term,
		    struct csn_named *ret_named)
{
	const struct csn_variable_place *place = csn_find_held(naming, term);
	uint64_t low, whole;
	csn_addr address;

	if (place && place->name) {
		*ret_named = (struct csn_named){ .text = place->name, .type = place->type };
		return true;
	}
	if (term->kind == CSN_TERM_LOAD)
		return csn_origin_value(&naming->origin, term->first, &address) &&
		       csn_origin_holds(&naming->origin, term) &&
		       csn_name_place(naming, term->first, address, ret_named) &&
		       csn_value_size(ret_named->type) == term->size_bytes;
	if (term->kind == CSN_TERM_LOW)
		return csn_origin_value(&naming->origin, term, &low) &&
		       csn_origin_value(&naming->origin, term->first, &whole) && low == whole &&
		       csn_name_value(naming, term->first, ret_named);
	return false;
}

/* Behind the pointer that a term is. */
static bool csn_name_behind(struct csn_naming *naming, const struct csn_term *pointer,
			    csn_addr address, struct csn_named *ret_named)
{
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(CSN_MAX_EXPRESSION_TEXT);
	struct csn_value_part part;
	struct csn_named named;
	uint64_t value;

	if (!csn_name_value(naming, pointer, &named) || named.is_table ||
	    !csn_origin_value(&naming->origin, pointer, &value))
		return false;
	csn_buf_printf(&text, *named.text == '*' ? "(%s)" : "%s", named.text);
	if (!csn_value_find_behind(named.type, (int64_t)(address - value), &text, &part))
		return false;
	*ret_named = (struct csn_named){
		.text = csn_arena_strdup(naming->scene->snapshot->arena, csn_buf_text(&text)),
		.type = part.type,
		.is_table = part.is_table,
		.pointer = named.text,
		.pointing = named.type,
		.pointed = value,
	};
	return ret_named->text != NULL;
}

/* In a variable: start lies in it, address may lie beyond (is_indexed) its end. */
static bool csn_name_within(struct csn_naming *naming, const struct csn_variable_place *place,
			    const char *name, csn_addr address, bool is_indexed,
			    struct csn_named *ret_named)
{
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(CSN_MAX_EXPRESSION_TEXT);
	struct csn_value_part part;

	csn_buf_puts(&text, name);
	if (!csn_value_find_part(place->type, (int64_t)(address - place->address), &text, &part) ||
	    !csn_buf_ok(&text) || (is_indexed && csn_buf_text(&text)[strlen(name)] != '['))
		return false;
	*ret_named = (struct csn_named){
		.text = csn_arena_strdup(naming->scene->snapshot->arena, csn_buf_text(&text)),
		.type = part.type,
		.is_table = part.is_table,
	};
	return ret_named->text != NULL;
}

static bool csn_find_symbol(const struct csn_scene *scene, csn_addr address,
			    const struct csn_symbol **ret_symbol)
{
	struct csn_lookup lookup = { .pc = address };

	if (!scene->modules || !csn_modules_find(scene->modules, address) ||
	    csn_lookup_symbols(scene->snapshot->arena, scene->modules, &lookup, 1, NULL) < 0 ||
	    !lookup.symbol || lookup.symbol->is_nearest ||
	    address - lookup.symbol->start >= lookup.symbol->size)
		return false;
	*ret_symbol = lookup.symbol;
	return true;
}

static bool csn_name_global(struct csn_naming *naming, csn_addr start, csn_addr address,
			    bool is_indexed, struct csn_named *ret_named)
{
	const struct csn_symbol *symbol;
	struct csn_variable_place place;

	if (!csn_find_symbol(naming->scene, start, &symbol))
		return false;
	return csn_values_global(naming->scene->values, naming->frame, start, symbol->name,
				 symbol->start, &place) &&
	       csn_name_within(naming, &place,
			       strstr(symbol->name, "::") ? symbol->name : place.name, address,
			       is_indexed, ret_named);
}

/* start is the part of the address that is no index. */
static bool csn_name_object(struct csn_naming *naming, csn_addr start, csn_addr address,
			    bool is_indexed, struct csn_named *ret_named)
{
	for (size_t i = 0; i < naming->n_functions; i++) {
		const struct csn_naming_function *function = &naming->functions[i];

		for (size_t k = 0; k < function->n_places; k++) {
			const struct csn_variable_place *place = &function->places[k];

			if (place->in_memory && place->name && start >= place->address &&
			    start - place->address < place->size_bytes)
				return csn_name_within(naming, place, place->name, address,
						       is_indexed, ret_named);
		}
	}
	return csn_name_global(naming, start, address, is_indexed, ret_named);
}

/* What an address is the sum of. */
struct csn_summands {
	const struct csn_term *terms[CSN_SUMMANDS];
	size_t n;
	uint64_t value;
	bool is_indexed; /* there is more than one term */
};

static void csn_collect_summands(const struct csn_term *term, struct csn_summands *summands)
{
	if (term && term->kind == CSN_TERM_SUM) {
		summands->value += term->value;
		csn_collect_summands(term->first, summands);
		if (term->second && term->scale == 1)
			csn_collect_summands(term->second, summands);
		summands->is_indexed |= term->second != NULL;
	} else if (term && term->kind == CSN_TERM_CONSTANT) {
		summands->value += term->value;
	} else if (term && summands->n < CSN_SUMMANDS) {
		summands->terms[summands->n++] = term;
	}
}

bool csn_name_place(struct csn_naming *naming, const struct csn_term *term, csn_addr address,
		    struct csn_named *ret_named)
{
	struct csn_summands summands = { .n = 0 };
	uint64_t start;

	csn_collect_summands(term, &summands);
	for (size_t i = 0; i < summands.n; i++)
		if (csn_name_behind(naming, summands.terms[i], address, ret_named))
			return true;
	if (!summands.is_indexed)
		return csn_name_object(naming, address, address, false, ret_named);
	for (size_t i = 0; i < summands.n; i++)
		if (csn_origin_value(&naming->origin, summands.terms[i], &start) &&
		    csn_name_object(naming, start + summands.value, address, true, ret_named))
			return true;
	return csn_name_object(naming, summands.value, address, true, ret_named);
}
