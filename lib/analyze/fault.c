#include "analyze/fault.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "analyze/abort_message.h"

/* Addresses below this are NULL plus the offset of a member: nothing is ever mapped there. */
#define CSN_NULL_PAGE 65536u
/* How far below the stack pointer an access of the stack may fall, probes and red zone included. */
#define CSN_STACK_REACH 65536u
#define CSN_GUARD_REACH (1u << 20)
/* The machinery of a failure stands within this many frames of the fault. */
#define CSN_TELLING_FRAMES 24u

/* One look at a fault, as far as it is understood. */
struct csn_look {
	struct csn_snapshot *snapshot;
	struct csn_target *target;
	struct csn_modules *modules;
	const struct csn_thread *thread;
	const struct csn_snapshot_thread *stack;
	const struct csn_signal *signal;
	csn_addr pc, sp;
	bool address_known;
	csn_addr address; /* from siginfo, or from the instruction when siginfo has none */
	bool null, exec, bad_jump, noncanonical, read, write, stack_overflow;
	const char *machinery; /* what the run time found wrong, in words; NULL nothing */
	struct csn_error *err;
	int result;
};

static const struct csn_signal_row {
	int number;
	const char *classifier;
} csn_signal_rows[] = {
	{ SIGSEGV, "segv" },  { SIGBUS, "bus" },   { SIGILL, "ill" }, { SIGFPE, "fpe" },
	{ SIGABRT, "abort" }, { SIGTRAP, "trap" }, { SIGSYS, "sys" },
};

/* Functions that tell why the process gave up, most telling first. A name ending in ":" matches
 * everything that begins so. */
static const struct csn_teller {
	const char *function;
	const char *classifier;
	const char *words;
} csn_tellers[] = {
	{ "__assert_fail", "assert", "failed assertion" },
	{ "__assert_fail_base", "assert", "failed assertion" },
	{ "__assert_perror_fail", "assert", "failed assertion" },
	{ "__assert", "assert", "failed assertion" },
	{ "std::__glibcxx_assert_fail", "assert", "failed assertion" },
	{ "std::__replacement_assert", "assert", "failed assertion" },
	{ "g_assertion_message", "assert", "failed assertion" },
	{ "__stack_chk_fail", "stack-smash", "stack smashing detected" },
	{ "__fortify_fail", "fortify", "buffer overflow detected" },
	{ "__chk_fail", "fortify", "buffer overflow detected" },
	{ "std::terminate", "exception", "uncaught C++ exception" },
	{ "__cxxabiv1::__terminate", "exception", "uncaught C++ exception" },
	{ "__gnu_cxx::__verbose_terminate_handler", "exception", "uncaught C++ exception" },
	{ "rust_panic", "panic", "Rust panic" },
	{ "rust_begin_unwind", "panic", "Rust panic" },
	{ "core::panicking::", "panic", "Rust panic" },
	{ "std::panicking::rust_panic_with_hook", "panic", "Rust panic" },
	{ "runtime.gopanic", "panic", "Go panic" },
	{ "runtime.dopanic_m", "panic", "Go panic" },
	{ "runtime.fatalpanic", "panic", "Go panic" },
	{ "malloc_printerr", "heap-corruption", "heap corruption detected" },
};

/* Frames that only carry a failure out; the one behind them is to blame. */
static const char *const csn_carriers[] = {
	"raise",
	"gsignal",
	"abort",
	"kill",
	"__pthread_kill",
	"pthread_kill",
	"__libc_message",
	"__GI_",
	"__abort",
	"__fortify_fail",
	"__chk_fail",
	"malloc_printerr",
	"_int_free",
	"_int_malloc",
	"std::terminate",
	"std::panicking::",
	"std::sys_common::",
	"std::sys::",
	"core::panicking::",
	"core::result::unwrap_failed",
	"core::option::",
	"core::ops::",
	"rust_",
	"__rust",
	"__cxa_",
	"__cxxabiv1::",
	"__gnu_cxx::",
	"__assert",
	"__stack_chk_fail",
	"__restore_rt",
	"__kernel_vsyscall",
	"runtime.",
	"std::process::abort",
	"std::alloc::",
	"panic_abort::",
	"free",
	"cfree",
	"realloc",
	"malloc",
	"__GI_raise",
	"std::__glibcxx_assert_fail",
};

static const char *const csn_carrier_objects[] = { "libc.so",     "libc-",  "libstdc++.so",
						   "libgcc_s.so", "libc++", "libpthread" };

static void csn_look_note(struct csn_look *look, const char *classifier)
{
	if (look->result == 0)
		look->result = csn_snapshot_add_classifier(look->snapshot, classifier, look->err);
}

