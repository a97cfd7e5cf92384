/* Printers for Rust's library: texts, vectors, and what holds one other value. Written for the
 * layouts of rustc 1.63; where a later one moved a member, its new path is tried, too. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "values/rust.h"

/* The first path that there is. */
static bool find_any(struct csn_printing *p, const char *const *paths, size_t n_paths,
		     struct csn_part *ret_part)
{
	for (size_t i = 0; i < n_paths; i++)
		if (csn_part_find(p->values, &p->whole, paths[i], ret_part))
			return true;
	return false;
}

static bool number_at_any(struct csn_printing *p, const char *const *paths, size_t n_paths,
			  uint64_t *ret_number)
{
	struct csn_part part;

	return find_any(p, paths, n_paths, &part) && csn_part_number(p->values, &part, ret_number);
}

/* --- vectors and texts --- */

/* From a vector on: where its elements are, how many there is room for, and how many there are. */
static const char *const pointer_paths[] = { "buf.ptr.pointer.pointer",
					     "buf.inner.ptr.pointer.pointer", "buf.ptr.pointer" };
static const char *const capacity_paths[] = { "buf.cap", "buf.cap.__0", "buf.inner.cap.__0",
					      "buf.inner.cap" };

struct room {
	csn_addr address;
	uint64_t capacity;
	struct csn_type *type; /* of an element */
	uint64_t size_bytes;
};

static bool read_room(struct csn_printing *p, struct room *ret_room)
{
	ret_room->type = csn_type_argument_type(p->whole.type, 0);
	return ret_room->type && csn_type_size(ret_room->type, &ret_room->size_bytes) &&
	       number_at_any(p, pointer_paths, csn_countof(pointer_paths), &ret_room->address) &&
	       number_at_any(p, capacity_paths, csn_countof(capacity_paths), &ret_room->capacity);
}

static bool print_vec(struct csn_printing *p)
{
	struct room room;
	uint64_t length;

	if (!read_room(p, &room) || !csn_part_number_at(p->values, &p->whole, "len", &length) ||
	    (room.size_bytes && length > room.capacity))
		return false;
	p->value->form = CSN_FORM_LIST;
	if (!csn_print_array(p, room.address, length, room.type))
		return false;
	csn_rust_fill_list(p);
	return true;
}

/* A vector of bytes at a path, told as a text. */
static bool print_bytes(struct csn_printing *p, const char *path)
{
	struct csn_printing inner = *p;
	struct room room;
	uint64_t length;

	return csn_part_find(p->values, &p->whole, path, &inner.whole) &&
	       read_room(&inner, &room) &&
	       csn_part_number_at(p->values, &inner.whole, "len", &length) &&
	       length <= room.capacity &&
	       csn_text_fill(p->values, room.address, length, CSN_LANGUAGE_RUST, p->value);
}

static bool print_string(struct csn_printing *p)
{
	return print_bytes(p, "vec");
}

static bool print_os_string(struct csn_printing *p)
{
	return print_bytes(p, "inner.inner");
}

static bool print_path(struct csn_printing *p)
{
	return print_bytes(p, "inner.inner.inner");
}

/* Elements from head on, around the end of the room. */
struct ring {
	struct csn_walk walk;
	struct room room;
	uint64_t first;
};

static bool next_in_ring(struct csn_walk *walk, struct csn_element *ret_element)
{
	const struct ring *ring = (const struct ring *)walk;
	uint64_t place = (ring->first + walk->index) % ring->room.capacity;

	ret_element->value = csn_part_in_memory(ring->room.address + place * ring->room.size_bytes,
						ring->room.type);
	return true;
}

