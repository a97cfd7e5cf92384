#include "symbols/demangle.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <libiberty/demangle.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/limits.h"

/* D names may refer back to themselves, each reference doubling the output; its demangler has no
 * callback through which to stop it. */
#define MAX_D_REFERENCES 12
#define MAX_D_NAME 1024

/* A few hundred mangled bytes can demand gigabytes of output through substitutions. The C++ and
 * Rust demanglers keep their state on the stack, so they can be left in the middle when the cap is
 * reached; there is no other way to stop them. */
struct sink {
	struct csn_buf text;
	jmp_buf full;
};

static void append(const char *piece, size_t size, void *context)
{
	struct sink *sink = context;

	csn_buf_append(&sink->text, piece, size);
	if (!csn_buf_ok(&sink->text))
		longjmp(sink->full, 1);
}

typedef int (*demangle_fn)(const char *mangled, int options, demangle_callbackref callback,
			   void *context);

static bool run(demangle_fn demangle, const char *mangled, struct sink *sink)
{
	csn_buf_clear(&sink->text);
	if (setjmp(sink->full) != 0)
		return false;
	return demangle(mangled, DMGL_PARAMS | DMGL_ANSI, append, sink) != 0 && sink->text.size > 0;
}

static char *demangle_d(const char *mangled)
{
	unsigned references = 0;
	const char *at;

	for (at = mangled; *at; at++)
		references += *at == 'Q';
	if (at - mangled > MAX_D_NAME || references > MAX_D_REFERENCES)
		return NULL;
	return dlang_demangle(mangled, DMGL_DLANG);
}

static const char *demangle_capped(struct csn_arena *arena, const char *mangled)
{
	struct sink sink = { .text = CSN_BUF_INIT(CSN_MAX_SYMBOL_NAME) };
	const char *answer = NULL;

	/* Rust first: its legacy form is also a valid C++ name. */
	if (run(rust_demangle_callback, mangled, &sink) ||
	    (mangled[1] != 'R' && run(cplus_demangle_v3_callback, mangled, &sink)))
		answer = csn_arena_strndup(arena, csn_buf_text(&sink.text), sink.text.size);
	csn_buf_done(&sink.text);
	return answer;
}

const char *csn_demangle(struct csn_arena *arena, const char *raw)
{
	size_t length = strcspn(raw, "@");
	cleanup_free char *mangled = NULL, *d_name = NULL;

	if (raw[0] != '_' || length > CSN_MAX_MANGLED_NAME)
		return NULL;
	if (raw[1] != 'Z' && raw[1] != 'R' && raw[1] != 'D' && strncmp(raw, "_GLOBAL_", 8) != 0)
		return NULL;
	mangled = strndup(raw, length);
	if (!mangled)
		return NULL;
	if (raw[1] != 'D')
		return demangle_capped(arena, mangled);
	d_name = demangle_d(mangled);
	if (!d_name || strlen(d_name) > CSN_MAX_SYMBOL_NAME)
		return NULL;
	return csn_arena_strdup(arena, d_name);
}
