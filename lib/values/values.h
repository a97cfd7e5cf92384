/* Values of variables: what the debug information says is where, read from the target.
 *
 * A frame with its registers goes in, a tree of values comes out: names, types and texts as the
 * language's users write them (and as gdb prints them). A value that cannot be had says why. All
 * effort is bounded by a budget; what it cuts is marked. Results live in the arena given to
 * csn_values_new. One thread at a time. */
#ifndef CSN_VALUES_VALUES_H
#define CSN_VALUES_VALUES_H

#include "base/form.h"
#include "dwarf/variable.h"
#include "symbols/module.h"
#include "target/target.h"

enum csn_value_state {
	CSN_VALUE_OK,
	CSN_VALUE_OPTIMIZED_OUT, /* it is nowhere in the program */
	CSN_VALUE_NOT_HERE,      /* it is nowhere at this place of the program */
	CSN_VALUE_NO_REGISTER,   /* it was in a register that was not saved, or not kept */
	CSN_VALUE_NOT_IN_DUMP,   /* it is in memory that the dump leaves out */
	CSN_VALUE_UNMAPPED,      /* its address is none */
	CSN_VALUE_BUDGET,        /* nobody looked: the budget was used up */
	CSN_VALUE_UNSUPPORTED,   /* its debug information is broken or not understood */
	CSN_VALUE_CYCLE,         /* links came back to where they had been */
};

enum csn_value_role {
	CSN_ROLE_PLAIN, /* a local variable, a member, an element */
	CSN_ROLE_PARAMETER,
	CSN_ROLE_BASE, /* the part that a base class is */
	CSN_ROLE_STATIC,
};

struct csn_value_node {
	const char *name; /* NULL: an element, or a member without name */
	const char *type; /* NULL: an element; its array says it */
	enum csn_value_role role;
	enum csn_value_state state;
	const char *text;      /* NULL: the parts say it, or the state why there is none */
	uint64_t repeats;      /* an element that stands for so many equal ones; 0 and 1: for one */
	bool is_cut;           /* there are more parts */
	bool parts_are_target; /* the parts are what it points to */
	bool has_title;        /* the text says what the parts are of: "std::list" */
	enum csn_form form;    /* how the parts are written together, behind the text */
	struct csn_value_node *parts;
	size_t n_parts;
	/* Of a pointer or reference: the type of the object that it leads to, when that is derived
	 * from the declared one, NULL. A pointer has the parts of this one, a reference of the
	 * declared one. */
	const char *dynamic_type;
	const char *same_as; /* what it points to was told there: a path; NULL */
	/* For those who look closer. */
	struct csn_type *declared; /* NULL void, or unknown */
	csn_addr address;          /* where it lies in memory, if has_address */
	uint64_t size_bytes;       /* 0 unknown */
	uint64_t number;           /* of a scalar, a pointer, a reference, if has_number */
	bool has_address, has_number;
	bool is_pointer; /* the number is an address of something: pointers, references */
};

/* Zeroed: no limit but those of base/limits.h. */
struct csn_value_budget {
	uint64_t elements; /* of one array or text */
	uint64_t depth;    /* structures within structures */
	/* Pointers to structures in a row that are followed, from a variable on. A member of a
	 * variable counts like one behind a pointer. 0: none. */
	uint64_t follow;
	uint64_t values;     /* nodes of the tree, in all */
	uint64_t text_bytes; /* in all */
	int64_t deadline_ns; /* monotonic */
};

/* A frame that is really there. */
struct csn_value_frame {
	const struct csn_thread *thread;
	struct csn_module *module; /* NULL none */
	csn_addr pc;
	bool exact;     /* pc is no return address */
	bool innermost; /* of its thread, whose vector registers are its own */
	struct csn_registers registers;
	struct csn_scope scope;                  /* unit NULL: nothing is known */
	struct csn_value_frame *caller, *callee; /* NULL unknown, or not in this way */
};

struct csn_values;

/* Borrows all. */
int csn_values_new(struct csn_arena *arena, struct csn_target *target, struct csn_modules *modules,
		   const struct csn_value_budget *budget, struct csn_values **ret_values,
		   struct csn_error *err) csn_must_check;
/* Lets the debug information of further modules be read, for what objects really are. */
void csn_values_let_read(struct csn_values *values,
			 bool (*may_read)(void *context, const struct csn_module *module),
			 void *context);
void csn_values_free(struct csn_values *values);
void csn_values_freep(struct csn_values **values);

/* Sets the scopes of frames of any modules. */
int csn_values_find_scopes(struct csn_values *values, struct csn_value_frame *const *frames,
			   size_t n_frames, struct csn_error *err) csn_must_check;
/* Variables of one function of the frame's scope (or only its parameters). */
int csn_values_of_function(struct csn_values *values, struct csn_value_frame *frame,
			   size_t function, bool parameters_only,
			   struct csn_value_node **ret_values, size_t *ret_count,
			   struct csn_error *err) csn_must_check;
/* Which variables outside functions are read. */
struct csn_value_globals {
	struct csn_module *module;
	const struct csn_thread *thread; /* whose storage of threads is looked into */
	bool (*wanted)(void *context, const char *name); /* NULL: all; see dwarf/named.h */
	void *context;
};

/* Those of one unit. */
struct csn_value_unit {
	const char *file; /* NULL unknown; as long as the module */
	struct csn_value_node **values;
	size_t count;
};

/* As far as the budget goes, in the order of the debug information. */
int csn_values_of_globals(struct csn_values *values, const struct csn_value_globals *query,
			  struct csn_value_unit **ret_units, size_t *ret_count,
			  struct csn_error *err) csn_must_check;
/* Names the symbols that pointers lead to, in all texts made so far; call it last. */
int csn_values_name_pointers(struct csn_values *values, struct csn_error *err) csn_must_check;
/* Was something cut by the budget of values, text or time? */
bool csn_values_cut(const struct csn_values *values);
/* Is it used up, so that nothing more has a value? Then something was cut. */
bool csn_values_used_up(struct csn_values *values);

/* "optimized out", "not in the dump": why there is no value. */
const char *csn_value_state_name(enum csn_value_state state);

#endif
