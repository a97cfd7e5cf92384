/* Containers of GNU's C++ library, told as its own printers for gdb tell them. */
#include "values/print_std.h"

/* --- texts --- */

/* Before the ABI of 2015 the length stood in front of the characters. */
static bool string_length(struct csn_printing *p, csn_addr address, uint64_t *ret_length)
{
	struct csn_values *values = p->values;
	const unsigned word = values->target->arch->word_bytes;
	struct csn_part local;
	uint64_t capacity;

	if (!csn_part_find(values, &p->whole, "_M_local_buf", &local))
		return csn_target_read_word(values->target, address - 3ull * word, ret_length) &&
		       csn_target_read_word(values->target, address - 2ull * word, &capacity) &&
		       *ret_length <= capacity;
	if (!csn_part_number_at(values, &p->whole, "_M_string_length", ret_length))
		return false;
	if (local.object.kind == CSN_OBJECT_MEMORY && local.object.address == address)
		return *ret_length < 16;
	return csn_part_number_at(values, &p->whole, "_M_allocated_capacity", &capacity) &&
	       *ret_length <= capacity;
}

/* The pointer comes first in _M_dataplus, the allocator being empty; clang leaves out the type of
 * that where nobody constructs a string. */
static bool string_address(struct csn_printing *p, uint64_t *ret_address)
{
	const unsigned word = p->values->target->arch->word_bytes;
	struct csn_part holder, length;
	uint8_t bytes[8];

	if (csn_part_number_at(p->values, &p->whole, "_M_dataplus._M_p", ret_address))
		return true;
	if (!csn_part_find(p->values, &p->whole, "_M_dataplus", &holder) || !holder.type ||
	    !holder.type->is_declaration ||
	    !csn_part_find(p->values, &p->whole, "_M_string_length", &length) ||
	    csn_object_read(p->values, &holder.object, bytes, word) != CSN_VALUE_OK)
		return false;
	*ret_address = csn_number_of(bytes, word, false);
	return true;
}

static bool print_string(struct csn_printing *p)
{
	uint64_t address, length;

	return string_address(p, &address) && string_length(p, address, &length) &&
	       csn_print_string(p, address, length, csn_type_argument_type(p->whole.type, 0));
}

static bool print_string_view(struct csn_printing *p)
{
	return csn_print_std_view(p, "_M_str", "_M_len");
}

static bool print_path(struct csn_printing *p)
{
	struct csn_part name;

	return csn_part_find(p->values, &p->whole, "_M_pathname", &name) && csn_print_as(p, &name);
}

/* --- rows --- */

static bool print_vector(struct csn_printing *p)
{
	return csn_print_std_vector(p, "_M_impl._M_start", "_M_impl._M_finish",
				    "_M_impl._M_end_of_storage");
}

static bool print_bits(struct csn_printing *p)
{
	struct csn_values *values = p->values;
	uint64_t start, finish, end, offset, words;
	const unsigned word_bits = 8 * values->target->arch->word_bytes;

	if (!csn_part_number_at(values, &p->whole, "_M_impl._M_start._M_p", &start) ||
	    !csn_part_number_at(values, &p->whole, "_M_impl._M_finish._M_p", &finish) ||
	    !csn_part_number_at(values, &p->whole, "_M_impl._M_finish._M_offset", &offset) ||
	    !csn_part_number_at(values, &p->whole, "_M_impl._M_end_of_storage", &end) ||
	    finish < start || end < finish || offset >= word_bits)
		return false;
	words = (finish - start) / (word_bits / 8);
	return csn_print_std_bits(p, start, words * word_bits + offset, 8 * (end - start));
}

static bool print_array(struct csn_printing *p)
{
	struct csn_part elements;

	return csn_part_find(p->values, &p->whole, "_M_elems", &elements) &&
	       csn_print_as(p, &elements);
}

static bool print_initializer_list(struct csn_printing *p)
{
	return csn_print_std_span(p, "_M_array", "_M_len");
}

static bool print_span(struct csn_printing *p)
{
	return csn_print_std_span(p, "_M_ptr", "_M_extent._M_extent_value");
}

/* A queue of blocks, of which a row of pointers tells. */
struct deque {
	struct csn_walk walk;
	struct csn_type *type;
	csn_addr node, at, last;
	uint64_t stride, block_bytes;
};

static bool next_in_deque(struct csn_walk *walk, struct csn_element *ret_element)
{
	struct deque *deque = (struct deque *)walk;
	struct csn_target *target = walk->printing->values->target;

	if (deque->at == deque->last) {
		deque->node += target->arch->word_bytes;
		if (!csn_target_read_word(target, deque->node, &deque->at)) {
			walk->broken = CSN_VALUE_NOT_IN_DUMP;
			return false;
		}
		deque->last = deque->at + deque->block_bytes;
	}
	ret_element->value = csn_part_in_memory(deque->at, deque->type);
	deque->at += deque->stride;
	return true;
}

