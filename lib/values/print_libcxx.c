/* Containers of LLVM's C++ library. What it keeps together with an empty object (an allocator, a
 * comparison) stands in a member __value_ of its own in most versions. */
#include <inttypes.h>

#include "values/print_std.h"

/* The first of two paths that leads somewhere: members were renamed over time. */
static bool find_either(struct csn_printing *p, const struct csn_part *of, const char *path,
			const char *other, struct csn_part *ret_part)
{
	return csn_part_find(p->values, of, path, ret_part) ||
	       csn_part_find(p->values, of, other, ret_part);
}

static bool number_at_either(struct csn_printing *p, const struct csn_part *of, const char *path,
			     const char *other, uint64_t *ret_number)
{
	struct csn_part part;

	return find_either(p, of, path, other, &part) &&
	       csn_part_number(p->values, &part, ret_number);
}

/* --- texts --- */

/* A short one stands in the object, behind a byte with its length times 2; in a long one the lowest
 * bit of that byte is set. */
static bool print_string(struct csn_printing *p)
{
	struct csn_type *character = csn_type_argument_type(p->whole.type, 0);
	struct csn_part whole, data, pointer;
	uint64_t address, length, size_bytes, width;
	uint8_t first, bytes[32];

	if (!find_either(p, &p->whole, "__r_.__value_.__l", "__rep_.__l", &whole) ||
	    !find_either(p, &p->whole, "__r_.__value_.__s.__data_", "__rep_.__s.__data_", &data) ||
	    csn_object_read(p->values, &whole.object, &first, 1) != CSN_VALUE_OK ||
	    !csn_type_size(whole.type, &size_bytes) || size_bytes > sizeof(bytes))
		return false;
	if (first & 1) {
		if (!csn_part_number_at(p->values, &whole, "__size_", &length) ||
		    !csn_part_find(p->values, &whole, "__data_", &pointer) ||
		    !csn_part_number(p->values, &pointer, &address))
			return false;
		/* Where the pointer comes first the length is elsewhere: a layout of another ABI.
		 */
		return (pointer.object.kind != whole.object.kind ||
			pointer.object.address != whole.object.address ||
			pointer.object.kind != CSN_OBJECT_MEMORY) &&
		       csn_print_string(p, address, length, character);
	}
	length = first >> 1;
	if (!character || !csn_type_size(character, &width) || length * width > size_bytes ||
	    csn_object_read(p->values, &data.object, bytes, length * width) != CSN_VALUE_OK)
		return false;
	return csn_print_string_bytes(p, bytes, length, character);
}

static bool print_string_view(struct csn_printing *p)
{
	return csn_print_std_view(p, "__data", "__size") ||
	       csn_print_std_view(p, "__data_", "__size_");
}

static bool print_path(struct csn_printing *p)
{
	struct csn_part name;

	return csn_part_find(p->values, &p->whole, "__pn_", &name) && csn_print_as(p, &name);
}

/* --- rows --- */

static bool print_vector(struct csn_printing *p)
{
	static const char *const ends[] = { "__end_cap_.__value_", "__end_cap_", "__cap_" };

	for (size_t i = 0; i < csn_countof(ends); i++)
		if (csn_print_std_vector(p, "__begin_", "__end_", ends[i]))
			return true;
	return false;
}

static bool print_bits(struct csn_printing *p)
{
	const unsigned word_bits = 8 * p->values->target->arch->word_bytes;
	uint64_t begin, length, capacity;

	return csn_part_number_at(p->values, &p->whole, "__begin_", &begin) &&
	       csn_part_number_at(p->values, &p->whole, "__size_", &length) &&
	       number_at_either(p, &p->whole, "__cap_alloc_.__value_", "__cap_", &capacity) &&
	       !__builtin_mul_overflow(capacity, (uint64_t)word_bits, &capacity) &&
	       csn_print_std_bits(p, begin, length, capacity);
}

static bool print_array(struct csn_printing *p)
{
	struct csn_part elements;

	return csn_part_find(p->values, &p->whole, "__elems_", &elements) &&
	       csn_print_as(p, &elements);
}

static bool print_initializer_list(struct csn_printing *p)
{
	return csn_print_std_span(p, "__begin_", "__size_");
}

static bool print_span(struct csn_printing *p)
{
	return csn_print_std_span(p, "__data_", "__size_") ||
	       csn_print_std_span(p, "__data", "__size");
}