/* Length of a function's name without arguments ("std::terminate()", "f(int) const"). */
static size_t csn_base_length(const char *name)
{
	return strcspn(name, "(<@");
}

static bool csn_name_tells(const char *name, const char *wanted)
{
	size_t length = strlen(wanted);

	if (wanted[length - 1] == ':')
		return strncmp(name, wanted, length) == 0;
	return csn_base_length(name) == length && strncmp(name, wanted, length) == 0;
}

static bool csn_is_carrier(const char *name)
{
	size_t length = csn_base_length(name);

	for (size_t i = 0; i < csn_countof(csn_carriers); i++) {
		size_t size = strlen(csn_carriers[i]);
		bool prefix = strchr("_:.", csn_carriers[i][size - 1]) != NULL;

		if (strncmp(name, csn_carriers[i], size) == 0 &&
		    (prefix || length == size || strncmp(name, "__", 2) == 0))
			return true;
	}
	return false;
}

/* Code of the language's run time: without a symbol, or any of it once it gave the failure its
 * name, because debug files of the distribution name inner functions that no list can know. */
static bool csn_is_carrier_object(const struct csn_look *look,
				  const struct csn_snapshot_frame *frame)
{
	bool any = !frame->function || look->machinery;
	const char *slash = frame->library ? strrchr(frame->library, '/') : NULL;

	for (size_t i = 0; any && slash && i < csn_countof(csn_carrier_objects); i++)
		if (strncmp(slash + 1, csn_carrier_objects[i], strlen(csn_carrier_objects[i])) == 0)
			return true;
	return false;
}

/* The first frame that is not mere machinery, named or not; NULL when all are. */
static const struct csn_snapshot_frame *csn_frame_to_blame(const struct csn_look *look)
{
	/* A jump to what is no code is the fault, not its place. */
	for (size_t i = look->exec ? 1 : 0; i < look->stack->n_frames; i++) {
		const struct csn_snapshot_frame *frame = &look->stack->frames[i];

		if (csn_is_carrier_object(look, frame) || frame->signal_frame ||
		    (frame->function && csn_is_carrier(frame->function)))
			continue;
		if (frame->function || frame->library)
			return frame;
	}
	return NULL;
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

/* A stack that ran into what lies below it: the access is near the stack pointer, cannot be
 * written, and the writable mapping above it is the one that the stack pointer belongs to. */
static bool csn_is_stack_overflow(const struct csn_look *look)
{
	csn_addr address = look->address, sp = look->sp;
	const struct csn_target *target = look->target;
	const struct csn_mapping *at = csn_target_find_mapping(look->target, address);

	if (!look->address_known || (at && (at->writable || !at->perms_known)) ||
	    address + CSN_STACK_REACH < sp || address > sp + CSN_STACK_REACH)
		return false;
	for (size_t i = 0; i < target->n_mappings; i++) {
		const struct csn_mapping *mapping = &target->mappings[i];

		if (mapping->start <= address || !mapping->writable)
			continue;
		return mapping->start - address <= CSN_GUARD_REACH && sp < mapping->end &&
		       sp + CSN_GUARD_REACH >= mapping->start && !mapping->is_file;
	}
	return false;
}

/* Nothing but its number is known: the core has no siginfo. */
static bool csn_signal_is_bare(const struct csn_signal *signal)
{
	return signal->code == 0 && !signal->has_sender;
}

/* Would this access have been allowed? */
static bool csn_is_allowed(const struct csn_look *look, const struct csn_access *access)
{
	const struct csn_mapping *mapping = csn_target_find_mapping(look->target, access->address);

	return mapping &&
	       (!mapping->perms_known ||
		(access->kind == CSN_ACCESS_WRITE ? mapping->writable : mapping->readable));
}

/* What the instruction was about to do proves read or write when it names the same address, or,
 * where no address was told, one that could not be accessed. */
static void csn_look_at_instruction(struct csn_look *look)
{
	const struct csn_arch *arch = look->target->arch;
	struct csn_access access;
	uint8_t code[16];
	size_t size = csn_target_read_some(look->target, look->pc, code, sizeof(code));

	if (!size || !arch->decode_access ||
	    !arch->decode_access(code, size, &look->thread->registers, &access))
		return;
	if (look->address_known) {
		if (look->address < access.address ||
		    look->address - access.address >= access.size_bytes)
			return;
	} else if (look->signal->code == SI_KERNEL && !arch->is_canonical(access.address)) {
		look->noncanonical = true;
		look->address_known = true;
		look->address = access.address;
	} else if (csn_signal_is_bare(look->signal) && !csn_is_allowed(look, &access)) {
		look->address_known = true;
		look->address = access.address;
	} else {
		return;
	}
	look->read = access.kind == CSN_ACCESS_READ;
	look->write = access.kind == CSN_ACCESS_WRITE;
}

static void csn_look_at_memory_fault(struct csn_look *look)
{
	const struct csn_mapping *mapping;
	const struct csn_arch *arch = look->target->arch;

	look->address = look->signal->address;
	look->address_known = look->signal->has_address;
	look->bad_jump = !csn_mapped_as(look->target, look->pc, true);
	look->exec = look->bad_jump && (!look->address_known || look->address == look->pc);
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
		if (look->signal->number == SIGSEGV && look->signal->code == 2 && mapping &&
		    mapping->perms_known && mapping->readable && !mapping->writable &&
		    look->address != look->pc && !look->read)
			look->write = true;
	}
	look->null = look->address_known && look->address < CSN_NULL_PAGE;
	look->stack_overflow = !look->exec && !look->null && csn_is_stack_overflow(look);
}

