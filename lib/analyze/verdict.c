/* The sentence: what happened, to which address, in which function. It says what was proved, in the
 * same words every time. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "analyze/fault_internal.h"
#include "analyze/place.h"
#include "analyze/poison.h"

static const char *csn_describe_access(const struct csn_fault_look *look)
{
	if (look->exec)
		return "jump to";
	if (look->stack_overflow)
		return "stack overflow at";
	if (look->write)
		return "write to";
	return look->read ? "read from" : "access to";
}

/* Why an address could not be used; text in out. */
static void csn_describe_refusal(const struct csn_fault_look *look, char *out, size_t size)
{
	const struct csn_signal *signal = look->signal;
	const struct csn_mapping *mapping = csn_target_find_mapping(look->target, look->address);
	csn_addr pointer;

	*out = '\0';
	if (look->stack_overflow && look->large_frame)
		snprintf(out, size, ", a frame too large");
	else if (look->stack_overflow && look->recursion_period == 1)
		snprintf(out, size, ", recursion");
	else if (look->stack_overflow && look->recursion_period)
		snprintf(out, size, ", recursion through %zu frames", look->recursion_period);
	else if (look->stack_overflow)
		return;
	else if (!mapping && csn_poison_find(look->address, &pointer))
		snprintf(out, size, ", made of the fill pattern 0x%" PRIx64, pointer);
	else if (look->noncanonical)
		snprintf(out, size, ", no possible address");
	else if (look->misaligned)
		snprintf(out, size, ", not aligned");
	else if (signal->number == SIGSEGV && signal->code == SEGV_MAPERR)
		snprintf(out, size, ", not mapped");
	else if (signal->number == SIGSEGV && signal->code == SEGV_ACCERR)
		snprintf(out, size, ", not permitted");
	else if (signal->number == SIGBUS && signal->code == BUS_ADRERR && mapping &&
		 mapping->is_file)
		snprintf(out, size,
			 ", a page that its file does not give (truncated, or not readable)");
}

/* " = conn->peer"; nothing when it is not known, or longer than a sentence can bear. */
static void csn_describe_expression(const struct csn_fault_look *look, char *out, size_t size)
{
	*out = '\0';
	if (look->expression && strlen(look->expression) <= CSN_EXPRESSION_SHOWN)
		snprintf(out, size, " = %s", look->expression);
}

static void csn_describe_address(const struct csn_fault_look *look, char *out, size_t size)
{
	char why[96], is[CSN_EXPRESSION_SHOWN + 8];

	csn_describe_refusal(look, why, sizeof(why));
	csn_describe_expression(look, is, sizeof(is));
	if (look->null && look->address)
		snprintf(out, size, "NULL+0x%" PRIx64 "%s", look->address, is);
	else if (look->null)
		snprintf(out, size, "NULL%s", is);
	else
		snprintf(out, size, "0x%" PRIx64 "%s%s", look->address, is, why);
}

static void csn_describe_sender(const struct csn_fault_look *look, const char *name, char *out,
				size_t size)
{
	const struct csn_signal *signal = look->signal;

	if (csn_is_own_pid(look, signal->sender_pid))
		snprintf(out, size, "%s raised by the process itself", name);
	else
		snprintf(out, size, "%s sent by %s from pid %" PRId64 " uid %" PRId64, name,
			 signal->code == SI_TKILL   ? "tgkill(2)"
			 : signal->code == SI_QUEUE ? "sigqueue(3)"
						    : "kill(2)",
			 signal->sender_pid, signal->sender_uid);
}

static void csn_describe_what(const struct csn_fault_look *look, char *out, size_t size)
{
	const struct csn_signal *signal = look->signal;
	const char *name = csn_signal_name(signal->number), *code = NULL;
	char number[32], where[CSN_EXPRESSION_SHOWN + 160];

	snprintf(number, sizeof(number), "signal %d", signal->number);
	if (!name)
		name = number;
	if (!csn_signal_is_bare(signal))
		code = csn_signal_code_name(signal->number, signal->code);
	if (look->last_words.kind) {
		snprintf(out, size, "%s%s", look->last_words.text, look->heap_words);
	} else if (look->teller && look->exception) {
		snprintf(out, size, "uncaught %s%s", look->exception, look->use_words);
	} else if (look->teller && look->message) {
		snprintf(out, size, "%s%s", look->message, look->use_words);
	} else if (look->teller) {
		snprintf(out, size, "%s%s", look->teller->words, look->use_words);
	} else if (look->words) {
		csn_describe_expression(look, where, sizeof(where));
		snprintf(out, size, "%s%s", look->words, where);
	} else if (signal->has_sender) {
		csn_describe_sender(look, name, out, size);
	} else if (look->address_known && (signal->number == SIGSEGV || signal->number == SIGBUS)) {
		csn_describe_address(look, where, sizeof(where));
		snprintf(out, size, "%s %s%s", csn_describe_access(look), where, look->heap_words);
	} else if (look->misaligned) {
		snprintf(out, size, "access to an address that is not aligned");
	} else if (signal->number == SIGSYS && signal->code == 1 && signal->trapno >= 0) {
		snprintf(out, size, "system call %" PRId64 " forbidden by seccomp", signal->trapno);
	} else if (signal->number == SIGILL && signal->code > 0) {
		snprintf(out, size, "illegal instruction");
	} else {
		snprintf(out, size, code ? "%s (%s)" : "%s", name, code);
	}
}

int csn_set_verdict(struct csn_fault_look *look)
{
	struct csn_arena *arena = look->snapshot->arena;
	bool explained = look->teller || look->last_words.kind;
	/* A jump to what is no code is the fault, not its place. */
	size_t first = look->exec && look->pc == look->address ? 1 : 0;
	const struct csn_snapshot_frame *frame =
		csn_teller_frame_to_blame(look->stack, first, explained);
	const struct csn_snapshot_frame *caller =
		frame ? csn_teller_caller(look->stack, frame) : NULL;
	const char *where = frame && frame->line ? "" : look->last_words.where;
	const char *place = "", *outside = "", *text;
	char what[CSN_EXPRESSION_SHOWN + 512];

	csn_describe_what(look, what, sizeof(what));
	if (frame)
		place = csn_place_describe(arena, look->target, frame);
	if (caller)
		outside = csn_place_describe(arena, look->target, caller);
	if (!place || !outside)
		return csn_fail_nomem(look->err);
	text = csn_arena_sprintf(arena, "%s%s%s%s%s%s%s%s%s", what, *where ? " at " : "", where,
				 frame ? " in " : "", place, caller ? ", called from " : "",
				 outside, look->broken ? ": " : "",
				 look->broken ? look->broken : "");
	return text ? csn_snapshot_set_string(look->snapshot, "verdict", text, look->err)
		    : csn_fail_nomem(look->err);
}
