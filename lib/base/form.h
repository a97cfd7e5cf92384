/* Forms of values that have parts: how their parts are written together.
 *
 * "{a = 1, b = 2}" as in C, "Point { x: 1, y: 2 }", "Some(1)", "[1, 2]", "{"a": 1}" as in Rust,
 * "main.T{A:1, B:2}" as in Go. A title may stand before them. No state, any thread. */
#ifndef CSN_BASE_FORM_H
#define CSN_BASE_FORM_H

#include "base/types.h"

enum csn_form {
	CSN_FORM_BRACES, /* as debuggers of C write them */
	CSN_FORM_FIELDS,
	CSN_FORM_TUPLE,
	CSN_FORM_LIST,
	CSN_FORM_MAP,     /* sets, too: their parts have no names */
	CSN_FORM_LITERAL, /* of Go */
};

struct csn_form_marks {
	const char *name; /* of the form, in documents; "" for braces */
	const char *open, *close;
	const char *between; /* name and value; NULL: names are not told */
};

/* Never NULL. */
const struct csn_form_marks *csn_form_marks(enum csn_form form);
/* Unknown names are braces. */
enum csn_form csn_form_find(const char *name);

#endif
