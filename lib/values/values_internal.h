/* What the files of this room share.
 *
 * object.c finds out where a value is and reads its bytes, scalar.c makes texts of numbers and
 * pointers, string.c of characters, tree.c of everything that has parts, pointee.c of what pointers
 * and references lead to, printer.c and the files print_*.c of what libraries make of structures
 * (helped by part.c and name.c), text.c, rust.c, go.c and go_map.c of what is written otherwise in
 * Rust and Go, values.c is the way in. */
#ifndef CSN_VALUES_VALUES_INTERNAL_H
#define CSN_VALUES_VALUES_INTERNAL_H

#include "base/buf.h"
#include "base/limits.h"
#include "dwarf/expr.h"
#include "values/values.h"

/* A pointer's text carries this in front of its address in hexadecimal, 16 digits, where the name
 * of a symbol may follow. */
#define CSN_SYMBOL_MARK '\x01'

/* A structure that was told. */
struct csn_told {
	struct csn_told *next;
	csn_addr address;
	const struct csn_type *type;
	const char *path;
};

#define CSN_TOLD_BUCKETS 64u

struct csn_values {
	struct csn_arena *arena;
	struct csn_target *target;
	struct csn_modules *modules;
	struct csn_value_budget budget;
	uint64_t n_values, text_bytes;
	bool cut;
	struct csn_buf text; /* scratch */
	/* Virtual bases of the value at hand that were told: once is enough. */
	struct {
		csn_addr address;
		const struct csn_type *type;
	} bases[32];
	size_t n_bases;
	/* Structures of the variable at hand that pointers may lead back to, and the path of the
	 * part at hand; only when pointers behind pointers are followed. */
	struct csn_told *told[CSN_TOLD_BUCKETS];
	struct csn_buf path;
	/* May debug information of a module be read that no frame is in? NULL: of none. */
	bool (*may_read)(void *context, const struct csn_module *module);
	void *may_read_context;
	struct csn_tls *tls; /* tls.c; NULL: not yet read */
	/* What the references lead to that are being followed. */
	struct {
		csn_addr address;
		const struct csn_type *type;
	} followed[CSN_MAX_VALUE_DEPTH];
	size_t n_followed;
	/* Where the run time of Go in a module has its types; NULL: none was looked for. */
	const struct csn_module *go_module;
	csn_addr go_types; /* 0 unknown */
	/* Values whose texts have marks. */
	struct csn_value_node **marked;
	size_t n_marked, marked_capacity;
};

enum csn_object_kind {
	CSN_OBJECT_MEMORY,  /* at address */
	CSN_OBJECT_BYTES,   /* bytes, of which some may be lost */
	CSN_OBJECT_POINTER, /* a pointer to something that is in no memory: pointee */
	CSN_OBJECT_MISSING, /* nowhere: state says why */
};

/* Where a value is. */
struct csn_object {
	enum csn_object_kind kind;
	enum csn_value_state state;
	csn_addr address;
	const uint8_t *bytes;
	const uint8_t *lost; /* a csn_value_state each; NULL: none is lost */
	size_t size_bytes;
	bool in_register; /* the bytes are those of register reg */
	uint16_t reg;
	struct csn_type_link pointee;
	int64_t pointee_offset;
};

/* Where a variable is, size_bytes of it. */
void csn_object_find(struct csn_values *values, struct csn_value_frame *frame,
		     const struct csn_value_place *place, uint64_t size_bytes,
		     struct csn_object *ret_object);
/* The number that an expression or variable yields (a bound of an array). */
bool csn_object_number(struct csn_values *values, struct csn_value_frame *frame,
		       const struct csn_value_place *place, struct csn_type *type,
		       int64_t *ret_number);
/* The number that an expression yields; initial, if any, is on its stack first. */
bool csn_object_compute(struct csn_values *values, struct csn_value_frame *frame,
			struct csn_unit *unit, struct csn_span expression, const uint64_t *initial,
			uint64_t *ret_number);
/* A part of it, which may reach beyond its end. */
struct csn_object csn_object_part(const struct csn_object *object, uint64_t offset_bytes);
/* Copies its first bytes, or says why they cannot be had. */
enum csn_value_state csn_object_read(struct csn_values *values, const struct csn_object *object,
				     void *data, size_t size_bytes);

/* tls.c: where a thread has what lies at an offset of a module's storage of threads. */
bool csn_tls_address(struct csn_values *values, const struct csn_thread *thread,
		     struct csn_module *module, uint64_t offset, csn_addr *ret_address);

/* scalar.c: appends the text of a value that has no parts, of a type as declared; bits, if any,
 * tell which of its bits it has. */
enum csn_value_state csn_scalar_print(struct csn_values *values, const struct csn_object *object,
				      struct csn_type *declared, const struct csn_type_member *bits,
				      struct csn_buf *out);
/* Appends "0x..." and a mark. */
void csn_pointer_print(struct csn_values *values, csn_addr address, struct csn_buf *out);
bool csn_type_is_scalar(struct csn_type *type);
/* A little-endian number, extended as its type says. */
uint64_t csn_number_of(const uint8_t *bytes, size_t size_bytes, bool is_signed);
/* The bits of a field of a type, from size_bytes that hold them, as bytes of their own; how many.
 */
size_t csn_take_bits(const uint8_t *bytes, size_t size_bytes, struct csn_type *type,
		     const struct csn_type_member *bits, uint8_t ret_bytes[8]);

