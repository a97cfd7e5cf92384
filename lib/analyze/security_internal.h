/* Private to the look for changed programs. */
#ifndef CSN_ANALYZE_SECURITY_INTERNAL_H
#define CSN_ANALYZE_SECURITY_INTERNAL_H

#include "analyze/security.h"

struct csn_security {
	const struct csn_scene *scene;
	uint64_t n_findings;
	int64_t deadline_ns;
	bool late; /* something was left out */
	struct csn_error *err;
	int result;
};

/* Counts a finding, and tells it unless there are too many. */
void csn_security_find(struct csn_security *look, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* The time is up. */
bool csn_security_is_late(struct csn_security *look);
/* "anonymous memory", "not mapped", "[heap]", the name of a file: what lies at an address. */
const char *csn_security_describe(const struct csn_security *look, csn_addr addr);

/* security_text.c: compares code with its file. Only what is in the dump is compared. */
void csn_security_check_text(struct csn_security *look, struct csn_module *module);
/* security_links.c: entries that the dynamic linker filled. */
void csn_security_check_links(struct csn_security *look, struct csn_module *module);
/* Whether the module says that the linker changes its code (DT_TEXTREL). */
bool csn_security_relocates_text(struct csn_module *module);

#endif
