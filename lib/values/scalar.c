#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "symbols/demangle.h"
#include "values/values_internal.h"

__extension__ typedef unsigned __int128 csn_wide;

uint64_t csn_number_of(const uint8_t *bytes, size_t size_bytes, bool is_signed)
{
	uint64_t number = 0;

	for (size_t i = 0; i < size_bytes && i < 8; i++)
		number |= (uint64_t)bytes[i] << (8 * i);
	if (is_signed && size_bytes && size_bytes < 8 && bytes[size_bytes - 1] & 0x80)
		number |= UINT64_MAX << (8 * size_bytes);
	return number;
}

bool csn_type_is_scalar(struct csn_type *type)
{
	switch (type->kind) {
	case CSN_TYPE_BASE:
	case CSN_TYPE_ENUM:
	case CSN_TYPE_POINTER:
	case CSN_TYPE_MEMBER_POINTER:
	case CSN_TYPE_UNSPECIFIED:
		return true;
	default:
		return false;
	}
}

void csn_pointer_print(struct csn_values *values, csn_addr address, struct csn_buf *out)
{
	csn_buf_printf(out, "0x%" PRIx64, address);
	if (csn_modules_find(values->modules, address))
		csn_buf_printf(out, "%c%016" PRIx64, CSN_SYMBOL_MARK, address);
}

/* --- numbers --- */

static void print_float(const uint8_t *bytes, size_t size_bytes, struct csn_buf *out)
{
	long double value = 0;
	uint64_t mantissa = csn_number_of(bytes, size_bytes, false);
	int digits = 21;
	double wide;
	float narrow;

	if (size_bytes == sizeof(narrow)) {
		memcpy(&narrow, bytes, sizeof(narrow));
		value = narrow;
		digits = 9;
		mantissa &= 0x7fffff;
	} else if (size_bytes == sizeof(wide)) {
		memcpy(&wide, bytes, sizeof(wide));
		value = wide;
		digits = 17;
		mantissa &= 0xfffffffffffffull;
	} else {
		memcpy(&value, bytes, csn_min_u64(size_bytes, sizeof(value)));
	}
	if (isnan(value))
		csn_buf_printf(out, "%snan(0x%" PRIx64 ")", signbit(value) ? "-" : "", mantissa);
	else
		csn_buf_printf(out, "%.*Lg", digits, value);
}

/* More than 64 bits, in decimal. */
static void print_wide(const uint8_t *bytes, bool is_signed, struct csn_buf *out)
{
	csn_wide value = csn_number_of(bytes + 8, 8, false);
	bool negative = is_signed && bytes[15] & 0x80;
	char text[48];
	size_t at = sizeof(text) - 1;

	value = value << 64 | csn_number_of(bytes, 8, false);
	value = negative ? -value : value;
	text[at] = '\0';
	do {
		text[--at] = (char)('0' + (int)(value % 10));
		value /= 10;
	} while (value);
	csn_buf_printf(out, "%s%s", negative ? "-" : "", text + at);
}

static void print_character(uint64_t number, size_t size_bytes, struct csn_type *declared,
			    struct csn_buf *out)
{
	unsigned width;
	const char *prefix = csn_string_prefix(declared, &width);

	csn_buf_puts(out, prefix ? prefix : "");
	csn_character_print((uint32_t)number, (unsigned)size_bytes, out);
}

static void print_base(struct csn_type *type, const uint8_t *bytes, size_t size_bytes,
		       struct csn_buf *out)
{
	uint64_t number = csn_number_of(bytes, size_bytes,
					type->encoding == CSN_ENCODING_SIGNED ||
						type->encoding == CSN_ENCODING_SIGNED_CHAR);

