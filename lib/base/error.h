/* Errors: a fixed-size value that the caller owns; making one never allocates.
 *
 * A fallible function returns 0 or a negative enum csn_code and takes a struct csn_error last,
 * which may be NULL. Outputs stand just before it, are named ret_... and are written only on
 * success. Context is added on the way up with csn_wrap:
 *
 *	if (csn_core_open(path, &core, err) < 0)
 *		return csn_wrap(err, "%s", path);
 *
 * An absence (no symbol, register not saved) is a value, never an error. */
#ifndef CSN_BASE_ERROR_H
#define CSN_BASE_ERROR_H

#include "base/types.h"

enum csn_code {
	CSN_OK,
	CSN_E_NOMEM,
	CSN_E_OS,          /* a system call failed; os_errno is set */
	CSN_E_FORMAT,      /* the input is broken */
	CSN_E_UNSUPPORTED, /* the input is fine, we are not able */
	CSN_E_NOT_FOUND,
	CSN_E_FAULT, /* a target address that cannot be read; addr is set */
	CSN_E_LIMIT, /* a cap of base/limits.h was hit */
	CSN_E_DENIED,
	CSN_E_TIMEOUT,
	CSN_E_USAGE,
};

struct csn_error {
	enum csn_code code;
	int os_errno;
	bool has_addr;
	csn_addr addr;
	char text[256];
};

#define CSN_ERROR_INIT \
	{ \
		.code = CSN_OK \
	}

/* Each fills err (when not NULL) and returns -code, so that `return csn_fail(...)` reads well. */
int csn_fail(struct csn_error *err, enum csn_code code, const char *format, ...) csn_printf(3, 4);
/* Appends ": " and the text of errnum; ENOMEM, ENOENT and EACCES/EPERM keep CSN_E_OS as code. */
int csn_fail_os(struct csn_error *err, int errnum, const char *format, ...) csn_printf(3, 4);
int csn_fail_at(struct csn_error *err, csn_addr addr, const char *format, ...) csn_printf(3, 4);
int csn_fail_nomem(struct csn_error *err);

/* Puts "context: " before the text and returns -err->code (-CSN_E_FORMAT when err is NULL). */
int csn_wrap(struct csn_error *err, const char *format, ...) csn_printf(2, 3);

/* Stable lower-case word of a code ("format", "not-found"), for logs and JSON. */
const char *csn_code_name(enum csn_code code);

#endif
