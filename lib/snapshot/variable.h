/* Values of variables as a snapshot holds them: trees of texts. Owned by the snapshot's arena. */
#ifndef CSN_SNAPSHOT_VARIABLE_H
#define CSN_SNAPSHOT_VARIABLE_H

#include <stddef.h>

#include "base/form.h"
#include "base/types.h"

enum csn_variable_role {
	CSN_VARIABLE_PLAIN, /* a local variable, a member, an element */
	CSN_VARIABLE_PARAMETER,
	CSN_VARIABLE_BASE, /* the part that a base class is */
	CSN_VARIABLE_STATIC,
};

/* "parameter", "base", "static"; "" for plain. */
const char *csn_variable_role_name(enum csn_variable_role role);
enum csn_variable_role csn_variable_role_find(const char *name);

/* A variable's value, or a part of one. */
struct csn_snapshot_variable {
	const char *name;    /* NULL: an element, or a member without name */
	const char *type;    /* NULL: an element; its array says it */
	const char *value;   /* as a debugger prints it; NULL: the parts say it, or none is known */
	const char *missing; /* why no value is known: "optimized out"; NULL */
	enum csn_variable_role role;
	bool is_cut;           /* there are more parts */
	bool parts_are_target; /* the parts are those of what it points to */
	enum csn_form form;    /* how the parts are written together, behind the value */
	uint64_t repeats;      /* it stands for so many equal elements; 0 and 1: for one */
	struct csn_snapshot_variable *parts;
	size_t n_parts;
	const char
		*dynamic_type; /* of what it leads to, when derived from what is declared; NULL */
	const char *same_as;   /* path of the part that told what it points to; NULL */
};

/* Variables outside functions, of one source file. */
struct csn_snapshot_globals {
	const char *library; /* path of the object */
	const char *file;    /* as compiled; NULL unknown */
	struct csn_snapshot_variable *variables;
	size_t n_variables;
};

#endif