/* Senders are numbered as the process itself sees them: by its own pid namespace. */
static bool csn_is_own_pid(const struct csn_look *look, int64_t pid)
{
	return pid == look->target->process.pid || pid == look->target->process.own_pid;
}

static void csn_look_at_names(struct csn_look *look)
{
	size_t n = csn_min_u64(look->stack->n_frames, CSN_TELLING_FRAMES);

	for (size_t row = 0; row < csn_countof(csn_tellers); row++) {
		for (size_t i = 0; i < n; i++) {
			const char *name = look->stack->frames[i].function;

			/* Behind a signal handler other code speaks. */
			if (look->stack->frames[i].signal_frame)
				break;
			if (!name || !csn_name_tells(name, csn_tellers[row].function))
				continue;
			look->machinery = csn_tellers[row].words;
			csn_look_note(look, csn_tellers[row].classifier);
			return;
		}
	}
}

/* What the C library said before it gave up, where no name on the stack tells it: its inner
 * functions have names only in its debug file. */
static void csn_look_at_last_words(struct csn_look *look)
{
	const struct csn_abort_kind *kind;

	if (look->machinery || look->signal->number != SIGABRT || !look->signal->has_sender ||
	    !csn_is_own_pid(look, look->signal->sender_pid))
		return;
	kind = csn_abort_kind_read(look->target, look->modules);
	if (!kind)
		return;
	look->machinery = kind->words;
	csn_look_note(look, kind->classifier);
}

static void csn_look_classify(struct csn_look *look)
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
		{ look->signal->number == SIGBUS && look->signal->code == 1, "alignment" },
		{ look->stack_overflow, "stack-overflow" },
	};

	for (size_t i = 0; i < csn_countof(csn_signal_rows); i++)
		if (csn_signal_rows[i].number == look->signal->number)
			csn_look_note(look, csn_signal_rows[i].classifier);
	for (size_t i = 0; i < csn_countof(rows); i++)
		if (rows[i].holds)
			csn_look_note(look, rows[i].classifier);
	/* Whatever the signal, machinery is trusted only where a program ends itself. */
	if (look->signal->number == SIGABRT || look->signal->number == SIGILL ||
	    look->signal->number == SIGTRAP)
		csn_look_at_names(look);
	csn_look_at_last_words(look);
	csn_look_note(look, "stop");
}

/* --- the sentence --- */

static const char *csn_describe_access(const struct csn_look *look)
{
	if (look->exec)
		return "jump to";
	if (look->stack_overflow)
		return "stack overflow at";
	if (look->write)
		return "write to";
	return look->read ? "read from" : "access to";
}

static void csn_describe_address(const struct csn_look *look, char *out, size_t size)
{
	const char *why = "";

	if (look->signal->code == 1 && look->signal->number == SIGSEGV)
		why = ", not mapped";
	else if (look->signal->code == 2 && look->signal->number == SIGSEGV)
		why = ", not permitted";
	if (look->null)
		snprintf(out, size, look->address ? "NULL+0x%" PRIx64 : "NULL", look->address);
	else
		snprintf(out, size, "0x%" PRIx64 "%s", look->address,
			 look->noncanonical     ? ", no possible address"
			 : look->stack_overflow ? ""
						: why);
}

static const char *csn_name_of_code(const struct csn_signal *signal)
{
	return csn_signal_is_bare(signal) ? NULL
					  : csn_signal_code_name(signal->number, signal->code);
}

