/* Where values are. Expressions are evaluated with the registers of the frame as the unwinder
 * recovered them; what a register held when the function was entered is computed in the caller,
 * from what the call site says that it passed. */
#include <string.h>

#include "values/values_internal.h"

/* One evaluation, and how many are around it. */
struct evaluation {
	struct csn_values *values;
	struct csn_value_frame *frame;
	struct csn_unit *unit;
	unsigned nesting;
	bool holds_on; /* registers that the callee may change are the ones it left alone */
};

static int evaluate(struct evaluation *e, const struct csn_value_place *place,
		    const uint64_t *initial, struct csn_expr_piece *pieces,
		    struct csn_expr_result *ret_result);

/* The frame whose registers the frame still has, as far as calls left them alone. */
static const struct csn_value_frame *holder_of(const struct evaluation *e, unsigned number)
{
	const struct csn_value_frame *frame = e->frame;
	unsigned hops;

	for (hops = 0; e->holds_on && hops < CSN_MAX_VALUE_EVALUATIONS && frame->callee &&
		       !csn_register_known(&frame->registers, number);
	     hops++)
		frame = frame->callee;
	return frame;
}

/* The bytes of a vector register; NULL when it is none or not known. */
static const uint8_t *find_vector(const struct evaluation *e, uint64_t number)
{
	const struct csn_arch *arch = e->values->target->arch;
	const struct csn_value_frame *frame = holder_of(e, CSN_N_REGISTERS);
	struct csn_span vectors = frame->thread->vectors;

	if (number < arch->first_vector || number - arch->first_vector >= arch->n_vectors ||
	    !frame->innermost || !csn_span_ok(&vectors))
		return NULL;
	csn_span_seek(&vectors, (number - arch->first_vector) * CSN_VECTOR_BYTES);
	return csn_span_bytes(&vectors, CSN_VECTOR_BYTES);
}

static bool read_register(void *context, unsigned number, uint64_t *ret_value)
{
	const struct evaluation *e = context;
	const struct csn_value_frame *frame;
	const uint8_t *vector = find_vector(e, number);

	if (vector) {
		*ret_value = csn_number_of(vector, sizeof(*ret_value), false);
		return true;
	}
	if (number >= e->values->target->arch->n_dwarf)
		return false;
	frame = holder_of(e, number);
	if (!csn_register_known(&frame->registers, number))
		return false;
	*ret_value = frame->registers.value[number];
	return true;
}

static bool read_memory(void *context, csn_addr address, unsigned size_bytes, uint64_t *ret_value)
{
	const struct evaluation *e = context;
	uint8_t bytes[8];

	if (csn_target_read_some(e->values->target, address, bytes, size_bytes) != size_bytes)
		return false;
	*ret_value = csn_number_of(bytes, size_bytes, false);
	return true;
}

/* The number that a place comes to. */
static bool number_at(struct evaluation *e, const struct csn_value_place *place,
		      const uint64_t *initial, uint64_t *ret_value)
{
	struct csn_expr_result result;

	if (place->kind != CSN_PLACE_EXPRESSION || evaluate(e, place, initial, NULL, &result) < 0)
		return false;
	if (result.kind == CSN_EXPR_REGISTER && result.value <= UINT16_MAX)
		return read_register(e, (unsigned)result.value, ret_value);
	*ret_value = result.value;
	return result.kind == CSN_EXPR_MEMORY || result.kind == CSN_EXPR_VALUE;
}

static struct evaluation inner(const struct evaluation *e, struct csn_unit *unit)
{
	return (struct evaluation){
		.values = e->values, .frame = e->frame, .unit = unit, .nesting = e->nesting + 1
	};
}

static bool call_frame_cfa(void *context, uint64_t *ret_value)
{
	struct evaluation *e = context, nested = inner(e, e->unit);
	const struct csn_value_frame *frame = e->frame;
	struct csn_value_place place = { .kind = CSN_PLACE_EXPRESSION, .unit = e->unit };
	struct csn_cfi_row row;

	if (!frame->module ||
	    csn_module_find_row(frame->module, frame->pc - !frame->exact, &row) != CSN_CFI_FOUND)
		return false;
	if (row.cfa.kind == CSN_CFI_VAL_EXPRESSION || row.cfa.kind == CSN_CFI_EXPRESSION) {
		place.bytes = csn_span_of(row.cfa.expr, row.cfa.expr_size);
		return number_at(&nested, &place, NULL, ret_value);
	}
	if (!read_register(context, row.cfa_register, ret_value))
		return false;
	*ret_value += (uint64_t)row.cfa.offset;
	return true;
}

