#include "analyze/exception.h"
#include "analyze/fault_internal.h"
#include "analyze/panic.h"
#include "analyze/stale.h"
#include "analyze/use.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static const struct csn_signal_row {
	int number;
	const char *classifier;
} csn_signal_rows[] = {
	{ SIGSEGV, "segv" },  { SIGBUS, "bus" },   { SIGILL, "ill" }, { SIGFPE, "fpe" },
	{ SIGABRT, "abort" }, { SIGTRAP, "trap" }, { SIGSYS, "sys" },
};

static void csn_look_note(struct csn_fault_look *look, const char *classifier)
{
	if (look->result == 0)
		look->result = csn_snapshot_add_classifier(look->snapshot, classifier, look->err);
}

static void csn_look_note_signal(struct csn_fault_look *look)
{
	for (size_t i = 0; i < csn_countof(csn_signal_rows); i++)
		if (csn_signal_rows[i].number == look->signal->number)
			csn_look_note(look, csn_signal_rows[i].classifier);
}

static bool csn_mapped_as(struct csn_target *target, csn_addr addr, bool executable)
{
	const struct csn_mapping *mapping = csn_target_find_mapping(target, addr);

	if (!mapping)
		return false;
	if (!mapping->perms_known)
		return mapping->is_file;
	return executable ? mapping->executable : mapping->readable;
}

static void csn_look_at_memory_fault(struct csn_fault_look *look)
{
	const struct csn_mapping *mapping;
	const struct csn_arch *arch = look->target->arch;

	look->address = look->signal->address;
	look->misaligned = look->signal->number == SIGBUS && look->signal->code == BUS_ADRALN;
	/* x86 does not say which address was not aligned. */
	look->address_known = look->signal->has_address && !(look->misaligned && !look->address);
	look->exec = !csn_mapped_as(look->target, look->pc, true) &&
		     (!look->address_known || look->address == look->pc);
	look->bad_jump = look->exec;
	if (look->exec) {
		look->address = look->pc;
		look->address_known = true;
		look->noncanonical = !arch->is_canonical(look->pc);
	} else {
		csn_look_at_instruction(look);
		mapping = look->address_known ? csn_target_find_mapping(look->target, look->address)
					      : NULL;
		/* Reading would have been allowed, and code was not being fetched. */
		if (look->signal->number == SIGSEGV && look->signal->code == SEGV_ACCERR &&
		    mapping && mapping->perms_known && mapping->readable && !mapping->writable &&
		    look->address != look->pc && !look->read)
			look->write = true;
	}
	look->null = look->address_known && look->address < CSN_NULL_PAGE;
	if (!look->misaligned)
		csn_look_at_stack(look);
	csn_look_at_heap_access(look);
}

/* What the program said when it gave up. The only place where its own words come in. */
static void csn_look_at_message(struct csn_fault_look *look)
{
	if (!look->teller)
		return;
	look->message = csn_rust_panic_describe(look->scene);
	if (!look->message)
		look->message = csn_go_panic_describe(look->scene);
}

/* Who is it that gave up, and what did the C library say before it did? Its inner functions have
 * names only in its debug file; where there are names, the words must say the same. */
static void csn_look_at_machinery(struct csn_fault_look *look)
{
	struct csn_abort_words words = { 0 };

	look->teller = csn_teller_find(look->stack);
	if (look->signal->number == SIGABRT && look->signal->has_sender &&
	    csn_is_own_pid(look, look->signal->sender_pid) &&
	    csn_abort_words_read(look->target, look->modules, &words) &&
	    (!look->teller || (look->teller->classifier &&
			       strcmp(words.kind->family, look->teller->classifier) == 0)))
		look->last_words = words;
	if (look->teller && look->teller->classifier &&
	    strcmp(look->teller->classifier, "exception") == 0)
		look->exception = csn_exception_describe(look->snapshot->arena, look->target,
							 &look->thread->registers);
	csn_look_at_message(look);
	csn_look_at_heap_abort(look);
	if (look->last_words.kind)
		csn_look_note(look, look->last_words.kind->classifier);
	else if (look->teller && look->teller->classifier)
		csn_look_note(look, look->teller->classifier);
}

