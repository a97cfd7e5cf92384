/* A name is copied once into the arena and then rewritten in place by small steps, each of which
 * only ever shortens it. The one step with real syntax is drop_groups: a walk over the demangled
 * text that skips balanced brackets, except the few that are part of a name ("(anonymous
 * namespace)", "operator()", Rust's "<A as B>::m", Go's "(*T)"). Anything unbalanced is copied, so
 * hostile or unknown syntax yields an odd name and never a wrong length. */
#include "group/canonical.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include <libiberty/demangle.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "group/role.h"

struct name {
	char *text;
	size_t length;
	unsigned rewrites;
};

static const char *const rewrite_names[] = {
	"demangled",      "arguments", "templates", "return type", "qualifiers", "ABI tag",
	"symbol version", "clone",     "Rust hash", "lambda",      "libc alias", "CPU variant",
};

void csn_rewrites_write(unsigned rewrites, struct csn_buf *out)
{
	const char *comma = "";

	for (size_t i = 0; i < csn_countof(rewrite_names); i++) {
		if (!(rewrites & 1u << i))
			continue;
		csn_buf_printf(out, "%s%s", comma, rewrite_names[i]);
		comma = ", ";
	}
}

static bool starts_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static void cut(struct name *name, size_t length, unsigned rewrite)
{
	name->length = length;
	name->text[length] = '\0';
	name->rewrites |= rewrite;
}

static void drop_front(struct name *name, size_t count, unsigned rewrite)
{
	memmove(name->text, name->text + count, name->length - count + 1);
	name->length -= count;
	name->rewrites |= rewrite;
}

static bool drop_suffix(struct name *name, const char *suffix, unsigned rewrite)
{
	size_t n = strlen(suffix);

	if (name->length <= n || strcmp(name->text + name->length - n, suffix) != 0)
		return false;
	cut(name, name->length - n, rewrite);
	return true;
}

static bool drop_prefix(struct name *name, const char *prefix, unsigned rewrite)
{
	size_t n = strlen(prefix);

	if (name->length <= n || !starts_with(name->text, prefix))
		return false;
	drop_front(name, n, rewrite);
	return true;
}

/* Index of the bracket closing the one at i, 0 when there is none. "->" closes nothing. */
static size_t matching(const char *text, size_t length, size_t i)
{
	const char *pairs = "()<>[]{}", *pair = strchr(pairs, text[i]);
	char open = pair[0], close = pair[1];
	size_t depth = 0;

	for (; i < length; i++) {
		if (text[i] == open)
			depth++;
		else if (text[i] == close && !(close == '>' && i > 0 && text[i - 1] == '-') &&
			 --depth == 0)
			return i;
	}
	return 0;
}

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '$';
}

/* Length of "operator" with its symbol when one stands at i ("operator<<", "operator()"), of
 * "operator " before a type or new/delete, else 0. */
static size_t operator_length(const char *text, size_t i)
{
	static const char *const symbols[] = { "<=>", "<<=", ">>=", "->*", "()", "[]", "<<",
					       ">>",  "<=",  ">=",  "->",  "<",  ">" };
	const size_t word = strlen("operator");

	if (!starts_with(text + i, "operator") || (i > 0 && is_word(text[i - 1])) ||
	    is_word(text[i + word]))
		return 0;
	for (size_t k = 0; k < csn_countof(symbols); k++)
		if (starts_with(text + i + word, symbols[k]))
			return word + strlen(symbols[k]);
	if (starts_with(text + i + word, " new[]"))
		return word + strlen(" new[]");
	if (starts_with(text + i + word, " delete[]"))
		return word + strlen(" delete[]");
	return word;
}

/* Compiler-made names inside braces, without their numbers. */
static const struct {
	const char *begins, *becomes;
} braces[] = {
	{ "{lambda", "{lambda}" },     { "{unnamed", "{unnamed}" }, { "{{closure", "{closure}" },
	{ "{closure", "{closure}" },   { "{{impl", "{impl}" },      { "{impl", "{impl}" },
	{ "{{vtable.shim", "{shim}" }, { "{shim", "{shim}" },
};

/* One walk: reading position, what was written, and where a leading "<" closes: its ">" is kept
 * ("<A as B>") or not. */
