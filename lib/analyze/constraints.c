/* Constraints: arguments that break the contract of the library function they were passed to.
 *
 * An argument is what the code of the caller was seen to put into its register, or what the debug
 * information of the call says that it passes; where the two differ, or neither is known, nothing
 * is said of it. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "analyze/contracts.h"
#include "analyze/fault_internal.h"
#include "analyze/naming.h"
#include "base/limits.h"
#include "symbols/lookup.h"

/* Calls of one thread that are checked. */
#define CSN_CHECKED_CALLS 8u
/* Bytes of a text that are looked through for its end. */
#define CSN_TEXT_REACH CSN_MIB
/* Memory of unknown size that a fault may be about, bytes. */
#define CSN_ARGUMENT_REACH 65536u

/* A call of a function that has a contract. */
struct csn_call {
	struct csn_fault_look *look;
	const struct csn_contract *contract;
	const struct csn_scene_frame *caller; /* who called it, in its own words */
	bool is_innermost;                    /* the fault lies in it */
	struct {
		bool is_known;
		uint64_t value;
		const char *name; /* expression of the caller; NULL unknown */
	} arguments[CSN_CONTRACT_ARGUMENTS];
	int result;
};

/* --- arguments --- */

/* "conn->buffer" of an array, "&conn->count" of anything else. */
static const char *csn_name_address(struct csn_naming *naming, const struct csn_term *term,
				    uint64_t value)
{
	struct csn_arena *arena = naming->scene->snapshot->arena;
	struct csn_named named;
	size_t length;

	if (!csn_name_place(naming, term, value, &named) || named.is_table)
		return NULL;
	length = strlen(named.text);
	if (length > 3 && strcmp(named.text + length - 3, "[0]") == 0)
		return csn_arena_strndup(arena, named.text, length - 3);
	return *named.text == '*' ? NULL : csn_arena_sprintf(arena, "&%s", named.text);
}

static void csn_find_argument(struct csn_call *call, struct csn_naming *naming,
			      struct csn_value_frame *callee, size_t number)
{
	const struct csn_arch *arch = call->look->target->arch;
	const struct csn_term *term;
	struct csn_named named;
	uint64_t computed = 0, passed = 0;
	bool is_computed, is_passed;

	if (number >= arch->n_arguments)
		return;
	term = csn_origin_register(&naming->origin, arch->arguments[number]);
	is_computed = term && csn_origin_value(&naming->origin, term, &computed);
	is_passed =
		csn_values_passed(naming->scene->values, callee, arch->arguments[number], &passed);
	if ((!is_computed && !is_passed) || (is_computed && is_passed && computed != passed))
		return;
	call->arguments[number].is_known = true;
	call->arguments[number].value = is_computed ? computed : passed;
	if (!is_computed)
		return;
	if (csn_name_value(naming, term, &named) && !named.is_table)
		call->arguments[number].name = named.text;
	else if (term->kind != CSN_TERM_CONSTANT)
		call->arguments[number].name = csn_name_address(naming, term, computed);
}

/* The name under which the function was called, else that under which it runs. */
static const struct csn_contract *csn_find_contract(const struct csn_call *call,
						    struct csn_origin *origin,
						    const struct csn_scene_frame *called)
{
	const struct csn_scene *scene = call->look->scene;
	const struct csn_term *source = origin->target_address ? NULL : csn_origin_source(origin);
	struct csn_lookup lookup = { .pc = origin->target_address };
	const struct csn_contract *contract = NULL;

	if (!lookup.pc && (!source || !csn_origin_value(origin, source, &lookup.pc)))
		lookup.pc = 0;
	if (lookup.pc && scene->modules &&
	    csn_lookup_symbols(scene->snapshot->arena, scene->modules, &lookup, 1, NULL) == 0 &&
	    lookup.symbol)
		contract = csn_contract_find(lookup.symbol->name);
	if (!contract && called->stored->function)
		contract = csn_contract_find(called->stored->function);
	return contract;
}

