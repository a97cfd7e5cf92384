/* What the run time of Go says before it ends a program. The argument of the panic stands in the
 * record that the goroutine points to; what type it is of, the run time's own description says.
 * The text of a fatal error is what runtime.throw was called with. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "analyze/panic_internal.h"
#include "symbols/lookup.h"

/* Of a goroutine (runtime.g): where its stack begins and ends, and the panic under way; of that
 * (runtime._panic): what panic was called with. */
#define CSN_G_STACK_START 0
#define CSN_G_STACK_END 8
#define CSN_G_PANIC 32
#define CSN_PANIC_ARGUMENT 8
/* A thread points to the goroutine from below its own storage. */
#define CSN_G_BELOW_STORAGE 8
/* Of the description of a type (internal/abi, struct Type). */
#define CSN_TYPE_FLAGS 20
#define CSN_TYPE_KIND 23
#define CSN_TYPE_STRING 40
#define CSN_TYPE_FLAG_STAR 2u
#define CSN_KIND_MASK 31u
#define CSN_MAX_GO_NAME 128u
/* Of the stack of runtime.throw. */
#define CSN_THROW_STACK 512u

enum {
	CSN_KIND_INT = 2,
	CSN_KIND_INT64 = 6,
	CSN_KIND_UINTPTR = 12,
	CSN_KIND_POINTER = 22,
	CSN_KIND_STRING = 24,
	CSN_KIND_STRUCT = 25,
};

/* What panic was called with. */
struct argument {
	const struct csn_scene *scene;
	csn_addr types, description, data;
	unsigned kind;
	char name[CSN_MAX_GO_NAME + 1]; /* of its type */
};

static bool read_string(struct csn_target *target, csn_addr at, struct csn_panic_text *ret_text)
{
	uint64_t words[2];

	return csn_target_read_some(target, at, words, sizeof(words)) == sizeof(words) &&
	       csn_panic_read_text(target, words[0], words[1], ret_text);
}

/* The name of a type: a byte of flags and a length in front of it. */
static bool read_name(struct csn_target *target, csn_addr types, csn_addr description,
		      char name[CSN_MAX_GO_NAME + 1])
{
	struct csn_panic_text text;
	uint8_t flags, head[3];
	uint32_t offset;
	size_t length, star;

	if (csn_target_read_some(target, description + CSN_TYPE_FLAGS, &flags, sizeof(flags)) !=
		    sizeof(flags) ||
	    csn_target_read_some(target, description + CSN_TYPE_STRING, &offset, sizeof(offset)) !=
		    sizeof(offset) ||
	    csn_target_read_some(target, types + offset, head, sizeof(head)) != sizeof(head))
		return false;
	length = head[1] & 0x7f;
	if (head[1] & 0x80)
		length |= (size_t)head[2] << 7;
	star = flags & CSN_TYPE_FLAG_STAR ? 1 : 0;
	if (length <= star || length > CSN_MAX_GO_NAME ||
	    !csn_panic_read_text(target, types + offset + (head[1] & 0x80 ? 3 : 2), length, &text))
		return false;
	snprintf(name, CSN_MAX_GO_NAME + 1, "%s", text.bytes + star);
	return true;
}

/* The argument of the panic that the goroutine on this thread is in. */
static bool read_argument(const struct csn_scene *scene, struct argument *ret_argument)
{
	struct csn_target *target = scene->target;
	struct csn_module *program = scene->modules ? csn_modules_main(scene->modules) : NULL;
	uint64_t storage, g, start, end, panic, size;
	uint8_t kind;

	if (!program ||
	    !csn_register_find(target->arch, &scene->fault_thread->registers, "fs_base",
			       &storage) ||
	    !csn_target_read_word(target, storage - CSN_G_BELOW_STORAGE, &g) ||
	    !csn_target_read_word(target, g + CSN_G_STACK_START, &start) ||
	    !csn_target_read_word(target, g + CSN_G_STACK_END, &end) ||
	    !csn_target_read_word(target, g + CSN_G_PANIC, &panic) || panic < start ||
	    panic >= end ||
	    !csn_target_read_word(target, panic + CSN_PANIC_ARGUMENT, &ret_argument->description) ||
	    !csn_target_read_word(target, panic + CSN_PANIC_ARGUMENT + sizeof(g),
				  &ret_argument->data) ||
	    !csn_lookup_address(scene->modules, program, "runtime.types", &ret_argument->types,
				&size) ||
	    csn_target_read_some(target, ret_argument->description + CSN_TYPE_KIND, &kind,
				 sizeof(kind)) != sizeof(kind))
		return false;
	ret_argument->scene = scene;
	ret_argument->kind = kind & CSN_KIND_MASK;
	return read_name(target, ret_argument->types, ret_argument->description,
			 ret_argument->name);
}