/* Up to 1.66 the elements were those from tail to head, and the room a power of two. */
static bool print_deque(struct csn_printing *p)
{
	struct ring ring = { .walk = { .printing = p, .next = next_in_ring } };
	uint64_t head, size_bytes;

	if (!read_room(p, &ring.room) || !ring.room.size_bytes ||
	    !csn_part_number_at(p->values, &p->whole, "head", &head))
		return false;
	if (csn_part_number_at(p->values, &p->whole, "tail", &ring.first)) {
		if (!ring.room.capacity || ring.room.capacity & (ring.room.capacity - 1))
			return false;
		ring.walk.count = (head - ring.first) & (ring.room.capacity - 1);
	} else {
		ring.first = head;
		if (!csn_part_number_at(p->values, &p->whole, "len", &ring.walk.count))
			return false;
	}
	if (ring.walk.count > ring.room.capacity || ring.first > ring.room.capacity ||
	    __builtin_mul_overflow(ring.room.capacity, ring.room.size_bytes, &size_bytes) ||
	    !csn_memory_is_plausible(p->values, ring.room.address, size_bytes))
		return false;
	p->value->form = CSN_FORM_LIST;
	if (!csn_print_sequence(&ring.walk))
		return false;
	csn_rust_fill_list(p);
	return true;
}

/* --- holders --- */

/* What is counted stands behind the two counts. */
static bool print_counted(struct csn_printing *p, const char *member)
{
	struct csn_part pointer, box, held;
	uint64_t address, length;

	if (!csn_part_find(p->values, &p->whole, "ptr.pointer", &pointer))
		return false;
	if (csn_part_number(p->values, &pointer, &address))
		return csn_part_follow(p->values, &pointer, &box) &&
		       csn_part_find(p->values, &box, member, &held) &&
		       csn_value_fill_target(p->values, p->frame, &held.object,
					     csn_type_strip(held.type), p->depth + 1, 0, p->value);
	/* Rc<str> */
	return strncmp(strchr(p->whole.type->name, '<') ? strchr(p->whole.type->name, '<') : "",
		       "<str", 4) == 0 &&
	       csn_part_number_at(p->values, &pointer, "data_ptr", &address) &&
	       csn_part_number_at(p->values, &pointer, "length", &length) &&
	       csn_text_fill(p->values, address + 2 * sizeof(uint64_t), length, CSN_LANGUAGE_RUST,
			     p->value);
}

static bool print_rc(struct csn_printing *p)
{
	return print_counted(p, "value");
}

static bool print_arc(struct csn_printing *p)
{
	return print_counted(p, "data");
}

static bool print_weak(struct csn_printing *p)
{
	csn_value_copy_text(p->values, p->value, "(Weak)");
	return true;
}

/* What it holds, as if it were this. */
static bool print_inner(struct csn_printing *p)
{
	static const char *const paths[] = { "pointer", "__0.__0", "__0", "v.value" };
	struct csn_part inner;

	return find_any(p, paths, csn_countof(paths), &inner) && csn_print_as(p, &inner);
}

static bool print_atomic_bool(struct csn_printing *p)
{
	uint64_t number;

	if (!csn_part_number_at(p->values, &p->whole, "v.value", &number) || number > 1)
		return false;
	csn_value_copy_text(p->values, p->value, number ? "true" : "false");
	return true;
}

/* "Cell { value: 5 }" */
static bool print_titled(struct csn_printing *p, const struct csn_labelled *parts, size_t count)
{
	const char *name = p->whole.type->name;

	p->value->form = CSN_FORM_FIELDS;
	return csn_print_title(p, "%.*s", (int)strcspn(name, "<"), name) &&
	       csn_print_parts(p, parts, count);
}

static bool print_cell(struct csn_printing *p)
{
	static const char *const paths[] = { "value.value", "inner.value.value" };
	struct csn_labelled part = { .label = "value" };

	return find_any(p, paths, csn_countof(paths), &part.part) && print_titled(p, &part, 1);
}