/* Blocks of equal size, of which a row of pointers tells. */
struct deque {
	struct csn_walk walk;
	struct csn_type *type;
	csn_addr blocks;
	uint64_t start, stride, block_elements;
};

static bool next_in_deque(struct csn_walk *walk, struct csn_element *ret_element)
{
	const struct deque *deque = (const struct deque *)walk;
	struct csn_target *target = walk->printing->values->target;
	uint64_t at = deque->start + walk->index, block;

	if (!csn_target_read_word(target,
				  deque->blocks +
					  at / deque->block_elements * target->arch->word_bytes,
				  &block)) {
		walk->broken = CSN_VALUE_NOT_IN_DUMP;
		return false;
	}
	ret_element->value =
		csn_part_in_memory(block + at % deque->block_elements * deque->stride, deque->type);
	return true;
}

static bool print_deque(struct csn_printing *p)
{
	struct deque deque = { .walk = { .printing = p, .next = next_in_deque },
			       .type = csn_type_argument_type(p->whole.type, 0) };
	const unsigned word = p->values->target->arch->word_bytes;
	uint64_t end, last;

	if (!deque.type || !csn_type_size(deque.type, &deque.stride) || !deque.stride ||
	    !csn_part_number_at(p->values, &p->whole, "__map_.__begin_", &deque.blocks) ||
	    !csn_part_number_at(p->values, &p->whole, "__map_.__end_", &end) ||
	    !csn_part_number_at(p->values, &p->whole, "__start_", &deque.start) ||
	    !number_at_either(p, &p->whole, "__size_.__value_", "__size_", &deque.walk.count))
		return false;
	deque.block_elements = deque.stride < 256 ? 4096 / deque.stride : 16;
	if (end < deque.blocks || __builtin_add_overflow(deque.start, deque.walk.count, &last) ||
	    last > (end - deque.blocks) / word * deque.block_elements ||
	    !csn_memory_is_plausible(p->values, deque.blocks, end - deque.blocks))
		return false;
	return csn_print_count(p, deque.walk.count) && csn_print_sequence(&deque.walk);
}

/* --- links --- */

static bool print_list(struct csn_printing *p)
{
	const unsigned word = p->values->target->arch->word_bytes;
	struct csn_part head;

	return csn_part_find(p->values, &p->whole, "__end_", &head) &&
	       csn_print_std_list(p, &head, "__next_", 2ull * word);
}

static bool print_forward_list(struct csn_printing *p)
{
	const unsigned word = p->values->target->arch->word_bytes;
	struct csn_part head;

	return find_either(p, &p->whole, "__before_begin_.__value_", "__before_begin_", &head) &&
	       csn_print_std_list(p, &head, "__next_", word);
}

/* What a node of a tree has in front of its value: three pointers and its colour, of one byte. */
static uint64_t tree_header(const struct csn_printing *p)
{
	return 3ull * p->values->target->arch->word_bytes + 1;
}

static bool print_tree(struct csn_printing *p)
{
	static const struct csn_tree_names names = { "__left_", "__right_", "__parent_" };
	struct csn_part tree, first, left;
	uint64_t count;

	if (!csn_part_find(p->values, &p->whole, "__tree_", &tree) ||
	    !csn_part_find(p->values, &tree, "__begin_node_", &first) ||
	    !find_either(p, &tree, "__pair1_.__value_.__left_", "__end_node_.__left_", &left) ||
	    !number_at_either(p, &tree, "__pair3_.__value_", "__size_", &count))
		return false;
	/* Where it begins is typed as what has a left side only. */
	first.type = left.type;
	return csn_print_std_tree(p, &first, count, &names, tree_header(p),
				  csn_type_argument_type(csn_type_strip(tree.type), 0));
}

static bool print_hash(struct csn_printing *p)
{
	const unsigned word = p->values->target->arch->word_bytes;
	struct csn_part table, first;
	uint64_t count;

	if (!csn_part_find(p->values, &p->whole, "__table_", &table) ||
	    !find_either(p, &table, "__p1_.__value_.__next_", "__first_node_.__next_", &first) ||
	    !number_at_either(p, &table, "__p2_.__value_", "__size_", &count))
		return false;
	return csn_print_std_hash(p, &first, count, "__next_", 2ull * word,
				  csn_type_argument_type(csn_type_strip(table.type), 0));
}

/* --- holders --- */