/* string.c: appends count characters of a width as text in quotes, cut and folded as gdb does.
 * ellipsis: more follows that is not here. */
void csn_string_print(const uint8_t *bytes, size_t count, unsigned width, uint64_t max,
		      bool ellipsis, const char *prefix, struct csn_buf *out);
/* One character in its quotes. */
void csn_character_print(uint32_t character, unsigned width, struct csn_buf *out);
/* "", "L", "u", "U" for elements of text; NULL for other types. Not stripped. */
const char *csn_string_prefix(struct csn_type *type, unsigned *ret_width);

/* text.c: a text of Rust or Go, in UTF-8, in quotes; what is no printable character as an escape of
 * the language. ellipsis: more follows that is not here. */
void csn_text_print(const uint8_t *bytes, size_t size_bytes, enum csn_type_language language,
		    bool ellipsis, struct csn_buf *out);
/* Sets the text of size_bytes at an address. False, with nothing set: they cannot be there. */
bool csn_text_fill(struct csn_values *values, csn_addr address, uint64_t size_bytes,
		   enum csn_type_language language, struct csn_value_node *value);
/* A character of Rust in its quotes. */
void csn_rune_print(uint32_t character, struct csn_buf *out);
/* A float or a double, as 4 or 8 bytes. */
double csn_float_of(const uint8_t *bytes, size_t size_bytes);
/* The fewest digits that tell the number from others of its size, 4 or 8 bytes. */
void csn_float_print(double number, size_t size_bytes, enum csn_type_language language,
		     struct csn_buf *out);

/* rust.c, go.c: values of types of these languages. False: there is nothing special about it, but
 * value->form and a title may be set for its parts. */
bool csn_rust_fill(struct csn_values *values, struct csn_value_frame *frame,
		   const struct csn_object *object, struct csn_type *type, unsigned depth,
		   uint64_t follow, struct csn_value_node *value);
bool csn_go_fill(struct csn_values *values, struct csn_value_frame *frame,
		 const struct csn_object *object, struct csn_type *declared, unsigned depth,
		 uint64_t follow, struct csn_value_node *value);
/* go.c: a variable that the compiler moved to the heap is known by a pointer named "&x": the
 * variable itself. */
void csn_go_find_escaped(struct csn_values *values, struct csn_object *object,
			 struct csn_type **type, const char **name);

/* tree.c: the value of an object. follow: pointers in a row that may still be followed. */
void csn_value_fill(struct csn_values *values, struct csn_value_frame *frame,
		    const struct csn_object *object, struct csn_type *type, unsigned depth,
		    uint64_t follow, struct csn_value_node *value);
/* The same for a structure, stripped; follow is that of its members. */
void csn_value_fill_structure(struct csn_values *values, struct csn_value_frame *frame,
			      const struct csn_object *object, struct csn_type *type,
			      unsigned depth, uint64_t follow, struct csn_value_node *value);
void csn_value_give_up(struct csn_value_node *value, enum csn_value_state state);
/* Pointers that may be followed from the parts of a value. */
static inline uint64_t csn_follow_of_parts(unsigned depth, uint64_t follow)
{
	return depth || !follow ? follow : follow - 1;
}
/* The value of what a value leads to, told in its place: its form, text and parts. False, with
 * nothing changed: it has none. */
bool csn_value_fill_target(struct csn_values *values, struct csn_value_frame *frame,
			   const struct csn_object *target, struct csn_type *type, unsigned depth,
			   uint64_t follow, struct csn_value_node *value);
/* Copies a text into the arena, counts it, remembers marks. */
void csn_value_set_text(struct csn_values *values, struct csn_value_node *value,
			const struct csn_buf *text);
/* The same for a text of the debug information, which the values outlive. */
void csn_value_copy_text(struct csn_values *values, struct csn_value_node *value, const char *text);
/* Room for parts, which count against the budget; NULL when there is none left. */
struct csn_value_node *csn_value_parts(struct csn_values *values, size_t count);
/* All parts have one text each and no names: theirs together, in braces, behind the value's own,
 * unless that is too long. */
void csn_value_join(struct csn_values *values, struct csn_value_node *value);

/* dynamic.c: what the object at an address really is, when that is more than declared, and where it
 * begins; NULL: it is not, or that cannot be told. */
struct csn_type *csn_dynamic_type(struct csn_values *values, struct csn_value_frame *frame,
				  struct csn_type *declared, csn_addr address,
				  csn_addr *ret_address);

/* pointee.c: adds what a pointer leads to, if it is to be told. */
void csn_value_follow(struct csn_values *values, struct csn_value_frame *frame,
		      struct csn_type *type, unsigned depth, uint64_t follow,
		      struct csn_value_node *value);
/* The value of a reference. */
void csn_value_fill_reference(struct csn_values *values, struct csn_value_frame *frame,
			      const struct csn_object *object, struct csn_type *type,
			      unsigned depth, uint64_t follow, struct csn_value_node *value);
/* The next variable begins: nothing of it was told. */
void csn_told_begin(struct csn_values *values, const char *name);
/* A structure is about to be told; the path where that was done before, NULL: nowhere. */
const char *csn_told_add(struct csn_values *values, csn_addr address, const struct csn_type *type);
/* A part of the value at hand begins: name NULL for element index of an array. Returns what
 * csn_path_leave gets. */
size_t csn_path_enter(struct csn_values *values, const char *name, uint64_t index);
void csn_path_leave(struct csn_values *values, size_t mark);

#endif
