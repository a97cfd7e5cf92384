/* Names: which expression of the program had a value, or lay at an address.
 *
 * A name is given only where the code of the frame was seen to compute it from variables of the
 * debug information, and where memory and registers still say the same. Names live in the
 * snapshot's arena, types in the debug information. Private to the analysis; one thread at a time.
 */
#ifndef CSN_ANALYZE_NAMING_H
#define CSN_ANALYZE_NAMING_H

#include "analyze/origin.h"
#include "values/places.h"

/* Variables of one function. */
struct csn_naming_function {
	struct csn_variable_place *places;
	size_t n_places;
};

/* A frame that is asked about, at one instruction. */
struct csn_naming {
	const struct csn_scene *scene;
	struct csn_value_frame *frame; /* a copy, at the instruction */
	struct csn_origin origin;
	struct csn_naming_function *functions; /* innermost first */
	size_t n_functions;
};

struct csn_named {
	const char *text;          /* "conn->peer" */
	struct csn_type *type;     /* of it, stripped; NULL unknown */
	bool is_table;             /* it is the virtual table of what text says */
	const char *pointer;       /* what was followed last: "conn"; NULL nothing */
	struct csn_type *pointing; /* its type */
	csn_addr pointed;          /* its value */
};

/* False when nothing can be said of the frame. */
bool csn_naming_begin(const struct csn_scene *scene, const struct csn_value_frame *of,
		      struct csn_naming *ret_naming);
/* What has the value of a term. */
bool csn_name_value(struct csn_naming *naming, const struct csn_term *term,
		    struct csn_named *ret_named);
/* What lies at address, a few bytes behind which the value of a term may be. */
bool csn_name_place(struct csn_naming *naming, const struct csn_term *term, csn_addr address,
		    struct csn_named *ret_named);

#endif