static bool print_tuple(struct csn_printing *p)
{
	struct csn_labelled parts[CSN_MAX_STD_PARTS];
	struct csn_part impl, leaf;
	size_t n;

	csn_type_read_parts(p->whole.type);
	if (!p->whole.type->n_arguments)
		return csn_print_title(p, "empty %s", p->name);
	if (!csn_part_find(p->values, &p->whole, "__base_", &impl))
		return false;
	for (n = 0; csn_part_base(&impl, n, &leaf); n++) {
		if (n >= csn_countof(parts) || !csn_type_is_template(leaf.type, "__tuple_leaf"))
			return false;
		parts[n].label = csn_print_number(p, n + 1);
		if (!csn_part_find(p->values, &leaf, "__value_", &parts[n].part) &&
		    !csn_part_base(&leaf, 0, &parts[n].part))
			return false;
	}
	return csn_print_title(p, "%s containing", p->name) && csn_print_parts(p, parts, n);
}

static bool print_unique_ptr(struct csn_printing *p)
{
	struct csn_part pointer;

	return find_either(p, &p->whole, "__ptr_.__value_", "__ptr_", &pointer) &&
	       csn_print_pointer(p, csn_print_typed(p, 1), "get()", &pointer);
}

static bool print_shared_ptr(struct csn_printing *p)
{
	static const struct csn_counts_names names = { "__shared_owners_", "__shared_weak_owners_",
						       1 };
	struct csn_part pointer, counts;

	return csn_part_find(p->values, &p->whole, "__ptr_", &pointer) &&
	       csn_part_find(p->values, &p->whole, "__cntrl_", &counts) &&
	       csn_print_std_shared(p, &pointer, &counts, &names);
}

static bool print_optional(struct csn_printing *p)
{
	struct csn_part value;
	uint64_t engaged;

	if (!csn_part_number_at(p->values, &p->whole, "__engaged_", &engaged) || engaged > 1 ||
	    !csn_part_find(p->values, &p->whole, "__val_", &value))
		return false;
	if (!engaged)
		return csn_print_title(p, "%s [no contained value]", csn_print_typed(p, 1));
	return csn_print_contained(p, csn_print_typed(p, 1), "[contained value]", &value);
}

static bool print_variant(struct csn_printing *p)
{
	struct csn_part index, storage;

	return find_either(p, &p->whole, "__impl.__index", "__impl_.__index", &index) &&
	       find_either(p, &p->whole, "__impl.__data", "__impl_.__data", &storage) &&
	       csn_print_std_variant(p, &index, &storage);
}

static bool print_atomic(struct csn_printing *p)
{
	static const char *const paths[] = { "__a_.__a_value" };

	return csn_print_std_atomic(p, paths, csn_countof(paths));
}

static bool print_function(struct csn_printing *p)
{
	struct csn_part target;
	uint64_t address;

	if (!csn_part_find(p->values, &p->whole, "__f_.__f_", &target) ||
	    !csn_part_number(p->values, &target, &address))
		return false;
	if (!address)
		return csn_print_title(p, "%s [no target]", csn_print_typed(p, 1));
	return csn_print_pointer(p, csn_print_typed(p, 1), "target", &target);
}

static bool print_any(struct csn_printing *p)
{
	struct csn_part manager;
	uint64_t address;

	if (!find_either(p, &p->whole, "__h", "__h_", &manager) ||
	    !csn_part_number(p->values, &manager, &address))
		return false;
	if (!address)
		return csn_print_title(p, "%s [no contained value]", p->name);
	return csn_print_pointer(p, p->name, "manager", &manager);
}

static bool print_bitset(struct csn_printing *p)
{
	return csn_print_std_bitset(p, "__first_");
}

static bool print_complex(struct csn_printing *p)
{
	struct csn_value_node parts[2] = { 0 };
	static const char *const paths[] = { "__re_", "__im_" };
	struct csn_part part;

	for (size_t i = 0; i < csn_countof(parts); i++) {
		if (!csn_part_find(p->values, &p->whole, paths[i], &part))
			return false;
		csn_value_fill(p->values, p->frame, &part.object, part.type, p->depth + 1, 0,
			       &parts[i]);
		if (!parts[i].text || parts[i].state != CSN_VALUE_OK)
			return false;
	}
	return csn_print_title(p, "%s + %si", parts[0].text, parts[1].text);
}

static bool print_duration(struct csn_printing *p)
{
	return csn_print_std_duration(p, "__rep_");
}

static bool print_time_point(struct csn_printing *p)
{
	return csn_print_std_time(p, "__d_.__rep_");
}