static void csn_look_classify(struct csn_fault_look *look)
{
	const struct {
		bool holds;
		const char *classifier;
	} rows[] = {
		{ look->null, "null" },
		{ look->read, "read" },
		{ look->write, "write" },
		{ look->exec, "exec" },
		{ look->bad_jump, "bad-jump" },
		{ look->noncanonical, "noncanonical" },
		{ look->misaligned, "alignment" },
		{ look->stack_overflow, "stack-overflow" },
		{ look->limit, "limit" },
		{ look->use_after_free, "use-after-free" },
		{ look->heap_damaged, "heap-corruption" },
	};

	csn_look_note_signal(look);
	for (size_t i = 0; i < csn_countof(rows); i++)
		if (rows[i].holds)
			csn_look_note(look, rows[i].classifier);
	/* Whatever the signal, machinery is trusted only where a program ends itself. */
	if (look->signal->number == SIGABRT || look->signal->number == SIGILL ||
	    look->signal->number == SIGTRAP)
		csn_look_at_machinery(look);
	csn_look_note(look, "stop");
}

static int csn_set_fault(struct csn_fault_look *look)
{
	const struct csn_signal *signal = look->signal;
	struct csn_snapshot *snapshot = look->snapshot;
	const char *name = csn_signal_name(signal->number);
	char text[24];

	snapshot->fault = (struct csn_snapshot_fault){
		.present = true,
		.signal = signal->number,
		.signal_name = name,
		.code = signal->code,
		.code_name = csn_signal_is_bare(signal)
				     ? NULL
				     : csn_signal_code_name(signal->number, signal->code),
		.has_address = signal->has_address,
		.address = signal->address,
		.access = look->exec    ? "execute"
			  : look->write ? "write"
			  : look->read  ? "read"
					: NULL,
		.sender_pid = signal->has_sender ? signal->sender_pid : -1,
		.sender_uid = signal->has_sender ? signal->sender_uid : -1,
	};
	snprintf(text, sizeof(text), "%d", signal->number);
	if (csn_snapshot_set_string(snapshot, "signal", name ? name : text, look->err) < 0)
		return -CSN_E_NOMEM;
	if (!look->address_known)
		return 0;
	snprintf(text, sizeof(text), "0x%" PRIx64, look->address);
	return csn_snapshot_set_string(snapshot, "fault.address", text, look->err);
}

static void csn_look_at_signal(struct csn_fault_look *look)
{
	static const struct {
		int number;
		void (*look_at)(struct csn_fault_look *look);
	} rows[] = {
		{ SIGSEGV, csn_look_at_memory_fault }, { SIGBUS, csn_look_at_memory_fault },
		{ SIGFPE, csn_look_at_division },      { SIGTRAP, csn_look_at_trap },
		{ SIGXCPU, csn_look_at_limits },       { SIGXFSZ, csn_look_at_limits },
	};

	if (look->signal->has_address) {
		look->address_known = true;
		look->address = look->signal->address;
	}
	for (size_t i = 0; i < csn_countof(rows); i++)
		/* A signal that somebody sent says nothing about the instruction. */
		if (rows[i].number == look->signal->number &&
		    (!look->signal->has_sender || rows[i].look_at == csn_look_at_limits))
			rows[i].look_at(look);
}

/* What else can be found out once the fault itself is understood, in this order. */
static int (*const csn_fault_steps[])(struct csn_fault_look *look) = {
	csn_set_fault,   csn_compare_use,      csn_find_expression, csn_check_calls,
	csn_set_verdict, csn_annotate_aliases, csn_heap_annotate,   csn_look_for_stale,
};

int csn_fault_analyze(const struct csn_scene *scene, const struct csn_snapshot_thread *stack,
		      struct csn_error *err)
{
	struct csn_target *target = scene->target;
	struct csn_fault_look look = { .scene = scene,
				       .snapshot = scene->snapshot,
				       .target = target,
				       .modules = scene->modules,
				       .thread = scene->fault_thread,
				       .stack = stack,
				       .signal = &target->signal,
				       .err = err };

	if (!target->signal.present || !target->signal.number)
		return 0;
	look.pc = look.thread->registers.value[target->arch->pc];
	look.sp = look.thread->registers.value[target->arch->sp];
	csn_look_at_signal(&look);
	csn_look_classify(&look);
	for (size_t i = 0; i < csn_countof(csn_fault_steps) && look.result == 0; i++)
		look.result = csn_fault_steps[i](&look);
	csn_arena_free(look.heap_arena);
	return look.result;
}

int csn_fault_name(struct csn_snapshot *snapshot, const struct csn_signal *signal,
		   struct csn_error *err)
{
	struct csn_fault_look look = { .snapshot = snapshot,
				       .signal = signal,
				       .address_known = signal->has_address,
				       .address = signal->address,
				       .err = err };

	if (!signal->present || !signal->number)
		return 0;
	csn_look_note_signal(&look);
	csn_look_note(&look, "stop");
	return look.result == 0 ? csn_set_fault(&look) : look.result;
}