static bool frame_base(void *context, uint64_t *ret_value)
{
	struct evaluation *e = context, nested;
	struct csn_value_place place;

	if (!e->frame->scope.unit)
		return false;
	csn_scope_frame_base(&e->frame->scope, &place);
	nested = inner(e, place.unit);
	return number_at(&nested, &place, NULL, ret_value);
}

static bool tls_address(void *context, uint64_t offset, uint64_t *ret_value)
{
	const struct evaluation *e = context;

	return csn_tls_address(e->values, e->frame->thread, e->frame->module, offset, ret_value);
}

static bool entry_value(void *context, struct csn_span location, uint64_t *ret_value)
{
	struct evaluation *e = context, nested;
	struct csn_value_frame *frame = e->frame, *caller = frame->caller;
	struct csn_callee callee;
	struct csn_value_place place;

	if (!caller || !caller->scope.unit || caller->exact ||
	    !csn_scope_call_value(&caller->scope, location, &place, &callee))
		return false;
	/* Somebody else was called, who jumped here. */
	if (callee.kind == CSN_CALLEE_ADDRESS && caller->module == frame->module &&
	    callee.address != frame->scope.entry)
		return false;
	nested = inner(e, place.unit);
	nested.frame = caller;
	nested.holds_on = place.holds_on;
	return number_at(&nested, &place, NULL, ret_value);
}

static bool indexed(void *context, uint64_t index, bool is_address, uint64_t *ret_value)
{
	const struct evaluation *e = context;

	if (!e->unit || !csn_unit_index(e->unit, index, ret_value))
		return false;
	if (is_address && e->frame->module)
		*ret_value += e->frame->module->bias;
	return true;
}

static bool base_type(void *context, uint64_t offset, struct csn_expr_type *ret_type)
{
	const struct evaluation *e = context;
	struct csn_type_link link;
	struct csn_type *type;

	if (!e->unit || !csn_unit_link(e->unit, offset, false, &link))
		return false;
	type = csn_type_get(&link);
	if (!type || type->kind != CSN_TYPE_BASE || type->size_bytes > 8)
		return false;
	*ret_type = (struct csn_expr_type){
		.size_bytes = (uint8_t)type->size_bytes,
		.is_float = type->encoding == CSN_ENCODING_FLOAT,
		.is_signed = type->encoding == CSN_ENCODING_SIGNED ||
			     type->encoding == CSN_ENCODING_SIGNED_CHAR,
	};
	return true;
}

static bool variable(void *context, uint64_t offset, uint64_t *ret_value)
{
	struct evaluation *e = context;
	const struct csn_value_frame *frame = e->frame;
	struct csn_variable found;
	struct csn_type_link link;
	int64_t number;

	if (!e->unit || e->nesting >= CSN_MAX_VALUE_EVALUATIONS ||
	    !csn_unit_link(e->unit, offset, true, &link) ||
	    !csn_variable_read(&link, frame->scope.address, &found) ||
	    !csn_object_number(e->values, e->frame, &found.place, found.type, &number))
		return false;
	*ret_value = (uint64_t)number;
	return true;
}

static const struct csn_expr_ops ops = {
	.read_register = read_register,
	.read_memory = read_memory,
	.call_frame_cfa = call_frame_cfa,
	.frame_base = frame_base,
	.tls_address = tls_address,
	.entry_value = entry_value,
	.indexed = indexed,
	.base_type = base_type,
	.variable = variable,
};

static int evaluate(struct evaluation *e, const struct csn_value_place *place,
		    const uint64_t *initial, struct csn_expr_piece *pieces,
		    struct csn_expr_result *ret_result)
{
	const struct csn_expr_input input = {
		.bytes = place->bytes,
		.ops = &ops,
		.context = e,
		.load_bias = e->frame->module ? e->frame->module->bias : 0,
		.address_size = (uint8_t)e->values->target->arch->word_bytes,
		.offset_size = place->unit ? csn_unit_offset_size(place->unit) : 0,
		.pieces = pieces,
		.max_pieces = pieces ? CSN_MAX_VALUE_PIECES : 0,
		.has_initial = initial != NULL,
		.initial = initial ? *initial : 0,
	};

	if (e->nesting >= CSN_MAX_VALUE_EVALUATIONS)
		return -CSN_E_LIMIT;
	return csn_expr_evaluate(&input, ret_result, NULL);
}