static void csn_describe_what(const struct csn_look *look, char *out, size_t size)
{
	const struct csn_signal *signal = look->signal;
	const char *name = csn_signal_name(signal->number);
	const char *code = csn_name_of_code(signal);
	char number[32], where[64];

	snprintf(number, sizeof(number), "signal %d", signal->number);
	if (!name)
		name = number;
	if (look->machinery) {
		snprintf(out, size, "%s", look->machinery);
	} else if (signal->has_sender && csn_is_own_pid(look, signal->sender_pid)) {
		snprintf(out, size, "%s raised by the process itself", name);
	} else if (signal->has_sender) {
		snprintf(out, size, "%s sent by %s from pid %" PRId64 " uid %" PRId64, name,
			 signal->code == SI_TKILL   ? "tgkill(2)"
			 : signal->code == SI_QUEUE ? "sigqueue(3)"
						    : "kill(2)",
			 signal->sender_pid, signal->sender_uid);
	} else if (look->address_known && (signal->number == SIGSEGV || signal->number == SIGBUS)) {
		csn_describe_address(look, where, sizeof(where));
		snprintf(out, size, "%s %s", csn_describe_access(look), where);
	} else if (signal->number == SIGFPE && signal->code == 1) {
		snprintf(out, size, "integer division by zero");
	} else if (signal->number == SIGILL && signal->code > 0) {
		snprintf(out, size, "illegal instruction");
	} else {
		snprintf(out, size, code ? "%s (%s)" : "%s", name, code);
	}
}

/* Where the object of a frame begins: its first mapping. */
static csn_addr csn_object_start(const struct csn_look *look,
				 const struct csn_snapshot_frame *frame)
{
	const struct csn_target *target = look->target;

	for (size_t i = 0; i < target->n_mappings; i++)
		if (target->mappings[i].path &&
		    strcmp(target->mappings[i].path, frame->library) == 0)
			return target->mappings[i].start;
	return 0;
}

/* "session_close (net)", "vim.basic+0x1234". Text in the arena; NULL when out of memory. */
static const char *csn_describe_place(const struct csn_look *look,
				      const struct csn_snapshot_frame *frame)
{
	struct csn_arena *arena = look->snapshot->arena;
	const char *slash = frame->library ? strrchr(frame->library, '/') : NULL;
	const char *library = slash ? slash + 1 : frame->library;

	if (!frame->function)
		return csn_arena_sprintf(arena, "%s+0x%" PRIx64, library,
					 frame->address - csn_object_start(look, frame));
	if (!library)
		return csn_arena_strdup(arena, frame->function);
	return csn_arena_sprintf(arena, "%.*s (%s)", (int)csn_min_u64(strlen(frame->function), 200),
				 frame->function, library);
}

static int csn_set_verdict(const struct csn_look *look)
{
	const struct csn_snapshot_frame *frame = csn_frame_to_blame(look);
	const char *place, *text;
	char what[160];

	csn_describe_what(look, what, sizeof(what));
	if (!frame)
		return csn_snapshot_set_string(look->snapshot, "verdict", what, look->err);
	place = csn_describe_place(look, frame);
	text = place ? csn_arena_sprintf(look->snapshot->arena, "%s in %s", what, place) : NULL;
	return text ? csn_snapshot_set_string(look->snapshot, "verdict", text, look->err)
		    : csn_fail_nomem(look->err);
}

static int csn_set_fault(const struct csn_look *look)
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
		.code_name = csn_name_of_code(signal),
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

int csn_fault_analyze(struct csn_snapshot *snapshot, struct csn_target *target,
		      struct csn_modules *modules, const struct csn_thread *thread,
		      const struct csn_snapshot_thread *stack, struct csn_error *err)
{
	struct csn_look look = { .snapshot = snapshot,
				 .target = target,
				 .modules = modules,
				 .thread = thread,
				 .stack = stack,
				 .signal = &target->signal,
				 .err = err };
	int result;

	if (!target->signal.present || !target->signal.number)
		return 0;
	look.pc = thread->registers.value[target->arch->pc];
	look.sp = thread->registers.value[target->arch->sp];
	/* A signal that somebody sent says nothing about the instruction. */
	if (!look.signal->has_sender &&
	    (look.signal->number == SIGSEGV || look.signal->number == SIGBUS))
		csn_look_at_memory_fault(&look);
	else if (look.signal->has_address) {
		look.address_known = true;
		look.address = look.signal->address;
	}
	csn_look_classify(&look);
	if (look.result < 0)
		return look.result;
	result = csn_set_fault(&look);
	return result < 0 ? result : csn_set_verdict(&look);
}