	switch (type->encoding) {
	case CSN_ENCODING_BOOL:
		if (number <= 1)
			csn_buf_puts(out, number ? "true" : "false");
		else
			csn_buf_printf(out, "%" PRIu64, number);
		return;
	case CSN_ENCODING_FLOAT:
		print_float(bytes, size_bytes, out);
		return;
	case CSN_ENCODING_COMPLEX_FLOAT:
		print_float(bytes, size_bytes / 2, out);
		csn_buf_puts(out, " + ");
		print_float(bytes + size_bytes / 2, size_bytes / 2, out);
		csn_buf_putc(out, 'i');
		return;
	case CSN_ENCODING_SIGNED_CHAR:
	case CSN_ENCODING_UNSIGNED_CHAR:
	case CSN_ENCODING_UTF:
		csn_buf_printf(out, "%" PRId64 " ", (int64_t)number);
		print_character(number, size_bytes, type, out);
		return;
	default:
		break;
	}
	if (size_bytes == 16)
		print_wide(bytes, type->encoding == CSN_ENCODING_SIGNED, out);
	else if (type->encoding == CSN_ENCODING_SIGNED)
		csn_buf_printf(out, "%" PRId64, (int64_t)number);
	else
		csn_buf_printf(out, "%" PRIu64, number);
}

/* --- enumerations --- */

static bool is_run_of_bits(uint64_t value)
{
	value /= value & -value;
	return !(value & (value + 1));
}

/* All values are bits, or runs of bits, to be combined. */
static bool is_flags(const struct csn_type *type)
{
	for (size_t i = 0; i < type->n_enumerators; i++) {
		int64_t value = type->enumerators[i].value;

		if (value < 0 || (value && !is_run_of_bits((uint64_t)value)))
			return false;
	}
	return true;
}

/* Enumerators are in the scope of their type, or of its own when it makes one. */
static void print_scope(struct csn_type *type, struct csn_buf *out)
{
	const char *text = csn_type_text(type);
	size_t length = 0, depth = 0;

	if (!type->name || !text)
		return;
	for (size_t i = 0; text[i]; i++) {
		depth += text[i] == '<';
		depth -= text[i] == '>' && depth;
		if (!depth && text[i] == ':' && text[i + 1] == ':')
			length = i + 2;
	}
	csn_buf_append(out, text, type->is_scoped ? strlen(text) : length);
	if (type->is_scoped)
		csn_buf_puts(out, "::");
}

static void print_flags(struct csn_type *type, uint64_t number, struct csn_buf *out)
{
	bool first = true;

	for (size_t i = 0; i < type->n_enumerators; i++) {
		uint64_t value = (uint64_t)type->enumerators[i].value;

		if (!(number & value))
			continue;
		csn_buf_puts(out, first ? "(" : " | ");
		print_scope(type, out);
		csn_buf_puts(out, type->enumerators[i].name);
		number &= ~value;
		first = false;
	}
	if (number)
		csn_buf_printf(out, "%sunknown: 0x%" PRIx64 ")", first ? "(" : " | ", number);
	else
		csn_buf_puts(out, first ? "0" : ")");
}

static void print_enum(struct csn_type *type, const uint8_t *bytes, size_t size_bytes,
		       struct csn_buf *out)
{
	uint64_t plain = csn_number_of(bytes, size_bytes, false);
	int64_t number = (int64_t)csn_number_of(bytes, size_bytes, true);
	struct csn_type *base = csn_type_strip(csn_type_target(type));

	csn_type_read_parts(type);
	if (base && base->encoding == CSN_ENCODING_BOOL) {
		print_base(base, bytes, size_bytes, out);
		return;
	}
	for (size_t i = 0; i < type->n_enumerators; i++) {
		if (type->enumerators[i].value != number &&
		    type->enumerators[i].value != (int64_t)plain)
			continue;
		print_scope(type, out);
		csn_buf_puts(out, type->enumerators[i].name);
		return;
	}
	if (is_flags(type))
		print_flags(type, plain, out);
	else
		csn_buf_printf(out, "%" PRId64, number);
}

/* --- pointers --- */