static bool print_lock(struct csn_printing *p)
{
	struct csn_labelled parts[] = { { .label = "data" }, { .label = "poisoned" } };

	return csn_part_find(p->values, &p->whole, "data.value", &parts[0].part) &&
	       csn_part_find(p->values, &p->whole, "poison.failed", &parts[1].part) &&
	       print_titled(p, parts, csn_countof(parts));
}

/* A text that is borrowed or owned: the one or the other. */
static bool print_cow(struct csn_printing *p)
{
	struct csn_part variant, inner;

	return csn_rust_variant(p->values, &p->whole, &variant, NULL) &&
	       csn_part_find(p->values, &variant, "__0", &inner) && csn_print_as(p, &inner);
}

/* "1.5s", "20ms" */
static bool print_duration(struct csn_printing *p)
{
	static const struct {
		uint64_t one;
		const char *name;
	} units[] = { { 1000000, "ms" }, { 1000, "\u00b5s" }, { 1, "ns" } };
	static const char *const nanos_paths[] = { "nanos", "nanos.__0" };
	uint64_t secs, nanos, whole, rest, one = 1000000000;
	const char *unit = "s";
	char text[64];
	int n;

	if (!csn_part_number_at(p->values, &p->whole, "secs", &secs) ||
	    !number_at_any(p, nanos_paths, csn_countof(nanos_paths), &nanos) || nanos >= one)
		return false;
	for (size_t i = 0; !secs && i < csn_countof(units) && nanos < one; i++) {
		one = units[i].one;
		unit = units[i].name;
	}
	whole = secs ? secs : nanos / one;
	rest = nanos % one;
	n = snprintf(text, sizeof(text), "%" PRIu64, whole);
	if (rest) {
		n += snprintf(text + n, sizeof(text) - (size_t)n, ".%0*" PRIu64,
			      one == 1000000000 ? 9
			      : one == 1000000  ? 6
						: 3,
			      rest);
		while (text[n - 1] == '0')
			text[--n] = '\0';
	}
	csn_value_copy_text(p->values, p->value,
			    csn_arena_sprintf(p->values->arena, "%s%s", text, unit));
	return true;
}

static const struct csn_printer printers[] = {
	{ "alloc::string::String", "vec", print_string },
	{ "alloc::vec::Vec", "len", print_vec },
	{ "alloc::collections::vec_deque::VecDeque", "head", print_deque },
	{ "alloc::collections::btree::map::BTreeMap", "root", csn_rust_print_btree_map },
	{ "alloc::collections::btree::set::BTreeSet", "map", csn_rust_print_btree_set },
	{ "std::collections::hash::map::HashMap", "base", csn_rust_print_hash_map },
	{ "std::collections::hash::set::HashSet", "base", csn_rust_print_hash_set },
	{ "std::ffi::os_str::OsString", "inner", print_os_string },
	{ "std::path::PathBuf", "inner", print_path },
	{ "alloc::rc::Rc", "ptr", print_rc },
	{ "alloc::sync::Arc", "ptr", print_arc },
	{ "alloc::rc::Weak", "ptr", print_weak },
	{ "alloc::sync::Weak", "ptr", print_weak },
	{ "core::cell::Cell", "value", print_cell },
	{ "core::cell::RefCell", "value.value", print_cell },
	{ "core::cell::once::OnceCell", "inner", print_cell },
	{ "std::sync::mutex::Mutex", "data.value", print_lock },
	{ "std::sync::rwlock::RwLock", "data.value", print_lock },
	{ "core::ptr::non_null::NonNull", "pointer", print_inner },
	{ "core::ptr::unique::Unique", "pointer", print_inner },
	{ "core::num::nonzero::NonZero*", "__0", print_inner },
	{ "core::sync::atomic::AtomicBool", "v.value", print_atomic_bool },
	{ "core::sync::atomic::Atomic*", "v.value", print_inner },
	{ "alloc::borrow::Cow", NULL, print_cow },
	{ "core::time::Duration", "secs", print_duration },
};

const struct csn_printer_table csn_printers_rust = { printers, csn_countof(printers) };