/* --- from places to objects --- */

static enum csn_value_state state_of(int code)
{
	switch (-code) {
	case CSN_E_NOT_FOUND:
		return CSN_VALUE_NO_REGISTER;
	case CSN_E_FAULT:
		return CSN_VALUE_NOT_IN_DUMP;
	default:
		return CSN_VALUE_UNSUPPORTED;
	}
}

static struct csn_object missing(enum csn_value_state state)
{
	return (struct csn_object){ .kind = CSN_OBJECT_MISSING, .state = state };
}

static struct csn_object bytes_of(struct csn_values *values, const void *data, size_t size_bytes)
{
	struct csn_object object = { .kind = CSN_OBJECT_BYTES, .size_bytes = size_bytes };

	object.bytes = csn_arena_copy(values->arena, data, size_bytes);
	return object.bytes ? object : missing(CSN_VALUE_BUDGET);
}

/* One location, whole or of a piece. */
static struct csn_object object_at(struct evaluation *e, const struct csn_expr_result *place)
{
	struct csn_object object = { .kind = CSN_OBJECT_MEMORY, .address = place->value };
	uint64_t value = place->value;

	switch (place->kind) {
	case CSN_EXPR_MEMORY:
		return object;
	case CSN_EXPR_REGISTER:
		if (find_vector(e, place->value))
			return bytes_of(e->values, find_vector(e, place->value), CSN_VECTOR_BYTES);
		if (place->value > UINT16_MAX || !read_register(e, (unsigned)place->value, &value))
			return missing(CSN_VALUE_NO_REGISTER);
		object = bytes_of(e->values, &value, sizeof(value));
		object.in_register = true;
		object.reg = (uint16_t)place->value;
		return object;
	case CSN_EXPR_VALUE:
		return bytes_of(e->values, &value, sizeof(value));
	case CSN_EXPR_IMPLICIT:
		return (struct csn_object){ .kind = CSN_OBJECT_BYTES,
					    .bytes = place->implicit.data,
					    .size_bytes = place->implicit.size };
	case CSN_EXPR_POINTER:
		object.kind = CSN_OBJECT_POINTER;
		object.pointee_offset = place->offset;
		if (!e->unit || !csn_unit_link(e->unit, place->value, true, &object.pointee))
			return missing(CSN_VALUE_UNSUPPORTED);
		return object;
	default:
		return missing(CSN_VALUE_OPTIMIZED_OUT);
	}
}

/* Pieces of whole bytes, one behind the other. */
static struct csn_object assemble(struct evaluation *e, const struct csn_expr_piece *pieces,
				  size_t n_pieces, uint64_t size_bytes)
{
	uint8_t *bytes = csn_arena_array(e->values->arena, 2, size_bytes + 1), *lost;
	struct csn_object whole = { .kind = CSN_OBJECT_BYTES, .bytes = bytes };
	uint64_t at = 0;

	if (!bytes)
		return missing(CSN_VALUE_BUDGET);
	lost = bytes + size_bytes;
	memset(lost, CSN_VALUE_OPTIMIZED_OUT, size_bytes);
	for (size_t i = 0; i < n_pieces && at < size_bytes; i++) {
		uint64_t size = csn_min_u64(pieces[i].size_bits / 8, size_bytes - at);
		struct csn_object object = object_at(e, &pieces[i].place);
		struct csn_object part = csn_object_part(&object, pieces[i].offset_bits / 8);
		enum csn_value_state state = CSN_VALUE_UNSUPPORTED;

		if (!(pieces[i].size_bits % 8) && !(pieces[i].offset_bits % 8))
			state = csn_object_read(e->values, &part, bytes + at, size);
		memset(lost + at, state, size);
		at += size;
	}
	whole.lost = lost;
	whole.size_bytes = size_bytes;
	return whole;
}

static struct csn_object constant(struct csn_values *values, const struct csn_value_place *place,
				  uint64_t size_bytes)
{
	if (place->kind == CSN_PLACE_BYTES)
		return (struct csn_object){ .kind = CSN_OBJECT_BYTES,
					    .bytes = place->bytes.data,
					    .size_bytes = place->bytes.size };
	if (size_bytes > sizeof(place->number))
		return missing(CSN_VALUE_UNSUPPORTED);
	return bytes_of(values, &place->number, sizeof(place->number));
}