/* --- what is wrong with one --- */

static void csn_describe_number(uint64_t value, char *out, size_t size)
{
	if (!value)
		snprintf(out, size, "NULL");
	else if (value < CSN_NULL_PAGE)
		snprintf(out, size, "NULL+0x%" PRIx64, value);
	else
		snprintf(out, size, "0x%" PRIx64, value);
}

/* " = conn->buffer", which is not told where it is too long. */
static void csn_describe_name(const struct csn_call *call, size_t number, char *out, size_t size)
{
	const char *name = call->arguments[number].name;

	*out = '\0';
	if (name && strlen(name) <= CSN_EXPRESSION_SHOWN)
		snprintf(out, size, " = %s", name);
}

/* Adds what is wrong with an argument. about: the fault may be about memory from here on. */
static void csn_complain(struct csn_call *call, size_t number, bool about, const char *why)
{
	const struct csn_contract_argument *argument = &call->contract->arguments[number];
	struct csn_fault_look *look = call->look;
	char value[32], name[CSN_EXPRESSION_SHOWN + 8];
	const char *text;

	struct csn_annotation_owner owner = { .thread = call->caller->thread,
					      .frame = csn_scene_frame_number(call->caller),
					      .has_frame = true,
					      .variable = call->arguments[number].name };

	if (argument->claim == CSN_CLAIM_SIZE || argument->claim == CSN_CLAIM_FD)
		snprintf(value, sizeof(value), "%" PRId64, (int64_t)call->arguments[number].value);
	else
		csn_describe_number(call->arguments[number].value, value, sizeof(value));
	csn_describe_name(call, number, name, sizeof(name));
	text = csn_arena_sprintf(look->snapshot->arena, "%s's %s is %s%s%s%s",
				 strncmp(call->contract->function, "__", 2) == 0
					 ? call->contract->function + 2
					 : call->contract->function,
				 argument->name, value, name, *why ? ", " : "", why);
	if (!text) {
		call->result = csn_fail_nomem(look->err);
		return;
	}
	/* Where the C library gave up itself, it and the heap say why. */
	if (about && call->is_innermost && !look->broken && look->address_known)
		look->broken = text;
	call->result = csn_snapshot_add_owned_annotation(look->snapshot, "constraint", text, &owner,
							 look->err);
}

/* How much memory an argument is; false: nobody knows. */
static bool csn_find_size(const struct csn_call *call, const struct csn_contract_argument *argument,
			  uint64_t *ret_size)
{
	uint64_t size = 1, times = 1;

	if (!argument->size_by || !call->arguments[argument->size_by - 1].is_known ||
	    (argument->times_by && !call->arguments[argument->times_by - 1].is_known))
		return false;
	size = call->arguments[argument->size_by - 1].value;
	if (argument->times_by)
		times = call->arguments[argument->times_by - 1].value;
	return !__builtin_mul_overflow(size, times, ret_size) && *ret_size <= INT64_MAX;
}

/* Why memory at an address cannot be used so; NULL: it can, or nobody knows. */
static const char *csn_refusal(const struct csn_call *call, csn_addr address, bool writes)
{
	struct csn_target *target = call->look->target;
	const struct csn_mapping *mapping = csn_target_find_mapping(target, address);

	if (!target->arch->is_canonical(address))
		return "no possible address";
	if (!mapping)
		return csn_target_memory(target, address) == CSN_MEMORY_UNMAPPED ? "not mapped"
										 : NULL;
	if (!mapping->perms_known)
		return NULL;
	return !mapping->readable && !writes  ? "not readable"
	       : !mapping->writable && writes ? "not writable"
					      : NULL;
}

