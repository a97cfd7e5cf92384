/* What the files of the unwinder share: unwind.c steps by call-frame information and holds the
 * rules; bare.c steps where there is none; golang.c knows the ways of Go's runtime. */
#ifndef CSN_UNWIND_UNWIND_INTERNAL_H
#define CSN_UNWIND_UNWIND_INTERNAL_H

#include "unwind/emulate.h"
#include "unwind/unwind.h"

/* Direct-mapped; a stack has few distinct counters, however deep it is. */
#define CSN_RULE_CACHE 1024u

enum csn_rule_kind {
	CSN_RULE_EMPTY,
	CSN_RULE_NO_CODE, /* pc lies in no executable mapping */
	CSN_RULE_NO_CFI,
	CSN_RULE_BROKEN_CFI,
	CSN_RULE_CFI,
	CSN_RULE_TRAMPOLINE,
	CSN_RULE_SWITCH, /* it moved to this stack from another one */
	CSN_RULE_FIRST,  /* nothing called it: its address was put on the stack by hand */
};

/* What most rows come to: CFA at a distance of a register, registers saved at distances of the CFA,
 * the others untouched or lost. */
struct csn_plain_row {
	bool is_plain;
	uint8_t n_saved;
	uint64_t same; /* bit n: register n is the caller's */
	int64_t return_offset;
	struct {
		uint8_t reg;
		int64_t offset;
	} saved[CSN_CFI_REGISTERS];
};

struct csn_rule {
	csn_addr pc;
	bool exact;
	bool has_start, has_state, is_entry; /* bare.c: what was found out so far */
	bool is_injected;                    /* golang.c: entered from a signal handler */
	bool gives_up;                       /* golang.c: the goroutine is not this thread's */
	uint8_t tries;                       /* of finding it from a stack */
	enum csn_rule_kind kind;
	struct csn_module *module;
	const char *switched_from; /* SWITCH: the Go function; NULL: there is no way back */
	const struct csn_trampoline *trampoline; /* TRAMPOLINE */
	struct csn_plain_row plain;              /* CFI: the same as row, when is_plain */
	union {
		struct csn_cfi_row row;      /* CFI */
		struct csn_emul_state state; /* NO_CFI and BROKEN_CFI, has_state */
	};
};

struct csn_unwinder {
	struct csn_target *target;
	struct csn_modules *modules;
	const struct csn_arch *arch;
	struct csn_emulator *emulator; /* made when first needed */
	struct csn_rule rules[CSN_RULE_CACHE];
};

/* pc lies in an executable mapping. */
bool csn_is_code(struct csn_target *target, csn_addr pc);

/* Ends the walk; returns false. */
bool csn_unwind_stop(struct csn_unwind_cursor *cursor, enum csn_unwind_end end, csn_addr addr);
/* Takes the caller's registers, if they make sense; else ends the walk. */
bool csn_unwind_accept(struct csn_unwind_cursor *cursor, const struct csn_registers *caller,
		       enum csn_unwind_how how);

/* What a signal handler returns to, if it lies at pc; NULL. */
const struct csn_trampoline *csn_find_trampoline(struct csn_unwinder *unwinder, csn_addr pc);
/* Does a call instruction end right before this address, which may be signed, or is it where signal
 * handlers return to? True also when that cannot be read. ret_address is without signature;
 * ret_target 0 when it cannot be told. */
bool csn_is_return_address(struct csn_unwinder *unwinder, csn_addr word, csn_addr *ret_address,
			   csn_addr *ret_target);
/* The address without the signature that the processor put into its unused bits. */
csn_addr csn_unwind_unsigned(const struct csn_unwinder *unwinder, csn_addr word);

/* One step in code without call-frame information. */
bool csn_unwind_by_code(struct csn_unwind_cursor *cursor, struct csn_rule *rule);
/* Marks rules of Go functions that are not what their tables say. */
void csn_go_settle(struct csn_rule *rule);
/* The caller of an injected function: is pc that of an instruction, not a return address? */
bool csn_go_is_exact(struct csn_unwinder *unwinder, csn_addr pc);
/* One step back to the stack that a goroutine left. */
bool csn_unwind_switched(struct csn_unwind_cursor *cursor, const struct csn_rule *rule);
/* One step out of what is no code. */
bool csn_unwind_by_call(struct csn_unwind_cursor *cursor);

#endif