/* The text that a pointer to characters leads to. */
static void print_pointed(struct csn_values *values, csn_addr address, struct csn_type *target,
			  struct csn_buf *out)
{
	uint8_t bytes[4 * 256];
	unsigned width = 1;
	const char *prefix = csn_string_prefix(target, &width);
	uint64_t elements = values->budget.elements ? values->budget.elements : UINT64_MAX;
	uint64_t max = csn_min_u64(elements, sizeof(bytes) / 4 - 1);
	size_t there, n = 0;

	if (!prefix || !address)
		return;
	there = csn_target_read_some(values->target, address, bytes, (max + 1) * width) / width;
	while (n < there && n < max && csn_number_of(bytes + n * width, width, false))
		n++;
	csn_buf_putc(out, ' ');
	if (n == there && n <= max && n == 0) {
		csn_buf_printf(out, "<error: Cannot access memory at address 0x%" PRIx64 ">",
			       address + n * width);
		return;
	}
	csn_string_print(bytes, n, width, max,
			 n < there && n == max && csn_number_of(bytes + n * width, width, false),
			 prefix, out);
	if (n == there && n <= max)
		csn_buf_printf(out, "<error: Cannot access memory at address 0x%" PRIx64 ">",
			       address + n * width);
}

static void print_pointer(struct csn_values *values, struct csn_type *type, const uint8_t *bytes,
			  size_t size_bytes, struct csn_buf *out)
{
	csn_addr address = csn_number_of(bytes, size_bytes, false);
	struct csn_type *target = csn_type_target(type);

	csn_pointer_print(values, address, out);
	if (target)
		print_pointed(values, address, target, out);
}

/* The member at an offset of a class or of a base, as "Class::member" of the class that has it. */
static bool print_member(struct csn_type *of, uint64_t offset, unsigned *n_looked,
			 struct csn_buf *out)
{
	const char *text = of ? csn_type_text(of) : NULL;

	of = csn_type_strip(of);
	if (!of || !text || ++*n_looked > CSN_MAX_TYPE_BASES)
		return false;
	csn_type_read_parts(of);
	for (size_t i = 0; i < of->n_members; i++) {
		const struct csn_type_member *member = &of->members[i];

		if (member->kind == CSN_MEMBER_BASE && member->offset_bytes <= offset &&
		    print_member(member->type, offset - member->offset_bytes, n_looked, out))
			return true;
		if (member->kind != CSN_MEMBER_FIELD || member->offset_bytes != offset ||
		    !member->name)
			continue;
		csn_buf_printf(out, "&%s::%s", text, member->name);
		return true;
	}
	return false;
}

/* A function by its place in the table of virtual ones. */
static void print_virtual(struct csn_values *values, struct csn_type *of, int64_t offset,
			  struct csn_buf *out)
{
	uint64_t index = (uint64_t)offset / values->target->arch->word_bytes;
	const char *name = of ? csn_type_virtual_function(of, index) : NULL;
	const char *readable = name ? csn_demangle(values->arena, name) : NULL;

	if (name)
		csn_buf_printf(out, "&virtual %s", readable ? readable : name);
	else
		csn_buf_printf(out, "&virtual table offset %" PRId64, offset);
}

/* As the Itanium C++ ABI has them: an offset, or a function (or 1 + offset into the table of
 * virtual ones) and what to add to the object's address. */