/* The first address of a range that cannot be used, and why; NULL: all of it can. */
static const char *csn_find_refused(const struct csn_call *call, csn_addr address, uint64_t size,
				    bool writes, csn_addr *ret_address)
{
	csn_addr end = address + size;

	for (size_t i = 0; address < end && i < CSN_MAX_FILE_MAPPINGS; i++) {
		const struct csn_mapping *mapping =
			csn_target_find_mapping(call->look->target, address);
		const char *why = csn_refusal(call, address, writes);

		*ret_address = address;
		if (why || !mapping)
			return why;
		address = mapping->end;
	}
	return NULL;
}

/* Where a text has its end; false: not in memory that can be read, up to *ret_address. Memory that
 * the dump leaves out ends the search. */
static bool csn_find_end(const struct csn_call *call, csn_addr address, uint64_t max,
			 csn_addr *ret_address)
{
	char bytes[1024];
	uint64_t done = 0;

	while (done < max) {
		size_t n = csn_min_u64(sizeof(bytes), max - done);
		size_t there = csn_target_read_some(call->look->target, address + done, bytes, n);

		if (memchr(bytes, 0, there))
			return true;
		done += there;
		*ret_address = address + done;
		if (there < n)
			return csn_refusal(call, address + done, false) == NULL;
	}
	return true;
}

static bool csn_fault_is_at(const struct csn_call *call, csn_addr address, uint64_t size)
{
	const struct csn_fault_look *look = call->look;

	return look->address_known && look->address >= address && look->address - address < size;
}

static void csn_check_memory(struct csn_call *call, size_t number)
{
	const struct csn_contract_argument *argument = &call->contract->arguments[number];
	uint64_t value = call->arguments[number].value, size = 0;
	bool writes = argument->claim == CSN_CLAIM_WRITE;
	bool has_size = csn_find_size(call, argument, &size);
	const char *why;
	csn_addr refused;
	char text[96];

	if ((has_size && !size) || (!value && argument->may_be_null))
		return;
	why = csn_refusal(call, value, writes);
	if (why || value < CSN_NULL_PAGE) {
		csn_complain(call, number,
			     csn_fault_is_at(call, value, has_size ? size : CSN_ARGUMENT_REACH),
			     value < CSN_NULL_PAGE ? "" : why);
		return;
	}
	if (argument->claim == CSN_CLAIM_TEXT) {
		uint64_t max = has_size ? csn_min_u64(size, CSN_TEXT_REACH) : CSN_TEXT_REACH;

		if (csn_find_end(call, value, max, &refused))
			return;
		snprintf(text, sizeof(text), "which has no end before 0x%" PRIx64 ", not readable",
			 refused);
		csn_complain(call, number, csn_fault_is_at(call, value, refused + 64 - value),
			     text);
		return;
	}
	why = has_size ? csn_find_refused(call, value, size, writes, &refused) : NULL;
	if (!why)
		return;
	snprintf(text, sizeof(text), "of 0x%" PRIx64 " bytes, of which only 0x%" PRIx64 " are %s",
		 size, refused - value, writes ? "writable" : "readable");
	csn_complain(call, number, csn_fault_is_at(call, value, size), text);
}

/* What malloc returned: where the allocator is known, what it says. Freed memory is left to those
 * who know why it is free. */
static void csn_check_chunk(struct csn_call *call, size_t number)
{
	uint64_t value = call->arguments[number].value;
	struct csn_heap *heap = value ? csn_fault_heap(call->look) : NULL;
	struct csn_heap_place place;
	char text[160], chunk[96];

	if (!value)
		return;
	if (value < CSN_NULL_PAGE || csn_refusal(call, value, true)) {
		csn_complain(call, number, csn_fault_is_at(call, value - 64, 128),
			     value < CSN_NULL_PAGE ? "" : csn_refusal(call, value, true));
		return;
	}
	if (!heap)
		return;
	csn_heap_look(heap, value, &place);
	if (place.state == CSN_HEAP_NOT_HEAP) {
		csn_complain(call, number, true, "which malloc did not return");
	} else if (place.state == CSN_HEAP_LIVE && place.has_chunk && place.offset > 0) {
		csn_heap_describe(&place, chunk, sizeof(chunk));
		snprintf(text, sizeof(text), "%" PRId64 " bytes into %s", place.offset, chunk);
		csn_complain(call, number, true, text);
	}
}