struct walk {
	struct name *name;
	char *to; /* WALK_GROWTH times the name's length */
	size_t in, out, close;
	bool keep_close;
};

/* "$_0" becomes "{lambda}": no step makes more of less. */
#define WALK_GROWTH 3

static void put(struct walk *walk, const char *text, size_t length)
{
	memcpy(walk->to + walk->out, text, length);
	walk->out += length;
}

static void skip_to(struct walk *walk, size_t close, unsigned rewrite)
{
	walk->in = close + 1;
	walk->name->rewrites |= rewrite;
}

static void walk_brace(struct walk *walk, size_t close)
{
	const char *text = walk->name->text + walk->in;
	size_t length = close + 1 - walk->in;

	for (size_t i = 0; i < csn_countof(braces); i++) {
		size_t n = strlen(braces[i].becomes);

		if (!starts_with(text, braces[i].begins) || n > length)
			continue;
		if (n != length)
			walk->name->rewrites |= CSN_REWRITE_LAMBDA;
		put(walk, braces[i].becomes, n);
		walk->in = close + 1;
		return;
	}
	put(walk, text, length);
	walk->in = close + 1;
}

static void walk_angle(struct walk *walk, size_t close)
{
	char *text = walk->name->text;

	if (walk->in == 0 && starts_with(text + close, ">::")) {
		/* Rust: "<A as B>::m" stays, "<A>::m" is "A::m". */
		const char *as = strstr(text, " as ");

		walk->close = close;
		walk->keep_close = as && as < text + close;
		if (walk->keep_close)
			put(walk, "<", 1);
		walk->in++;
		return;
	}
	if (walk->out >= 2 && memcmp(walk->to + walk->out - 2, "::", 2) == 0)
		walk->out -= 2; /* Rust's turbofish: name::<T> */
	skip_to(walk, close, CSN_REWRITE_TEMPLATES);
}

static void walk_round(struct walk *walk, size_t close)
{
	static const char anonymous[] = "(anonymous namespace)";
	const char *text = walk->name->text;

	if (starts_with(text + walk->in, anonymous) ||
	    (starts_with(text + walk->in, "(*") && walk->in > 0 && text[walk->in - 1] == '.')) {
		size_t length = close + 1 - walk->in;

		put(walk, text + walk->in, length);
		walk->in = close + 1;
		return;
	}
	skip_to(walk, close, CSN_REWRITE_ARGUMENTS);
}

/* clang's "$_0" and LLVM's 'lambda0' are lambdas too. True when something was consumed. */
static bool walk_lambda(struct walk *walk)
{
	const char *text = walk->name->text + walk->in;
	size_t n = 0;

	if (starts_with(text, "$_"))
		n = 2 + strspn(text + 2, "0123456789");
	else if (starts_with(text, "'lambda"))
		n = strcspn(text + 1, "'") + 2;
	if (n < 3 || n > walk->name->length - walk->in)
		return false;
	walk->in += n;
	walk->name->rewrites |= CSN_REWRITE_LAMBDA;
	put(walk, "{lambda}", strlen("{lambda}"));
	return true;
}

static bool walk_bracket(struct walk *walk)
{
	const char *text = walk->name->text;
	size_t close;

	if (!strchr("(<[{", text[walk->in]))
		return false;
	close = matching(text, walk->name->length, walk->in);
	if (close == 0)
		return false;
	switch (text[walk->in]) {
	case '(':
		walk_round(walk, close);
		break;
	case '<':
		walk_angle(walk, close);
		break;
	case '[':
		skip_to(walk, close, CSN_REWRITE_ABI_TAG);
		break;
	default:
		walk_brace(walk, close);
	}
	return true;
}

static bool drop_groups(struct csn_arena *arena, struct name *name)
{
	struct walk walk = { .name = name };

	walk.to = csn_arena_array(arena, name->length + 1, WALK_GROWTH);
	if (!walk.to)
		return false;

	while (walk.in < name->length) {
		size_t n = operator_length(name->text, walk.in);

		if (n > 0) {
			put(&walk, name->text + walk.in, n);
			walk.in += n;
			continue;
		}
		if (walk.close && walk.in == walk.close) {
			walk.close = 0;
			if (!walk.keep_close) {
				walk.in++;
				continue;
			}
		} else if (walk_bracket(&walk) || walk_lambda(&walk)) {
			continue;
		}
		put(&walk, name->text + walk.in, 1);
		walk.in++;
	}
	name->text = walk.to;
	name->length = walk.out;
	name->text[walk.out] = '\0';
	return true;
}

