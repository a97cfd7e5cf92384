#include "values/places.h"

#include "values/values_internal.h"

uint64_t csn_value_size(struct csn_type *type)
{
	uint64_t size_bytes;

	return type && csn_type_size(type, &size_bytes) ? size_bytes : 0;
}

const char *csn_value_type_text(struct csn_type *type)
{
	return type ? csn_type_text(type) : NULL;
}

static void find_place(struct csn_values *values, struct csn_value_frame *frame,
		       const struct csn_variable *variable, struct csn_variable_place *ret_place)
{
	struct csn_object object;

	*ret_place = (struct csn_variable_place){ .name = variable->name,
						  .type = variable->type,
						  .is_parameter = variable->is_parameter,
						  .size_bytes = csn_value_size(variable->type) };
	csn_object_find(values, frame, &variable->place, ret_place->size_bytes, &object);
	ret_place->in_memory = object.kind == CSN_OBJECT_MEMORY;
	ret_place->address = ret_place->in_memory ? object.address : 0;
	ret_place->in_register = object.kind == CSN_OBJECT_BYTES && object.in_register;
	ret_place->reg = object.reg;
}

int csn_values_places(struct csn_values *values, struct csn_value_frame *frame, size_t function,
		      struct csn_variable_place **ret_places, size_t *ret_count,
		      struct csn_error *err)
{
	struct csn_variable *variables = NULL;
	struct csn_variable_place *places;
	size_t count = 0;

	*ret_count = 0;
	if (!frame->scope.unit || function >= frame->scope.n_functions)
		return 0;
	if (csn_scope_variables(values->arena, &frame->scope, function, &variables, &count, err) <
	    0)
		return -CSN_E_NOMEM;
	places = csn_arena_array(values->arena, count + 1, sizeof(*places));
	if (!places)
		return csn_fail_nomem(err);
	for (size_t i = 0; i < count; i++)
		find_place(values, frame, &variables[i], &places[i]);
	*ret_places = places;
	*ret_count = count;
	return 0;
}

bool csn_values_passed(struct csn_values *values, struct csn_value_frame *frame, unsigned number,
		       uint64_t *ret_value)
{
	/* DW_OP_entry_value of one operation, DW_OP_reg0 and up */
	const uint8_t expression[] = { 0xa3, 1, (uint8_t)(0x50 + number) };

	return number < 32 &&
	       csn_object_compute(values, frame, NULL, csn_span_of(expression, sizeof(expression)),
				  NULL, ret_value);
}

bool csn_values_global(struct csn_values *values, struct csn_value_frame *frame, csn_addr address,
		       const char *name, csn_addr start, struct csn_variable_place *ret_place)
{
	struct csn_variable variable;
	uint64_t bias = frame->module ? frame->module->bias : 0, at = 0;

	(void)values;
	if (!csn_scope_global(&frame->scope, address - bias, name, start - bias, &variable, &at))
		return false;
	*ret_place = (struct csn_variable_place){ .name = variable.name,
						  .type = variable.type,
						  .in_memory = true,
						  .address = at + bias,
						  .size_bytes = csn_value_size(variable.type) };
	return true;
}