static void print_member_pointer(struct csn_values *values, struct csn_type *type, const char *text,
				 const uint8_t *bytes, size_t size_bytes, struct csn_buf *out)
{
	struct csn_type *target = csn_type_strip(csn_type_target(type));
	int64_t number = (int64_t)csn_number_of(bytes, 8, false);
	unsigned n_looked = 0;
	int64_t adjustment;

	if (!target || target->kind != CSN_TYPE_FUNCTION || size_bytes < 16) {
		if (number == -1)
			csn_buf_puts(out, "NULL");
		else if (!print_member(csn_type_get(&type->containing), (uint64_t)number, &n_looked,
				       out))
			csn_buf_printf(out, "%" PRId64, number);
		return;
	}
	adjustment = (int64_t)csn_number_of(bytes + 8, 8, false);
	if (number & 1)
		print_virtual(values, csn_type_strip(csn_type_get(&type->containing)), number - 1,
			      out);
	else if (!number)
		csn_buf_puts(out, "NULL");
	else
		csn_buf_printf(out, "(%s) ", text ? text : "??");
	if (number && !(number & 1))
		csn_pointer_print(values, (csn_addr)number, out);
	if (adjustment)
		csn_buf_printf(out, ", this adjustment %" PRId64, adjustment);
}

size_t csn_take_bits(const uint8_t *bytes, size_t size_bytes, struct csn_type *type,
		     const struct csn_type_member *bits, uint8_t ret_bytes[8])
{
	bool is_signed =
		type->encoding == CSN_ENCODING_SIGNED || type->encoding == CSN_ENCODING_SIGNED_CHAR;
	csn_wide all = csn_number_of(bytes, size_bytes, false);
	uint64_t number;

	if (size_bytes > 8)
		all |= (csn_wide)bytes[8] << 64;
	number = (uint64_t)(all >> bits->bit_offset);
	if (!bits->bit_size)
		number = 0;
	else if (is_signed)
		number = (uint64_t)((int64_t)(number << (64 - bits->bit_size)) >>
				    (64 - bits->bit_size));
	else
		number = number << (64 - bits->bit_size) >> (64 - bits->bit_size);
	for (unsigned i = 0; i < 8; i++)
		ret_bytes[i] = (uint8_t)(number >> (8 * i));
	return 8;
}

enum csn_value_state csn_scalar_print(struct csn_values *values, const struct csn_object *object,
				      struct csn_type *declared, const struct csn_type_member *bits,
				      struct csn_buf *out)
{
	struct csn_type *type = csn_type_strip(declared);
	uint8_t bytes[32] = { 0 }, field[8];
	const uint8_t *from = bytes;
	uint64_t size_bytes = 0;
	unsigned width;
	enum csn_value_state state;

	if (type->kind == CSN_TYPE_UNSPECIFIED) {
		/* nullptr, of which there is one value. */
		csn_buf_putc(out, '0');
		return CSN_VALUE_OK;
	}
	if (object->kind == CSN_OBJECT_POINTER) {
		csn_buf_puts(out, "<synthetic pointer>");
		return CSN_VALUE_OK;
	}
	if (bits)
		size_bytes = (bits->bit_offset + bits->bit_size + 7) / 8;
	else if (!csn_type_size(type, &size_bytes) || size_bytes > sizeof(bytes))
		return CSN_VALUE_UNSUPPORTED;
	state = csn_object_read(values, object, bytes, size_bytes);
	if (state != CSN_VALUE_OK)
		return state;
	if (bits) {
		size_bytes = csn_take_bits(bytes, size_bytes, type, bits, field);
		from = field;
	}
	switch (type->kind) {
	case CSN_TYPE_BASE:
		print_base(type, from, size_bytes, out);
		if (type->encoding == CSN_ENCODING_SIGNED && size_bytes > 1 && !bits &&
		    csn_string_prefix(declared, &width)) {
			csn_buf_putc(out, ' ');
			print_character(csn_number_of(from, size_bytes, false), size_bytes,
					declared, out);
		}
		return CSN_VALUE_OK;
	case CSN_TYPE_ENUM:
		print_enum(type, from, size_bytes, out);
		return CSN_VALUE_OK;
	case CSN_TYPE_MEMBER_POINTER:
		print_member_pointer(values, type, csn_type_text(declared), from, size_bytes, out);
		return CSN_VALUE_OK;
	default:
		print_pointer(values, type, from, size_bytes, out);
		return CSN_VALUE_OK;
	}
}
