#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void set_text(struct csn_error *err, enum csn_code code, const char *format, va_list args)
{
	*err = (struct csn_error){ .code = code };
	vsnprintf(err->text, sizeof(err->text), format, args);
}

int csn_fail(struct csn_error *err, enum csn_code code, const char *format, ...)
{
	va_list args;

	if (!err)
		return -(int)code;
	va_start(args, format);
	set_text(err, code, format, args);
	va_end(args);
	return -(int)code;
}

int csn_fail_os(struct csn_error *err, int errnum, const char *format, ...)
{
	size_t used;
	va_list args;

	if (!err)
		return -CSN_E_OS;
	va_start(args, format);
	set_text(err, CSN_E_OS, format, args);
	va_end(args);
	err->os_errno = errnum;
	used = strlen(err->text);
	snprintf(err->text + used, sizeof(err->text) - used, ": %s", strerror(errnum));
	return -CSN_E_OS;
}

int csn_fail_at(struct csn_error *err, csn_addr addr, const char *format, ...)
{
	va_list args;

	if (!err)
		return -CSN_E_FAULT;
	va_start(args, format);
	set_text(err, CSN_E_FAULT, format, args);
	va_end(args);
	err->has_addr = true;
	err->addr = addr;
	return -CSN_E_FAULT;
}

int csn_fail_nomem(struct csn_error *err)
{
	return csn_fail(err, CSN_E_NOMEM, "out of memory");
}

int csn_wrap(struct csn_error *err, const char *format, ...)
{
	char inner[sizeof(err->text)];
	size_t used;
	va_list args;

	if (!err)
		return -CSN_E_FORMAT;
	memcpy(inner, err->text, sizeof(inner));
	va_start(args, format);
	vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	used = strlen(err->text);
	snprintf(err->text + used, sizeof(err->text) - used, ": %s", inner);
	return -(int)err->code;
}

const char *csn_code_name(enum csn_code code)
{
	static const char *const names[] = {
		[CSN_OK] = "ok",
		[CSN_E_NOMEM] = "no-memory",
		[CSN_E_OS] = "os",
		[CSN_E_FORMAT] = "format",
		[CSN_E_UNSUPPORTED] = "unsupported",
		[CSN_E_NOT_FOUND] = "not-found",
		[CSN_E_FAULT] = "fault",
		[CSN_E_LIMIT] = "limit",
		[CSN_E_DENIED] = "denied",
		[CSN_E_TIMEOUT] = "timeout",
		[CSN_E_USAGE] = "usage",
	};

	return (size_t)code < csn_countof(names) ? names[code] : "unknown";
}