static void csn_check_argument(struct csn_call *call, size_t number)
{
	uint64_t value = call->arguments[number].value;

	switch (call->contract->arguments[number].claim) {
	case CSN_CLAIM_READ:
	case CSN_CLAIM_WRITE:
	case CSN_CLAIM_TEXT:
		csn_check_memory(call, number);
		return;
	case CSN_CLAIM_SIZE:
		if (value > INT64_MAX)
			csn_complain(call, number, true, "more than there can be");
		return;
	case CSN_CLAIM_FD:
		call->arguments[number].value = (uint64_t)(int32_t)value;
		if ((int32_t)value < 0)
			csn_complain(call, number, false, "no descriptor");
		return;
	case CSN_CLAIM_CHUNK:
		csn_check_chunk(call, number);
		return;
	default:
		return;
	}
}

/* Copies to the same place are harmless, and compilers make them. */
static void csn_check_overlap(struct csn_call *call)
{
	uint64_t to = call->arguments[0].value, from = call->arguments[1].value, size;
	char text[96];

	if (!call->contract->must_not_overlap || !call->arguments[0].is_known ||
	    !call->arguments[1].is_known || to == from ||
	    !csn_find_size(call, &call->contract->arguments[0], &size) ||
	    (to > from ? to - from : from - to) >= size)
		return;
	snprintf(text, sizeof(text),
		 "which the source (0x%" PRIx64 ", 0x%" PRIx64 " bytes) overlaps", from, size);
	csn_complain(call, 0, false, text);
}

/* --- calls --- */

static void csn_check_call(struct csn_call *call, const struct csn_scene_frame *called,
			   struct csn_value_frame *caller)
{
	const struct csn_scene *scene = call->look->scene;
	struct csn_value_frame *callee = called->frame;
	struct csn_naming naming;

	if (!csn_naming_begin(scene, caller, &naming))
		return;
	call->contract = csn_find_contract(call, &naming.origin, called);
	if (!call->contract ||
	    (!caller->scope.unit && csn_values_find_scopes(scene->values, &caller, 1, NULL) < 0))
		return;
	for (size_t i = 0; i < CSN_CONTRACT_ARGUMENTS; i++)
		if (call->contract->arguments[i].claim)
			csn_find_argument(call, &naming, callee, i);
	for (size_t i = 0; i < CSN_CONTRACT_ARGUMENTS && call->result == 0; i++)
		if (call->arguments[i].is_known)
			csn_check_argument(call, i);
	if (call->result == 0)
		csn_check_overlap(call);
}

int csn_check_calls(struct csn_fault_look *look)
{
	const struct csn_scene *scene = look->scene;
	size_t n_calls = 0;
	bool in_library = !look->stack_overflow && !look->exec; /* since the fault */

	for (size_t i = 1; i < scene->n_frames && scene->frames[i].thread == look->stack; i++) {
		const struct csn_scene_frame *called = &scene->frames[i - 1];
		const struct csn_scene_frame *frame = &scene->frames[i];
		struct csn_call call = { .look = look, .caller = frame };

		in_library = in_library && csn_frame_is_run_time(called->stored);
		/* Headers put wrappers around: who is there called it. */
		while (csn_frame_is_wrapper(call.caller->stored) && i + 1 < scene->n_frames &&
		       scene->frames[i + 1].frame == frame->frame)
			call.caller = &scene->frames[++i];
		if (called->frame == frame->frame || frame->frame->exact ||
		    !csn_frame_is_run_time(called->stored) ||
		    csn_frame_is_run_time(frame->stored) || called->stored->signal_frame)
			continue;
		if (n_calls++ == CSN_CHECKED_CALLS)
			break;
		call.is_innermost = in_library;
		csn_check_call(&call, called, frame->frame);
		if (call.result < 0)
			return call.result;
	}
	return 0;
}