/* Where one end of it is. */
struct deque_end {
	uint64_t node, at, first, last;
};

static bool read_deque_end(struct csn_printing *p, const char *path, struct deque_end *ret_end)
{
	struct csn_part end;

	return csn_part_find(p->values, &p->whole, path, &end) &&
	       csn_part_number_at(p->values, &end, "_M_node", &ret_end->node) &&
	       csn_part_number_at(p->values, &end, "_M_cur", &ret_end->at) &&
	       csn_part_number_at(p->values, &end, "_M_first", &ret_end->first) &&
	       csn_part_number_at(p->values, &end, "_M_last", &ret_end->last) &&
	       ret_end->at >= ret_end->first && ret_end->at <= ret_end->last;
}

static bool print_deque(struct csn_printing *p)
{
	struct deque deque = { .walk = { .printing = p, .next = next_in_deque },
			       .type = csn_type_argument_type(p->whole.type, 0) };
	const unsigned word = p->values->target->arch->word_bytes;
	struct deque_end first, last;
	uint64_t n_blocks;

	if (!deque.type || !csn_type_size(deque.type, &deque.stride) || !deque.stride ||
	    !read_deque_end(p, "_M_impl._M_start", &first) ||
	    !read_deque_end(p, "_M_impl._M_finish", &last) || last.node < first.node)
		return false;
	deque.block_bytes = deque.stride < 512 ? 512 / deque.stride * deque.stride : deque.stride;
	n_blocks = (last.node - first.node) / word;
	if (first.last - first.first != deque.block_bytes ||
	    !csn_memory_is_plausible(p->values, first.node, last.node - first.node + word))
		return false;
	if (n_blocks)
		deque.walk.count = (first.last - first.at + last.at - last.first) / deque.stride +
				   (n_blocks - 1) * (deque.block_bytes / deque.stride);
	else
		deque.walk.count = (last.at - first.at) / deque.stride;
	deque.node = first.node;
	deque.at = first.at;
	deque.last = first.last;
	return csn_print_count(p, deque.walk.count) && csn_print_sequence(&deque.walk);
}

/* --- links --- */

static bool print_list(struct csn_printing *p)
{
	const unsigned word = p->values->target->arch->word_bytes;
	struct csn_part head;

	return csn_part_find(p->values, &p->whole, "_M_impl._M_node", &head) &&
	       csn_print_std_list(p, &head, "_M_next", 2ull * word);
}

static bool print_forward_list(struct csn_printing *p)
{
	const unsigned word = p->values->target->arch->word_bytes;
	struct csn_part head;

	return csn_part_find(p->values, &p->whole, "_M_impl._M_head", &head) &&
	       csn_print_std_list(p, &head, "_M_next", word);
}

static bool print_tree(struct csn_printing *p)
{
	static const struct csn_tree_names names = { "_M_left", "_M_right", "_M_parent" };
	const unsigned word = p->values->target->arch->word_bytes;
	struct csn_part tree, first;
	uint64_t count;

	if (!csn_part_find(p->values, &p->whole, "_M_t", &tree) ||
	    !csn_part_find(p->values, &tree, "_M_impl._M_header._M_left", &first) ||
	    !csn_part_number_at(p->values, &tree, "_M_impl._M_node_count", &count))
		return false;
	return csn_print_std_tree(p, &first, count, &names, 4ull * word,
				  csn_type_argument_type(csn_type_strip(tree.type), 1));
}

static bool print_hash(struct csn_printing *p)
{
	const unsigned word = p->values->target->arch->word_bytes;
	struct csn_part table, first;
	uint64_t count;

	if (!csn_part_find(p->values, &p->whole, "_M_h", &table) ||
	    !csn_part_find(p->values, &table, "_M_before_begin._M_nxt", &first) ||
	    !csn_part_number_at(p->values, &table, "_M_element_count", &count))
		return false;
	return csn_print_std_hash(p, &first, count, "_M_nxt", word,
				  csn_type_argument_type(csn_type_strip(table.type), 1));
}

/* --- tuples and what is made of them --- */

/* A _Tuple_impl is its own _Head_base and the _Tuple_impl of the rest. */
static bool tuple_step(const struct csn_part *impl, struct csn_part *ret_head,
		       struct csn_part *ret_rest, bool *ret_has_rest)
{
	struct csn_part base;
	bool has_head = false;