static void drop_qualifiers(struct name *name)
{
	static const char *const suffixes[] = {
		" const", " volatile", " noexcept", " &&", " &", " "
	};
	static const char *const prefixes[] = { "non-virtual thunk to ", "virtual thunk to ",
						"covariant return thunk to ",
						"transaction clone for ", " " };
	bool again = true;

	while (again) {
		again = false;
		for (size_t i = 0; i < csn_countof(suffixes); i++)
			again |= drop_suffix(name, suffixes[i], CSN_REWRITE_QUALIFIERS);
		for (size_t i = 0; i < csn_countof(prefixes); i++)
			again |= drop_prefix(name, prefixes[i], CSN_REWRITE_QUALIFIERS);
	}
}

/* What stands before the last blank outside brackets, and before "operator", is the return type. */
static void drop_return_type(struct name *name)
{
	size_t last = 0, depth = 0;

	for (size_t i = 0; i < name->length; i++) {
		char c = name->text[i];
		size_t n = operator_length(name->text, i);

		if (n > 0)
			break;
		if (strchr("(<{", c))
			depth++;
		else if (strchr(")>}", c) && depth > 0)
			depth--;
		else if (c == ' ' && depth == 0)
			last = i + 1;
	}
	if (last > 0 && last < name->length)
		drop_front(name, last, CSN_REWRITE_RETURN_TYPE);
	while (name->length > 1 && strchr("*&", name->text[0]))
		drop_front(name, 1, CSN_REWRITE_RETURN_TYPE);
}

static bool all_digits(const char *text)
{
	return *text && text[strspn(text, "0123456789")] == '\0';
}

static void drop_clone_suffixes(struct name *name)
{
	static const char *const words[] = { "isra",     "part",       "cold",    "constprop",
					     "lto_priv", "localalias", "clone",   "llvm",
					     "resolver", "default",    "abi0",    "abiinternal",
					     "__uniq",   "avx2",       "sse4_2",  "avx512f",
					     "warm",     "hot",        "unlikely" };
	char *clone = strstr(name->text, " [clone ");
	char *dot;

	if (clone)
		cut(name, (size_t)(clone - name->text), CSN_REWRITE_CLONE);
	while ((dot = strrchr(name->text, '.')) && dot > name->text) {
		bool known = all_digits(dot + 1) || starts_with(dot + 1, "arch_");

		for (size_t i = 0; !known && i < csn_countof(words); i++)
			known = strcmp(dot + 1, words[i]) == 0;
		if (!known)
			return;
		cut(name, (size_t)(dot - name->text), CSN_REWRITE_CLONE);
	}
}

static void drop_rust_hash(struct name *name)
{
	const size_t n = strlen("::h0123456789abcdef");
	const char *tail = name->text + name->length - n;

	if (name->length > n && starts_with(tail, "::h") &&
	    strspn(tail + 3, "0123456789abcdef") == 16)
		cut(name, name->length - n, CSN_REWRITE_RUST_HASH);
}

static void drop_version(struct name *name)
{
	char *at = strchr(name->text, '@');

	if (at && at > name->text)
		cut(name, (size_t)(at - name->text), CSN_REWRITE_VERSION);
}

/* memcpy, __strlen, wcslen...: functions the C library picks by processor. */
static bool is_dispatched(const char *text)
{
	static const char *const families[] = { "mem",    "str",  "stp",   "wcs",  "wmem",
						"rawmem", "bcmp", "bcopy", "bzero" };

	text += strspn(text, "_");
	for (size_t i = 0; i < csn_countof(families); i++)
		if (starts_with(text, families[i]))
			return true;
	return false;
}