/* --- what types of the run time and of its library say --- */

static const char *say_text(const struct argument *argument, const char *before, const char *after)
{
	struct csn_panic_text text;

	return read_string(argument->scene->target, argument->data, &text)
		       ? csn_panic_say(argument->scene, "panic", before, &text, after)
		       : NULL;
}

static const char *say_bounds(const struct argument *argument)
{
	static const char *const formats[] = {
		"index out of range [%s] with length %s",
		"slice bounds out of range [:%s] with length %s",
		"slice bounds out of range [:%s] with capacity %s",
		"slice bounds out of range [%s:%s]",
		"slice bounds out of range [::%s] with length %s",
		"slice bounds out of range [::%s] with capacity %s",
		"slice bounds out of range [:%s:%s]",
		"slice bounds out of range [%s:%s:]",
	};
	/* The bounds that are below zero are told alone. */
	static const char *const negative[] = {
		"index out of range [%s]",          "slice bounds out of range [:%s]",
		"slice bounds out of range [:%s]",  "slice bounds out of range [%s:]",
		"slice bounds out of range [::%s]", "slice bounds out of range [::%s]",
		"slice bounds out of range [:%s:]", "slice bounds out of range [%s::]",
	};
	struct csn_panic_text text = { 0 };
	const char *format;
	char index[24], length[24];
	struct {
		uint64_t index;
		int64_t length;
		uint8_t is_signed, code, unused[6];
	} error;

	if (csn_target_read_some(argument->scene->target, argument->data, &error, sizeof(error)) <
		    offsetof(__typeof__(error), unused) ||
	    error.code >= csn_countof(formats) || error.is_signed > 1)
		return NULL;
	snprintf(index, sizeof(index), error.is_signed ? "%" PRId64 : "%" PRIu64, error.index);
	snprintf(length, sizeof(length), "%" PRId64, error.length);
	format = error.is_signed && (int64_t)error.index < 0 ? negative[error.code]
							     : formats[error.code];
	for (size_t numbers = 0; *format; format++) {
		const char *number = numbers ? length : index;

		if (format[0] != '%') {
			text.bytes[text.n_bytes++] = *format;
			continue;
		}
		memcpy(text.bytes + text.n_bytes, number, strlen(number));
		text.n_bytes += strlen(number);
		numbers++;
		format++;
	}
	text.size_bytes = text.n_bytes;
	return csn_panic_say(argument->scene, "panic", "runtime error: ", &text, "");
}

/* A type assertion that failed: the interface's type, what it held, what was wanted, and the
 * method that was missing for it. */
static const char *say_assertion(const struct argument *argument)
{
	struct csn_target *target = argument->scene->target;
	char names[3][CSN_MAX_GO_NAME + 1] = { "interface", "nil", "" };
	struct csn_panic_text text = { 0 }, method;
	uint64_t types[3];
	int n;

	if (csn_target_read_some(target, argument->data, types, sizeof(types)) != sizeof(types))
		return NULL;
	for (size_t i = 0; i < csn_countof(types); i++)
		if (types[i] && !read_name(target, argument->types, types[i], names[i]))
			return NULL;
	if (!types[2] || !read_string(target, argument->data + sizeof(types), &method))
		method.n_bytes = 0;
	n = method.n_bytes && types[1]
		    ? snprintf(text.bytes, sizeof(text.bytes), "%s is not %s: missing method %.64s",
			       names[1], names[2], method.bytes)
		    : snprintf(text.bytes, sizeof(text.bytes), "%s is %s, not %s", names[0],
			       names[1], names[2]);
	text.n_bytes = text.size_bytes = csn_min_u64((uint64_t)n, sizeof(text.bytes) - 1);
	return csn_panic_say(argument->scene, "panic", "interface conversion: ", &text, "");
}

static const char *say_bare(const struct argument *argument)
{
	return say_text(argument, "", "");
}

static const char *say_error(const struct argument *argument)
{
	return say_text(argument, "runtime error: ", "");
}

static const struct {
	const char *name; /* of the type */
	unsigned kind;
	const char *(*say)(const struct argument *argument);
} known[] = {
	{ "string", CSN_KIND_STRING, say_bare },
	{ "runtime.plainError", CSN_KIND_STRING, say_bare },
	{ "runtime.errorString", CSN_KIND_STRING, say_error },
	{ "runtime.errorAddressString", CSN_KIND_STRUCT, say_error },
	{ "runtime.boundsError", CSN_KIND_STRUCT, say_bounds },
	{ "*runtime.TypeAssertionError", CSN_KIND_POINTER, say_assertion },
	{ "*errors.errorString", CSN_KIND_POINTER, say_bare },
	{ "*fmt.wrapError", CSN_KIND_POINTER, say_bare },
};