	*ret_has_rest = false;
	for (size_t i = 0; i < 2 && csn_part_base(impl, i, &base); i++) {
		if (csn_type_is_template(base.type, "_Head_base")) {
			*ret_head = base;
			has_head = true;
		} else if (csn_type_is_template(base.type, "_Tuple_impl")) {
			*ret_rest = base;
			*ret_has_rest = true;
		}
	}
	return has_head;
}

/* What stands in a _Head_base, or is one. */
static struct csn_part tuple_value(struct csn_printing *p, const struct csn_part *head)
{
	struct csn_part value;

	if (csn_part_find(p->values, head, "_M_head_impl", &value) ||
	    csn_part_base(head, 0, &value))
		return value;
	return *head;
}

static bool print_tuple(struct csn_printing *p)
{
	struct csn_labelled parts[CSN_MAX_STD_PARTS];
	struct csn_part impl, head, rest = { 0 };
	bool has_rest = csn_part_base(&p->whole, 0, &impl);
	size_t n = 0;

	csn_type_read_parts(p->whole.type);
	if (!has_rest && !p->whole.type->n_arguments)
		return csn_print_title(p, "empty %s", p->name);
	for (; has_rest; n++) {
		if (n >= csn_countof(parts) || !tuple_step(&impl, &head, &rest, &has_rest))
			return false;
		impl = rest;
		parts[n].label = csn_print_number(p, n + 1);
		parts[n].part = tuple_value(p, &head);
	}
	return csn_print_title(p, "%s containing", p->name) && csn_print_parts(p, parts, n);
}

static bool print_unique_ptr(struct csn_printing *p)
{
	struct csn_part tuple, impl, head, rest;
	bool has_rest;

	if (!csn_part_find(p->values, &p->whole, "_M_t", &tuple))
		return false;
	if (!csn_type_is_template(tuple.type, "tuple") &&
	    !csn_part_find(p->values, &tuple, "_M_t", &tuple))
		return false;
	if (!csn_part_base(&tuple, 0, &impl) || !tuple_step(&impl, &head, &rest, &has_rest))
		return false;
	head = tuple_value(p, &head);
	return csn_print_pointer(p, csn_print_typed(p, 1), "get()", &head);
}

/* --- other holders --- */

static bool print_shared_ptr(struct csn_printing *p)
{
	static const struct csn_counts_names names = { "_M_use_count", "_M_weak_count", 0 };
	struct csn_part pointer, counts;

	return csn_part_find(p->values, &p->whole, "_M_ptr", &pointer) &&
	       csn_part_find(p->values, &p->whole, "_M_refcount._M_pi", &counts) &&
	       csn_print_std_shared(p, &pointer, &counts, &names);
}

static bool print_optional(struct csn_printing *p)
{
	struct csn_part payload, value;
	uint64_t engaged;

	if (!csn_part_find(p->values, &p->whole, "_M_payload", &payload) ||
	    !csn_part_number_at(p->values, &payload, "_M_engaged", &engaged) || engaged > 1)
		return false;
	if (!engaged)
		return csn_print_title(p, "%s [no contained value]", csn_print_typed(p, 1));
	if (!csn_part_find(p->values, &payload, "_M_payload._M_value", &value) &&
	    !csn_part_find(p->values, &payload, "_M_payload", &value))
		return false;
	return csn_print_contained(p, csn_print_typed(p, 1), "[contained value]", &value);
}

static bool print_variant(struct csn_printing *p)
{
	struct csn_part index, storage;

	return csn_part_find(p->values, &p->whole, "_M_index", &index) &&
	       csn_part_find(p->values, &p->whole, "_M_u", &storage) &&
	       csn_print_std_variant(p, &index, &storage);
}

static bool print_atomic(struct csn_printing *p)
{
	static const char *const paths[] = { "_M_i", "_M_fp", "_M_b._M_p", "_M_base._M_i" };

	return csn_print_std_atomic(p, paths, csn_countof(paths));
}

static bool print_function(struct csn_printing *p)
{
	struct csn_part invoker;
	uint64_t manager;

	if (!csn_part_find(p->values, &p->whole, "_M_invoker", &invoker) ||
	    !csn_part_number_at(p->values, &p->whole, "_M_manager", &manager))
		return false;
	if (!manager)
		return csn_print_title(p, "%s [no target]", csn_print_typed(p, 1));
	return csn_print_pointer(p, csn_print_typed(p, 1), "invoker", &invoker);
}

static bool print_any(struct csn_printing *p)
{
	struct csn_part manager;
	uint64_t address;

	if (!csn_part_find(p->values, &p->whole, "_M_manager", &manager) ||
	    !csn_part_number(p->values, &manager, &address))
		return false;
	if (!address)
		return csn_print_title(p, "%s [no contained value]", p->name);
	return csn_print_pointer(p, p->name, "manager", &manager);
}

