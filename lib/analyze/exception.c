#include "analyze/exception.h"

#include <string.h>

#include "symbols/demangle.h"

/* From the end of the stack to the frame of what threw: abort, terminate and the unwinder. */
#define CSN_THROW_WORDS 1024u
#define CSN_MAX_TYPE_NAME 256u
#define CSN_MAX_WHAT 100u
/* From a derived class to one that we know. */
#define CSN_MAX_BASES 8u

/* "GNUCC++\0" as a number, the last byte first. */
#define CSN_GNU_CLASS 0x474e5543432b2b00u

/* Bytes from the unwinder's part of the header to its other members, and to the object. */
#define CSN_TO_TYPE (-80)
#define CSN_TO_HANDLERS (-40)
#define CSN_TO_OBJECT 32

/* Of std::type_info: its name; of classes with one base: the base. Of a std::exception with a text:
 * the pointer to it. */
#define CSN_TYPE_NAME 8
#define CSN_TYPE_BASE 16
#define CSN_WHAT 8

static bool csn_is_exception(struct csn_target *target, csn_addr header)
{
	uint64_t word;

	return header % 16 == 0 && csn_target_read_word(target, header, &word) &&
	       word == CSN_GNU_CLASS &&
	       csn_target_read_word(target, header + CSN_TO_HANDLERS, &word) && (int32_t)word > 0;
}

/* The only exception that the registers and the words at the end of the stack point to, by header
 * or by object. */
static bool csn_find_exception(struct csn_target *target, const struct csn_registers *registers,
			       csn_addr *ret_header)
{
	uint64_t words[CSN_N_REGISTERS + CSN_THROW_WORDS];
	csn_addr sp = registers->value[target->arch->sp];
	size_t n = CSN_N_REGISTERS + csn_target_read_some(target, sp, words + CSN_N_REGISTERS,
							  CSN_THROW_WORDS * sizeof(words[0])) /
					     sizeof(words[0]);
	csn_addr found = 0;

	memcpy(words, registers->value, sizeof(registers->value));
	for (size_t i = 0; i < n; i++) {
		const csn_addr places[] = { words[i], words[i] - CSN_TO_OBJECT };

		for (size_t k = 0; k < csn_countof(places); k++) {
			if (places[k] == found || places[k] < 4096 ||
			    !csn_is_exception(target, places[k]))
				continue;
			if (found)
				return false;
			found = places[k];
		}
	}
	*ret_header = found;
	return found != 0;
}

static const char *csn_type_name(struct csn_arena *arena, struct csn_target *target, csn_addr type)
{
	uint64_t name;

	return csn_target_read_word(target, type + CSN_TYPE_NAME, &name)
		       ? csn_target_read_string(target, arena, name, CSN_MAX_TYPE_NAME)
		       : NULL;
}

/* The classes of libstdc++ that hold the text for what() right behind their table of functions, or
 * one that is derived from them alone. */
static bool csn_has_text(struct csn_arena *arena, struct csn_target *target, csn_addr type)
{
	static const char *const known[] = {
		"St11logic_error",    "St12domain_error",    "St12length_error",
		"St12out_of_range",   "St11range_error",     "St13runtime_error",
		"St14overflow_error", "St15underflow_error", "St16invalid_argument",
	};

	for (size_t depth = 0; depth < CSN_MAX_BASES; depth++) {
		const char *name = csn_type_name(arena, target, type);
		uint64_t base;

		for (size_t i = 0; name && i < csn_countof(known); i++)
			if (strcmp(name, known[i]) == 0)
				return true;
		/* Names of classes begin with a length or with N; of all else there is no base. */
		if (!name || !strchr("123456789N", *name) ||
		    !csn_target_read_word(target, type + CSN_TYPE_BASE, &base))
			return false;
		type = base;
	}
	return false;
}

const char *csn_exception_describe(struct csn_arena *arena, struct csn_target *target,
				   const struct csn_registers *registers)
{
	static const char prefix[] = "typeinfo name for ";
	const char *name, *shown, *what = NULL;
	csn_addr header;
	uint64_t type, text;

	if (target->arch->word_bytes != sizeof(uint64_t) ||
	    !csn_find_exception(target, registers, &header) ||
	    !csn_target_read_word(target, header + CSN_TO_TYPE, &type))
		return NULL;
	name = csn_type_name(arena, target, type);
	if (!name || !*name)
		return NULL;
	name = csn_arena_sprintf(arena, "_ZTS%s", *name == '*' ? name + 1 : name);
	shown = name ? csn_demangle(arena, name) : NULL;
	if (!shown || strncmp(shown, prefix, sizeof(prefix) - 1) != 0)
		return NULL;
	shown += sizeof(prefix) - 1;
	if (csn_has_text(arena, target, type) &&
	    csn_target_read_word(target, header + CSN_TO_OBJECT + CSN_WHAT, &text))
		what = csn_target_read_string(target, arena, text, CSN_MAX_WHAT);
	return what && *what ? csn_arena_sprintf(arena, "%s (\"%s\")", shown, what) : shown;
}