void csn_object_find(struct csn_values *values, struct csn_value_frame *frame,
		     const struct csn_value_place *place, uint64_t size_bytes,
		     struct csn_object *ret_object)
{
	struct evaluation e = {
		.values = values, .frame = frame, .unit = place->unit, .holds_on = place->holds_on
	};
	struct csn_expr_piece pieces[CSN_MAX_VALUE_PIECES];
	struct csn_expr_result result;
	int rc;

	switch (place->kind) {
	case CSN_PLACE_NONE:
		*ret_object = missing(CSN_VALUE_OPTIMIZED_OUT);
		return;
	case CSN_PLACE_ELSEWHERE:
		*ret_object = missing(CSN_VALUE_NOT_HERE);
		return;
	case CSN_PLACE_CONSTANT:
	case CSN_PLACE_BYTES:
		*ret_object = constant(values, place, size_bytes);
		return;
	case CSN_PLACE_EXPRESSION:
		break;
	}
	rc = evaluate(&e, place, NULL, pieces, &result);
	if (rc < 0)
		*ret_object = missing(state_of(rc));
	else if (result.kind != CSN_EXPR_PIECES)
		*ret_object = object_at(&e, &result);
	else if (size_bytes > CSN_MAX_VALUE_BYTES)
		*ret_object = missing(CSN_VALUE_BUDGET);
	else
		*ret_object = assemble(&e, pieces, result.n_pieces, size_bytes);
}

bool csn_object_number(struct csn_values *values, struct csn_value_frame *frame,
		       const struct csn_value_place *place, struct csn_type *type,
		       int64_t *ret_number)
{
	struct csn_object object;
	uint64_t size_bytes = 8;
	uint8_t bytes[8];

	type = csn_type_strip(type);
	if (type && (!csn_type_size(type, &size_bytes) || !size_bytes || size_bytes > 8))
		return false;
	csn_object_find(values, frame, place, size_bytes, &object);
	if (csn_object_read(values, &object, bytes, size_bytes) != CSN_VALUE_OK)
		return false;
	*ret_number = (int64_t)csn_number_of(bytes, size_bytes,
					     type && type->encoding == CSN_ENCODING_SIGNED);
	return true;
}

bool csn_object_compute(struct csn_values *values, struct csn_value_frame *frame,
			struct csn_unit *unit, struct csn_span expression, const uint64_t *initial,
			uint64_t *ret_number)
{
	const struct csn_value_place place = { .kind = CSN_PLACE_EXPRESSION,
					       .unit = unit,
					       .bytes = expression };
	struct evaluation e = { .values = values, .frame = frame, .unit = unit };

	return number_at(&e, &place, initial, ret_number);
}

struct csn_object csn_object_part(const struct csn_object *object, uint64_t offset_bytes)
{
	struct csn_object part = *object;

	if (part.kind == CSN_OBJECT_MEMORY) {
		part.address += offset_bytes;
	} else if (part.kind == CSN_OBJECT_BYTES) {
		uint64_t skipped = csn_min_u64(offset_bytes, part.size_bytes);

		part.bytes += skipped;
		part.lost = part.lost ? part.lost + skipped : NULL;
		part.size_bytes -= skipped;
	} else if (part.kind == CSN_OBJECT_POINTER && offset_bytes) {
		return missing(CSN_VALUE_UNSUPPORTED);
	}
	return part;
}

enum csn_value_state csn_object_read(struct csn_values *values, const struct csn_object *object,
				     void *data, size_t size_bytes)
{
	size_t there;

	switch (object->kind) {
	case CSN_OBJECT_MEMORY:
		there = csn_target_read_some(values->target, object->address, data, size_bytes);
		if (there == size_bytes)
			return CSN_VALUE_OK;
		return csn_target_memory(values->target, object->address + there) ==
				       CSN_MEMORY_UNMAPPED
			       ? CSN_VALUE_UNMAPPED
			       : CSN_VALUE_NOT_IN_DUMP;
	case CSN_OBJECT_BYTES:
		if (size_bytes > object->size_bytes)
			return CSN_VALUE_OPTIMIZED_OUT;
		for (size_t i = 0; object->lost && i < size_bytes; i++)
			if (object->lost[i] != CSN_VALUE_OK)
				return (enum csn_value_state)object->lost[i];
		memcpy(data, object->bytes, size_bytes);
		return CSN_VALUE_OK;
	case CSN_OBJECT_POINTER:
		return CSN_VALUE_UNSUPPORTED;
	default:
		return object->state;
	}
}
