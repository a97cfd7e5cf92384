/* Names of types of C++ libraries, as those who use them write them. */
#include <ctype.h>
#include <string.h>

#include "base/cleanup.h"
#include "values/printer.h"

/* Templates within templates within one name. */
#define CSN_NAME_NESTING 32u

/* Namespaces that only tell versions of a library apart. */
static bool is_inline_namespace(const char *name, size_t length)
{
	static const char *const names[] = { "__cxx11",   "__1", "__2", "__ndk1",         "__debug",
					     "__cxx1998", "__8", "_V2", "fundamentals_v1" };

	for (size_t i = 0; i < csn_countof(names); i++)
		if (strlen(names[i]) == length && memcmp(names[i], name, length) == 0)
			return true;
	return false;
}

/* Where the template arguments of a name begin: at its end when it has none. 0 when something
 * follows behind them: it is a name within another type. */
static size_t find_arguments(const char *name)
{
	const char *first = strchr(name, '<');
	size_t depth = 0;

	if (!first)
		return strlen(name);
	for (const char *at = first; *at; at++) {
		depth += *at == '<';
		/* "->" is of a function's type. */
		depth -= *at == '>' && at[-1] != '-' && depth;
		if (!depth)
			return at[1] ? 0 : (size_t)(first - name);
	}
	return 0;
}

/* Behind "struct " and the like, as C has it. */
static const char *skip_word(const char *text)
{
	static const char *const words[] = { "struct ", "class ", "union " };

	for (size_t i = 0; text && i < csn_countof(words); i++)
		if (strncmp(text, words[i], strlen(words[i])) == 0)
			return text + strlen(words[i]);
	return text;
}

const char *csn_name_plain(struct csn_values *values, struct csn_type *type)
{
	const char *text = skip_word(csn_type_text(type)), *at = text;
	size_t left = text ? find_arguments(text) : 0, n = 0;
	char plain[128];

	if (!left || left >= sizeof(plain))
		return NULL;
	while (left) {
		const char *colon = memmem(at, left, "::", 2);
		size_t name = colon ? (size_t)(colon - at) : left, length = colon ? name + 2 : left;

		if (!colon || !is_inline_namespace(at, name)) {
			memcpy(plain + n, at, length);
			n += length;
		}
		left -= length;
		at += length;
	}
	return csn_arena_strndup(values->arena, plain, n);
}

bool csn_type_is_template(struct csn_type *type, const char *name)
{
	size_t length = strlen(name);

	type = csn_type_strip(type);
	return type && type->name && strncmp(type->name, name, length) == 0 &&
	       (!type->name[length] || type->name[length] == '<');
}

/* --- short names --- */

/* A name while it is shortened. */
struct shortening {
	const char *at; /* what is left to be read */
	char text[CSN_MAX_TYPE_TEXT];
	size_t n;
	unsigned nesting;
	bool failed;
};

static void put(struct shortening *s, char c)
{
	if (s->n + 1 < sizeof(s->text))
		s->text[s->n++] = c;
	else
		s->failed = true;
}

static bool begins_with(const struct shortening *s, size_t from, const char *text)
{
	size_t length = strlen(text);

	return s->n - from >= length && memcmp(s->text + from, text, length) == 0;
}

/* Arguments that are given when nothing else is said. */
static bool is_usual(const struct shortening *s, size_t from)
{
	static const char *const usual[] = { "std::allocator<", "std::char_traits<",
					     "std::less<",      "std::hash<",
					     "std::equal_to<",  "std::default_delete<" };

	for (size_t i = 0; i < csn_countof(usual); i++)
		if (begins_with(s, from, usual[i]))
			return true;
	return false;
}

/* Texts have names of their own. */
static void name_text(struct shortening *s, size_t from)
{
	static const struct {
		const char *whole, *name;
	} texts[] = {
		{ "std::basic_string<char>", "std::string" },
		{ "std::basic_string<wchar_t>", "std::wstring" },
		{ "std::basic_string<char8_t>", "std::u8string" },
		{ "std::basic_string<char16_t>", "std::u16string" },
		{ "std::basic_string<char32_t>", "std::u32string" },
		{ "std::basic_string_view<char>", "std::string_view" },
		{ "std::basic_string_view<wchar_t>", "std::wstring_view" },
	};

	for (size_t i = 0; i < csn_countof(texts); i++) {
		if (!begins_with(s, from, texts[i].whole) || s->n - from != strlen(texts[i].whole))
			continue;
		s->n = from;
		for (const char *at = texts[i].name; *at; at++)
			put(s, *at);
		return;
	}
}

static bool is_of_name(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == ':';
}

static void shorten(struct shortening *s);

/* "<A, B>"; the name in front of it begins at from. */
static void shorten_arguments(struct shortening *s, size_t from)
{
	bool first = true;

	if (++s->nesting > CSN_NAME_NESTING)
		s->failed = true;
	put(s, '<');
	do {
		size_t before = s->n, begin;

		s->at++;
		while (*s->at == ' ')
			s->at++;
		if (!first) {
			put(s, ',');
			put(s, ' ');
		}
		begin = s->n;
		shorten(s);
		if (!first && is_usual(s, begin))
			s->n = before;
		first = false;
	} while (*s->at == ',' && !s->failed);
	s->nesting--;
	if (*s->at != '>') {
		s->failed = true;
		return;
	}
	s->at++;
	put(s, '>');
	name_text(s, from);
}

/* As far as the next ',' or '>' that is not its own. */
static void shorten(struct shortening *s)
{
	size_t name = s->n, part = s->n, open = 0;

	while (*s->at && !s->failed) {
		char c = *s->at;

		if (!open && (c == ',' || c == '>'))
			break;
		if (c == '<') {
			shorten_arguments(s, name);
			continue;
		}
		open += c == '(';
		open -= c == ')' && open;
		s->at++;
		if (c == ':' && *s->at == ':') {
			s->at++;
			if (is_inline_namespace(s->text + part, s->n - part)) {
				s->n = part;
				continue;
			}
			put(s, ':');
			put(s, ':');
			part = s->n;
			continue;
		}
		put(s, c);
		if (!is_of_name(c))
			name = part = s->n;
	}
	while (s->n > name && s->text[s->n - 1] == ' ')
		s->n--;
}

/* A shorter text of a type, or the one that it has. */
static const char *short_text(struct shortening *s, struct csn_type *type)
{
	const char *text = csn_type_text(type);

	if (!text)
		return "??";
	*s = (struct shortening){ .at = text };
	shorten(s);
	s->text[s->n] = '\0';
	return s->failed || *s->at ? text : s->text;
}

const char *csn_print_typed(struct csn_printing *printing, size_t n_arguments)
{
	cleanup_(csn_buf_done) struct csn_buf out = CSN_BUF_INIT(CSN_MAX_TYPE_TEXT);
	struct csn_type *type = printing->whole.type;
	struct shortening s;
	const char *text;

	csn_type_read_parts(type);
	if (!type->n_arguments)
		return printing->name;
	csn_buf_printf(&out, "%s<", printing->name);
	for (size_t i = 0; i < type->n_arguments && i < n_arguments; i++)
		csn_buf_printf(&out, "%s%s", i ? ", " : "",
			       short_text(&s, type->arguments[i].type));
	csn_buf_putc(&out, '>');
	text = csn_buf_ok(&out) ? csn_arena_strdup(printing->values->arena, csn_buf_text(&out))
				: NULL;
	return text ? text : printing->name;
}