static bool print_bitset(struct csn_printing *p)
{
	return csn_print_std_bitset(p, "_M_w");
}

static bool print_complex(struct csn_printing *p)
{
	struct csn_part value;

	return csn_part_find(p->values, &p->whole, "_M_value", &value) && csn_print_as(p, &value);
}

static bool print_duration(struct csn_printing *p)
{
	return csn_print_std_duration(p, "__r");
}

static bool print_time_point(struct csn_printing *p)
{
	return csn_print_std_time(p, "__d.__r");
}

/* --- iterators --- */

static bool print_pointer_iterator(struct csn_printing *p)
{
	return csn_print_std_iterator(p, "_M_current", 0, "std::vector");
}

static bool print_deque_iterator(struct csn_printing *p)
{
	return csn_print_std_iterator(p, "_M_cur", 0, "std::deque");
}

static bool print_list_iterator(struct csn_printing *p)
{
	const unsigned word = p->values->target->arch->word_bytes;

	return csn_print_std_iterator(p, "_M_node", 2ull * word, "std::list");
}

static bool print_forward_list_iterator(struct csn_printing *p)
{
	const unsigned word = p->values->target->arch->word_bytes;

	return csn_print_std_iterator(p, "_M_node", word, "std::forward_list");
}

static bool print_tree_iterator(struct csn_printing *p)
{
	const unsigned word = p->values->target->arch->word_bytes;

	return csn_print_std_iterator(p, "_M_node", 4ull * word, "associative container");
}

static const struct csn_printer printers[] = {
	{ "std::basic_string", "_M_dataplus", print_string },
	{ "std::basic_string_view", "_M_str", print_string_view },
	{ "std::experimental::basic_string_view", "_M_str", print_string_view },
	{ "std::filesystem::path", "_M_pathname", print_path },
	{ "std::vector", "_M_impl._M_start._M_p", print_bits },
	{ "std::vector", "_M_impl._M_start", print_vector },
	{ "std::array", "_M_elems", print_array },
	{ "std::initializer_list", "_M_array", print_initializer_list },
	{ "std::span", "_M_ptr", print_span },
	{ "std::deque", "_M_impl._M_start._M_node", print_deque },
	{ "std::list", "_M_impl._M_node", print_list },
	{ "std::forward_list", "_M_impl._M_head", print_forward_list },
	{ "std::map", "_M_t._M_impl", print_tree },
	{ "std::multimap", "_M_t._M_impl", print_tree },
	{ "std::set", "_M_t._M_impl", print_tree },
	{ "std::multiset", "_M_t._M_impl", print_tree },
	{ "std::unordered_map", "_M_h._M_before_begin", print_hash },
	{ "std::unordered_multimap", "_M_h._M_before_begin", print_hash },
	{ "std::unordered_set", "_M_h._M_before_begin", print_hash },
	{ "std::unordered_multiset", "_M_h._M_before_begin", print_hash },
	{ "std::tuple", NULL, print_tuple },
	{ "std::unique_ptr", "_M_t", print_unique_ptr },
	{ "std::shared_ptr", "_M_refcount._M_pi", print_shared_ptr },
	{ "std::weak_ptr", "_M_refcount._M_pi", print_shared_ptr },
	{ "std::optional", "_M_payload", print_optional },
	{ "std::experimental::optional", "_M_payload", print_optional },
	{ "std::variant", "_M_index", print_variant },
	{ "std::atomic", NULL, print_atomic },
	{ "std::function", "_M_invoker", print_function },
	{ "std::any", "_M_manager", print_any },
	{ "std::bitset", "_M_w", print_bitset },
	{ "std::complex", "_M_value", print_complex },
	{ "std::chrono::duration", "__r", print_duration },
	{ "std::chrono::time_point", "__d.__r", print_time_point },
	{ "__gnu_cxx::__normal_iterator", "_M_current", print_pointer_iterator },
	{ "std::_Deque_iterator", "_M_cur", print_deque_iterator },
	{ "std::_List_iterator", "_M_node", print_list_iterator },
	{ "std::_List_const_iterator", "_M_node", print_list_iterator },
	{ "std::_Fwd_list_iterator", "_M_node", print_forward_list_iterator },
	{ "std::_Fwd_list_const_iterator", "_M_node", print_forward_list_iterator },
	{ "std::_Rb_tree_iterator", "_M_node", print_tree_iterator },
	{ "std::_Rb_tree_const_iterator", "_M_node", print_tree_iterator },
};

const struct csn_printer_table csn_printers_libstdcxx = { printers, csn_countof(printers) };