/* --- iterators --- */

static bool print_pointer_iterator(struct csn_printing *p)
{
	return csn_print_std_iterator(p, "__i", 0, "std::vector") ||
	       csn_print_std_iterator(p, "__i_", 0, "std::vector");
}

static bool print_deque_iterator(struct csn_printing *p)
{
	return csn_print_std_iterator(p, "__ptr_", 0, "std::deque");
}

static bool print_list_iterator(struct csn_printing *p)
{
	const unsigned word = p->values->target->arch->word_bytes;

	return csn_print_std_iterator(p, "__ptr_", 2ull * word, "std::list");
}

static bool print_tree_iterator(struct csn_printing *p)
{
	return csn_print_std_iterator(p, "__ptr_", tree_header(p), "associative container");
}

/* Those of maps have one of trees in them, whose elements have a pair in them. */
static bool print_map_iterator(struct csn_printing *p)
{
	struct csn_part inner;

	return csn_part_find(p->values, &p->whole, "__i_", &inner) && csn_print_as(p, &inner);
}

static bool print_map_value(struct csn_printing *p)
{
	struct csn_part inner;

	return find_either(p, &p->whole, "__cc", "__cc_", &inner) && csn_print_as(p, &inner);
}

static const struct csn_printer printers[] = {
	{ "std::basic_string", "__r_.__value_.__l", print_string },
	{ "std::basic_string", "__rep_.__l", print_string },
	{ "std::basic_string_view", "__data", print_string_view },
	{ "std::basic_string_view", "__data_", print_string_view },
	{ "std::__fs::filesystem::path", "__pn_", print_path },
	{ "std::filesystem::path", "__pn_", print_path },
	{ "std::vector", "__cap_alloc_", print_bits },
	{ "std::vector", "__size_", print_bits },
	{ "std::vector", "__begin_", print_vector },
	{ "std::array", "__elems_", print_array },
	{ "std::initializer_list", "__begin_", print_initializer_list },
	{ "std::span", "__data", print_span },
	{ "std::span", "__data_", print_span },
	{ "std::deque", "__map_.__begin_", print_deque },
	{ "std::list", "__end_.__next_", print_list },
	{ "std::forward_list", "__before_begin_", print_forward_list },
	{ "std::map", "__tree_.__begin_node_", print_tree },
	{ "std::multimap", "__tree_.__begin_node_", print_tree },
	{ "std::set", "__tree_.__begin_node_", print_tree },
	{ "std::multiset", "__tree_.__begin_node_", print_tree },
	{ "std::unordered_map", "__table_", print_hash },
	{ "std::unordered_multimap", "__table_", print_hash },
	{ "std::unordered_set", "__table_", print_hash },
	{ "std::unordered_multiset", "__table_", print_hash },
	{ "std::tuple", "__base_", print_tuple },
	{ "std::unique_ptr", "__ptr_", print_unique_ptr },
	{ "std::shared_ptr", "__cntrl_", print_shared_ptr },
	{ "std::weak_ptr", "__cntrl_", print_shared_ptr },
	{ "std::optional", "__engaged_", print_optional },
	{ "std::variant", "__impl.__index", print_variant },
	{ "std::variant", "__impl_.__index", print_variant },
	{ "std::atomic", "__a_.__a_value", print_atomic },
	{ "std::function", "__f_.__f_", print_function },
	{ "std::any", "__h", print_any },
	{ "std::any", "__h_", print_any },
	{ "std::bitset", "__first_", print_bitset },
	{ "std::complex", "__re_", print_complex },
	{ "std::chrono::duration", "__rep_", print_duration },
	{ "std::chrono::time_point", "__d_.__rep_", print_time_point },
	{ "std::__wrap_iter", NULL, print_pointer_iterator },
	{ "std::__deque_iterator", "__ptr_", print_deque_iterator },
	{ "std::__list_iterator", "__ptr_", print_list_iterator },
	{ "std::__list_const_iterator", "__ptr_", print_list_iterator },
	{ "std::__tree_iterator", "__ptr_", print_tree_iterator },
	{ "std::__tree_const_iterator", "__ptr_", print_tree_iterator },
	{ "std::__map_iterator", "__i_.__ptr_", print_map_iterator },
	{ "std::__map_const_iterator", "__i_.__ptr_", print_map_iterator },
	{ "std::__value_type", NULL, print_map_value },
};

const struct csn_printer_table csn_printers_libcxx = { printers, csn_countof(printers) };