static void drop_cpu_variant(struct name *name)
{
	static const char *const suffixes[] = {
		"_avx2",      "_avx",     "_avx512", "_avx512vl", "_evex",      "_evex512",
		"_sse2",      "_ssse3",   "_sse4_1", "_sse4_2",   "_sse42",     "_sse3",
		"_unaligned", "_aligned", "_erms",   "_rtm",      "_back",      "_no_vzeroupper",
		"_movbe",     "_fma",     "_fma4",   "_generic",  "_neon",      "_asimd",
		"_mops",      "_sve",     "_a64fx",  "_thunderx", "_thunderx2", "_falkor",
		"_mte",       "_power8",  "_power9", "_power10",
	};
	bool again = starts_with(name->text, "__") || is_dispatched(name->text);

	while (again) {
		again = false;
		for (size_t i = 0; i < csn_countof(suffixes); i++)
			again |= drop_suffix(name, suffixes[i], CSN_REWRITE_CPU_VARIANT);
	}
}

/* The C library exports one function under several names; a symbol table picks any of them. */
static void drop_libc_alias(struct name *name, bool in_libc)
{
	bool aliased = drop_prefix(name, "__GI_", CSN_REWRITE_LIBC_ALIAS) ||
		       drop_prefix(name, "IA__", CSN_REWRITE_LIBC_ALIAS);

	/* Elsewhere only "__strlen" and its like are known to be the C library's. */
	if (!in_libc && !aliased && !(starts_with(name->text, "__") && is_dispatched(name->text)))
		return;
	drop_prefix(name, "__libc_", CSN_REWRITE_LIBC_ALIAS);
	drop_prefix(name, "_IO_new_", CSN_REWRITE_LIBC_ALIAS);
	drop_prefix(name, "_IO_", CSN_REWRITE_LIBC_ALIAS);
	if (starts_with(name->text, "__")) {
		size_t n = strspn(name->text, "_");

		if (n < name->length)
			drop_front(name, n, CSN_REWRITE_LIBC_ALIAS);
	}
	drop_suffix(name, "_nocancel", CSN_REWRITE_LIBC_ALIAS);
	drop_suffix(name, "_internal", CSN_REWRITE_LIBC_ALIAS);
	drop_suffix(name, "_chk", CSN_REWRITE_LIBC_ALIAS);
	if (name->length > 2 && isalpha((unsigned char)name->text[name->length - 3]))
		drop_suffix(name, "64", CSN_REWRITE_LIBC_ALIAS);
}

/* The demangler's text when the name is mangled, else a copy. */
static char *plain_text(struct csn_arena *arena, const char *name, unsigned *rewrites)
{
	cleanup_free char *demangled = NULL;

	if (strlen(name) < CSN_MAX_SYMBOL_NAME &&
	    (starts_with(name, "_Z") || starts_with(name, "__Z") || starts_with(name, "_R")))
		demangled = cplus_demangle(name + starts_with(name, "__Z"),
					   DMGL_PARAMS | DMGL_ANSI | DMGL_AUTO);
	if (!demangled)
		return csn_arena_strndup(arena, name, strnlen(name, CSN_MAX_SYMBOL_NAME));
	*rewrites |= CSN_REWRITE_DEMANGLED;
	return csn_arena_strndup(arena, demangled, strnlen(demangled, CSN_MAX_SYMBOL_NAME));
}

/* "<signal handler called>", "-[Class method:]": not ours to take apart. */
static bool is_opaque(const struct name *name)
{
	const char *text = name->text;

	return name->length == 0 || starts_with(text, "-[") || starts_with(text, "+[") ||
	       (text[0] == '<' && matching(text, name->length, 0) == name->length - 1);
}

char *csn_canonical_name(struct csn_arena *arena, const char *name, const char *module,
			 unsigned *ret_rewrites)
{
	struct name work = { .rewrites = 0 };
	char *before;

	work.text = plain_text(arena, name, &work.rewrites);
	if (!work.text)
		return NULL;
	work.length = strlen(work.text);
	before = csn_arena_strdup(arena, work.text);
	if (!before)
		return NULL;
	if (!is_opaque(&work)) {
		drop_version(&work);
		drop_clone_suffixes(&work);
		drop_rust_hash(&work);
		if (!drop_groups(arena, &work))
			return NULL;
		drop_qualifiers(&work);
		drop_return_type(&work);
		drop_rust_hash(&work);
		drop_clone_suffixes(&work);
		drop_cpu_variant(&work);
		drop_libc_alias(&work, csn_module_is_libc(module));
	}
	if (ret_rewrites)
		*ret_rewrites = work.length ? work.rewrites : 0;
	return work.length ? work.text : before;
}
