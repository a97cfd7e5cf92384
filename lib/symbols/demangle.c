#include "symbols/demangle.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <libiberty/demangle.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/limits.h"

/* D names may refer back to themselves, each reference doubling the output; its demangler has no
 * callback through which to stop it, so what it would have to read is counted before. */
#define MAX_D_NAME 1024
#define MAX_D_EXPANDED 200000u

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

/* The position that a reference at name[at] points back to: base 26, the last digit in lower case
 * (dlang.org/spec/abi.html, back references). False when there is none. */
static bool d_reference(const char *name, size_t at, size_t *ret_to)
{
	size_t distance = 0, i = at + 1;

	if (name[at] != 'Q')
		return false;
	for (; name[i] >= 'A' && name[i] <= 'Z'; i++)
		if (distance <= MAX_D_NAME)
			distance = 26 * distance + (size_t)(name[i] - 'A');
	if (name[i] < 'a' || name[i] > 'z')
		return false;
	distance = 26 * distance + (size_t)(name[i] - 'a');
	if (!distance || distance > at)
		return false;
	*ret_to = at - distance;
	return true;
}

/* At most so many characters are read when all references are followed: one to an identifier reads
 * that, one to a type no more than everything between. */
static uint64_t d_expanded(const char *name)
{
	uint64_t total[MAX_D_NAME + 1] = { 0 };
	size_t at, to;

	for (at = 0; name[at]; at++) {
		uint64_t cost = 1;

		if (d_reference(name, at, &to))
			cost += name[to] >= '0' && name[to] <= '9' ? MAX_D_NAME / 16
								   : total[at] - total[to];
		total[at + 1] = csn_min_u64(total[at] + cost, MAX_D_EXPANDED + 1);
		if (total[at + 1] > MAX_D_EXPANDED)
			return total[at + 1];
	}
	return total[at];
}

static char *demangle_d(const char *mangled)
{
	if (strlen(mangled) > MAX_D_NAME || d_expanded(mangled) > MAX_D_EXPANDED)
		return NULL;
	return dlang_demangle(mangled, DMGL_DLANG);
}

static int hex_digit(char digit)
{
	static const char digits[] = "0123456789abcdef";
	const char *found = digit ? strchr(digits, digit) : NULL;

	return found ? (int)(found - digits) : -1;
}

/* Go's linker escapes what may not be in a symbol, such as dots in the last part of an import path
 * (cmd/internal/objabi, PathToPrefix), and its assembly writes other characters for dot and slash.
 */
static const char *demangle_go(struct csn_arena *arena, const char *raw)
{
	static const struct {
		const char *from;
		char to;
	} dots[] = { { "\xc2\xb7", '.' }, { "\xe2\x88\x95", '/' } };
	char *text = csn_arena_strdup(arena, raw), *out = text;
	const char *at = raw;

	while (text && *at) {
		int high = *at == '%' ? hex_digit(at[1]) : -1;
		int low = high >= 2 ? hex_digit(at[2]) : -1;
		size_t dot = 0;

		while (dot < csn_countof(dots) &&
		       strncmp(at, dots[dot].from, strlen(dots[dot].from)) != 0)
			dot++;
		if (dot < csn_countof(dots)) {
			*out++ = dots[dot].to;
			at += strlen(dots[dot].from);
		} else if (low >= 0 && 16 * high + low != 0x7f) {
			*out++ = (char)(16 * high + low);
			at += 3;
		} else {
			*out++ = *at++;
		}
	}
	if (text)
		*out = '\0';
	return text && strcmp(text, raw) != 0 ? text : NULL;
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

	if (length > CSN_MAX_MANGLED_NAME)
		return NULL;
	if (raw[0] != '_')
		return strpbrk(raw, CSN_GO_ESCAPES) ? demangle_go(arena, raw) : NULL;
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