/* --- what programs say --- */

/* A number, with the name of a type that is not built in. */
static const char *say_number(const struct argument *argument)
{
	static const uint8_t sizes[] = { 8, 1, 2, 4, 8 };
	bool is_signed = argument->kind <= CSN_KIND_INT64;
	unsigned place = argument->kind - CSN_KIND_INT - (is_signed ? 0 : 5);
	struct csn_panic_text text = { 0 };
	const char *named = strchr(argument->name, '.');
	uint64_t number = 0;
	size_t size_bytes = place < csn_countof(sizes) ? sizes[place] : sizeof(number);
	int n;

	if (csn_target_read_some(argument->scene->target, argument->data, &number, size_bytes) !=
	    size_bytes)
		return NULL;
	if (is_signed && size_bytes < sizeof(number))
		number = (uint64_t)((int64_t)(number << (64 - 8 * size_bytes)) >>
				    (64 - 8 * size_bytes));
	n = snprintf(text.bytes, sizeof(text.bytes),
		     is_signed ? "%s%s%" PRId64 "%s" : "%s%s%" PRIu64 "%s",
		     named ? argument->name : "", named ? "(" : "", number, named ? ")" : "");
	text.n_bytes = text.size_bytes = (uint64_t)n;
	return csn_panic_say(argument->scene, "panic", "", &text, "");
}

static const char *say_argument(const struct argument *argument)
{
	struct csn_panic_text text = { 0 };
	char before[CSN_MAX_GO_NAME + 4];

	for (size_t i = 0; i < csn_countof(known); i++)
		if (strcmp(known[i].name, argument->name) == 0 && known[i].kind == argument->kind)
			return known[i].say(argument);
	snprintf(before, sizeof(before), "%s(\"", argument->name);
	if (argument->kind == CSN_KIND_STRING)
		return say_text(argument, before, "\")");
	if (argument->kind >= CSN_KIND_INT && argument->kind <= CSN_KIND_UINTPTR)
		return say_number(argument);
	/* What it would say of itself only its own code knows. */
	text.n_bytes = text.size_bytes = strlen(argument->name);
	memcpy(text.bytes, argument->name, text.n_bytes);
	return csn_panic_say(argument->scene, "panic", "a value of type ", &text, "");
}

/* --- fatal errors --- */

/* The only constant text that the stack of a frame points to. */
static const char *say_thrown(const struct csn_scene *scene, size_t frame)
{
	csn_addr start = csn_panic_stack(scene, frame);
	csn_addr end = csn_panic_stack_of_caller(scene, frame);
	uint64_t words[CSN_THROW_STACK / sizeof(uint64_t)];
	struct csn_panic_text text, found = { 0 };
	size_t n;

	if (!start || end <= start || end - start > sizeof(words) - 2 * sizeof(words[0]))
		return NULL;
	n = csn_target_read_some(scene->target, start, words, end - start + 2 * sizeof(words[0])) /
	    sizeof(words[0]);
	for (size_t i = 0; i + 1 < n; i++) {
		if (words[i + 1] < 4 || words[i + 1] > CSN_PANIC_TEXT ||
		    !csn_panic_is_constant(scene->target, words[i]) ||
		    !csn_panic_read_text(scene->target, words[i], words[i + 1], &text))
			continue;
		if (found.n_bytes && strcmp(found.bytes, text.bytes) != 0)
			return NULL;
		found = text;
	}
	return found.n_bytes ? csn_panic_say(scene, "fatal error", "", &found, "") : NULL;
}

const char *csn_go_panic_describe(const struct csn_scene *scene)
{
	static const char *const panics[] = { "runtime.gopanic" };
	static const char *const throws[] = { "runtime.throw", "runtime.fatal" };
	struct argument argument;
	size_t frame;

	if (scene->target->arch->word_bytes != sizeof(uint64_t))
		return NULL;
	frame = csn_panic_find_frame(scene, 0, throws, csn_countof(throws));
	if (frame != SIZE_MAX)
		return say_thrown(scene, frame);
	frame = csn_panic_find_frame(scene, 0, panics, csn_countof(panics));
	return frame != SIZE_MAX && read_argument(scene, &argument) ? say_argument(&argument)
								    : NULL;
}
