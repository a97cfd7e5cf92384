#include "values/print_std.h"

#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"

/* --- titles --- */

const char *csn_print_number(struct csn_printing *p, size_t number)
{
	return csn_arena_sprintf(p->values->arena, "[%zu]", number);
}

bool csn_print_count(struct csn_printing *p, uint64_t count)
{
	return csn_print_title(p, "%s with %" PRIu64 " element%s", p->name, count,
			       count == 1 ? "" : "s");
}

/* --- rows --- */

bool csn_print_std_view(struct csn_printing *p, const char *data, const char *length)
{
	uint64_t address, count;

	return csn_part_number_at(p->values, &p->whole, data, &address) &&
	       csn_part_number_at(p->values, &p->whole, length, &count) &&
	       csn_print_string(p, address, count, csn_type_argument_type(p->whole.type, 0));
}

bool csn_print_std_vector(struct csn_printing *p, const char *start, const char *finish,
			  const char *end)
{
	struct csn_values *values = p->values;
	struct csn_part pointer;
	struct csn_type *element;
	uint64_t from, to, last, size_bytes;

	if (!csn_part_find(values, &p->whole, start, &pointer) ||
	    !csn_part_number(values, &pointer, &from) ||
	    !csn_part_number_at(values, &p->whole, finish, &to) ||
	    !csn_part_number_at(values, &p->whole, end, &last) || to < from || last < to)
		return false;
	element = csn_type_target(csn_type_strip(pointer.type));
	if (!element || !csn_type_size(element, &size_bytes) || !size_bytes ||
	    (to - from) % size_bytes || (last - from) % size_bytes)
		return false;
	csn_print_title(p, "%s of length %" PRIu64 ", capacity %" PRIu64, p->name,
			(to - from) / size_bytes, (last - from) / size_bytes);
	return csn_print_array(p, from, (to - from) / size_bytes, element);
}

bool csn_print_std_span(struct csn_printing *p, const char *data, const char *length)
{
	struct csn_type *type = p->whole.type;
	struct csn_part pointer;
	uint64_t address, count;

	if (!csn_part_find(p->values, &p->whole, data, &pointer) ||
	    !csn_part_number(p->values, &pointer, &address))
		return false;
	csn_type_read_parts(type);
	if (!csn_part_number_at(p->values, &p->whole, length, &count)) {
		if (type->n_arguments < 2 || !type->arguments[1].is_value ||
		    type->arguments[1].value < 0)
			return false;
		count = (uint64_t)type->arguments[1].value;
	}
	csn_print_title(p, "%s of length %" PRIu64, p->name, count);
	return csn_print_array(p, address, count, csn_type_target(csn_type_strip(pointer.type)));
}

/* Bits one by one, of bytes as little-endian machines have them. */
struct bits {
	struct csn_walk walk;
	csn_addr address;
};

static bool next_bit(struct csn_walk *walk, struct csn_element *ret_element)
{
	const struct bits *bits = (const struct bits *)walk;
	struct csn_part part = csn_part_in_memory(bits->address + walk->index / 8, NULL);
	uint8_t byte;

	walk->broken = csn_object_read(walk->printing->values, &part.object, &byte, 1);
	ret_element->text = byte >> walk->index % 8 & 1 ? "true" : "false";
	return walk->broken == CSN_VALUE_OK;
}

bool csn_print_std_bits(struct csn_printing *p, csn_addr words, uint64_t length, uint64_t capacity)
{
	struct bits bits = { .walk = { .printing = p, .next = next_bit, .count = length },
			     .address = words };

	if (length > capacity || !csn_memory_is_plausible(p->values, words, (length + 7) / 8))
		return false;
	csn_print_title(p, "%s<bool> of length %" PRIu64 ", capacity %" PRIu64, p->name, length,
			capacity);
	return csn_print_sequence(&bits.walk);
}

/* Bits that are set. */
struct bitset {
	struct csn_walk walk;
	uint8_t *bytes;
	size_t n_bits, at;
};

static bool next_set_bit(struct csn_walk *walk, struct csn_element *ret_element)
{
	struct bitset *bitset = (struct bitset *)walk;

	while (bitset->at < bitset->n_bits &&
	       !(bitset->bytes[bitset->at / 8] >> bitset->at % 8 & 1))
		bitset->at++;
	if (bitset->at >= bitset->n_bits)
		return false;
	ret_element->label = csn_print_number(walk->printing, bitset->at++);
	ret_element->text = "1";
	return ret_element->label != NULL;
}

bool csn_print_std_bitset(struct csn_printing *p, const char *words)
{
	struct bitset bitset = {
		.walk = { .printing = p, .next = next_set_bit, .count = UINT64_MAX }
	};
	struct csn_part part;
	uint64_t size_bytes;

	if (!csn_part_find(p->values, &p->whole, words, &part) ||
	    !csn_type_size(part.type, &size_bytes) || size_bytes > CSN_MAX_VALUE_BYTES)
		return false;
	bitset.bytes = csn_arena_alloc(p->values->arena, size_bytes + 1);
	if (!bitset.bytes ||
	    csn_object_read(p->values, &part.object, bitset.bytes, size_bytes) != CSN_VALUE_OK)
		return false;
	bitset.n_bits = 8 * size_bytes;
	return csn_print_title(p, "%s", p->name) && csn_print_sequence(&bitset.walk);
}

/* --- links --- */

/* Nodes that hold each other; elements stand behind their headers. */
struct links {
	struct csn_walk walk;
	struct csn_part at; /* a pointer to the next node */
	csn_addr head;      /* where a ring ends; 0 none */
	const char *link;
	uint64_t header_bytes;
	struct csn_type *type;
	bool is_map;
};

/* The element of a node; for maps it is a pair. */
static bool element_of(struct links *links, csn_addr node, struct csn_element *ret_element)
{
	struct csn_walk *walk = &links->walk;
	struct csn_values *values = walk->printing->values;
	struct csn_part part;

	if (!csn_walk_visit(walk, node))
		return false;
	if (!csn_part_behind(values, node, links->header_bytes, links->type, &part)) {
		walk->broken = CSN_VALUE_UNSUPPORTED;
		return false;
	}
	if (!csn_memory_is_plausible(values, node, links->header_bytes)) {
		walk->broken = CSN_VALUE_UNMAPPED;
		return false;
	}
	ret_element->value = part;
	/* libc++ has pairs within a union or structure of its own. */
	if (links->is_map && !csn_part_find(values, &part, "__cc", &part))
		(void)csn_part_find(values, &part, "__cc_", &part);
	if (links->is_map && (!csn_part_find(values, &part, "first", &ret_element->key) ||
			      !csn_part_find(values, &part, "second", &ret_element->value))) {
		walk->broken = CSN_VALUE_UNSUPPORTED;
		return false;
	}
	return true;
}

static bool next_link(struct csn_walk *walk, struct csn_element *ret_element)
{
	struct links *links = (struct links *)walk;
	struct csn_values *values = walk->printing->values;
	struct csn_part node;
	uint64_t address;

	if (!csn_part_number(values, &links->at, &address)) {
		walk->broken = CSN_VALUE_NOT_IN_DUMP;
		return false;
	}
	if (!address || address == links->head)
		return false;
	if (!element_of(links, address, ret_element))
		return false;
	if (!csn_part_follow(values, &links->at, &node) ||
	    !csn_part_find(values, &node, links->link, &links->at))
		walk->broken = CSN_VALUE_UNSUPPORTED;
	return !walk->broken;
}

bool csn_print_std_list(struct csn_printing *p, const struct csn_part *head, const char *link,
			uint64_t header_bytes)
{
	struct links links = {
		.walk = { .printing = p, .next = next_link, .count = UINT64_MAX, .indexed = true },
		.link = link,
		.header_bytes = header_bytes,
		.type = csn_type_argument_type(p->whole.type, 0),
	};
	uint64_t first;

	if (head->object.kind == CSN_OBJECT_MEMORY)
		links.head = head->object.address;
	if (!links.type || !csn_part_find(p->values, head, link, &links.at) ||
	    !csn_part_number(p->values, &links.at, &first))
		return false;
	if (!first || first == links.head)
		return csn_print_title(p, "empty %s", p->name);
	return csn_print_title(p, "%s", p->name) && csn_print_sequence(&links.walk);
}

static bool is_map(const struct csn_printing *p)
{
	size_t length = strlen(p->name);

	return length > 3 && strcmp(p->name + length - 3, "map") == 0;
}

bool csn_print_std_hash(struct csn_printing *p, const struct csn_part *first, uint64_t count,
			const char *link, uint64_t header_bytes, struct csn_type *element)
{
	struct links links = {
		.walk = { .printing = p, .next = next_link, .count = count, .indexed = true },
		.at = *first,
		.link = link,
		.header_bytes = header_bytes,
		.type = element,
		.is_map = is_map(p),
	};

	return element && csn_print_count(p, count) && csn_print_sequence(&links.walk);
}

/* --- trees --- */

/* Balanced ones are not higher than this, whatever they hold. */
#define CSN_TREE_HEIGHT 128u

struct tree {
	struct links links;
	const struct csn_tree_names *names;
	struct csn_part pointer; /* to the node at hand */
};

/* The pointer at a member of what a pointer leads to. */
static bool step(struct csn_values *values, const struct csn_part *pointer, const char *name,
		 struct csn_part *ret_pointer, uint64_t *ret_address)
{
	struct csn_part node;

	return csn_part_follow(values, pointer, &node) &&
	       csn_part_find(values, &node, name, ret_pointer) &&
	       csn_part_number(values, ret_pointer, ret_address);
}

/* Down to the right and then left as far as it goes. */
static bool go_down(struct tree *tree, struct csn_part below)
{
	struct csn_values *values = tree->links.walk.printing->values;
	struct csn_part at = below;
	uint64_t address = 1;
	unsigned hops;

	for (hops = 0; address && hops < CSN_TREE_HEIGHT; hops++) {
		at = below;
		if (!step(values, &at, tree->names->left, &below, &address))
			return false;
	}
	tree->pointer = at;
	return !address;
}

/* Up until it comes from the left. Pointers to parents may have a type that knows only the left. */
static bool go_up(struct tree *tree)
{
	struct csn_values *values = tree->links.walk.printing->values;
	struct csn_part at = tree->pointer, parent, left;
	uint64_t here, address;
	unsigned hops;

	for (hops = 0; hops < CSN_TREE_HEIGHT; hops++) {
		if (!csn_part_number(values, &at, &here) ||
		    !step(values, &at, tree->names->parent, &parent, &address) ||
		    !step(values, &parent, tree->names->left, &left, &address))
			return false;
		at.object = parent.object;
		if (address == here)
			break;
	}
	tree->pointer = at;
	return hops < CSN_TREE_HEIGHT;
}

/* The next node in order. */
static bool next_node(struct tree *tree)
{
	struct csn_part right;
	uint64_t address;

	if (!step(tree->links.walk.printing->values, &tree->pointer, tree->names->right, &right,
		  &address))
		return false;
	return address ? go_down(tree, right) : go_up(tree);
}

static bool next_in_tree(struct csn_walk *walk, struct csn_element *ret_element)
{
	struct tree *tree = (struct tree *)walk;
	struct csn_values *values = walk->printing->values;
	uint64_t address;

	if (walk->index && !next_node(tree)) {
		walk->broken = CSN_VALUE_UNSUPPORTED;
		return false;
	}
	if (!csn_part_number(values, &tree->pointer, &address)) {
		walk->broken = CSN_VALUE_NOT_IN_DUMP;
		return false;
	}
	return element_of(&tree->links, address, ret_element);
}

bool csn_print_std_tree(struct csn_printing *p, const struct csn_part *first, uint64_t count,
			const struct csn_tree_names *names, uint64_t header_bytes,
			struct csn_type *element)
{
	struct tree tree = {
		.links = { .walk = { .printing = p,
				     .next = next_in_tree,
				     .count = count,
				     .indexed = true },
			   .header_bytes = header_bytes,
			   .type = element,
			   .is_map = is_map(p) },
		.names = names,
		.pointer = *first,
	};

	return element && csn_print_count(p, count) && csn_print_sequence(&tree.links.walk);
}

/* --- holders --- */

static bool print_pair(struct csn_printing *p)
{
	struct csn_labelled parts[2] = { { .label = "first" }, { .label = "second" } };

	return csn_part_find(p->values, &p->whole, "first", &parts[0].part) &&
	       csn_part_find(p->values, &p->whole, "second", &parts[1].part) &&
	       csn_print_parts(p, parts, csn_countof(parts));
}

static bool print_wrapper(struct csn_printing *p)
{
	struct csn_value_node inner = { 0 };
	struct csn_part part;

	if (!csn_part_find(p->values, &p->whole, "c", &part))
		return false;
	csn_value_fill(p->values, p->frame, &part.object, part.type, p->depth + 1, 0, &inner);
	if (!inner.has_title || inner.state != CSN_VALUE_OK)
		return false;
	csn_print_title(p, "%s wrapping: %s", p->name, inner.text);
	p->value->parts = inner.parts;
	p->value->n_parts = inner.n_parts;
	p->value->is_cut = inner.is_cut;
	return true;
}

bool csn_print_std_shared(struct csn_printing *p, const struct csn_part *pointer,
			  const struct csn_part *counts, const struct csn_counts_names *names)
{
	struct csn_part block;
	uint64_t address, use, weak;
	char state[64] = "empty";

	if (!csn_part_number(p->values, counts, &address))
		return false;
	/* What counts is often only declared where nobody makes it. */
	if (address && (!csn_part_follow(p->values, counts, &block) ||
			!csn_part_number_at(p->values, &block, names->use, &use) ||
			!csn_part_number_at(p->values, &block, names->weak, &weak)))
		return csn_print_pointer(p, csn_print_typed(p, 1), "get()", pointer);
	if (address && use + (uint64_t)names->bias == 0)
		snprintf(state, sizeof(state), "expired, weak count %" PRId64,
			 (int64_t)weak + names->bias);
	else if (address)
		snprintf(state, sizeof(state), "use count %" PRId64 ", weak count %" PRId64,
			 (int64_t)use + names->bias, (int64_t)weak + names->bias - 1);
	return csn_print_pointer(p,
				 csn_arena_sprintf(p->values->arena, "%s (%s)",
						   csn_print_typed(p, 1), state),
				 "get()", pointer);
}

bool csn_print_std_variant(struct csn_printing *p, const struct csn_part *index,
			   const struct csn_part *storage)
{
	struct csn_type *type = p->whole.type;
	struct csn_part value = *storage;
	const char *title = csn_print_typed(p, SIZE_MAX);
	uint64_t number;

	csn_type_read_parts(type);
	if (!type->n_arguments || !csn_part_number(p->values, index, &number))
		return false;
	if (number >= type->n_arguments)
		return csn_print_title(p, "%s [no contained value]", title);
	value.type = csn_type_argument_type(type, number);
	if (!value.type)
		return false;
	title = csn_arena_sprintf(p->values->arena, "%s [index %" PRIu64 "]", title, number);
	return title && csn_print_contained(p, title, NULL, &value);
}

bool csn_print_std_atomic(struct csn_printing *p, const char *const *paths, size_t n_paths)
{
	struct csn_value_node inner = { 0 };
	struct csn_part part;
	size_t i = 0;

	while (i < n_paths && !csn_part_find(p->values, &p->whole, paths[i], &part))
		i++;
	if (i == n_paths)
		return false;
	csn_value_fill(p->values, p->frame, &part.object, part.type, p->depth + 1, 0, &inner);
	if (!inner.text || inner.n_parts || inner.state != CSN_VALUE_OK)
		return false;
	return csn_print_title(p, "%s = { %s }", csn_print_typed(p, 1), inner.text);
}

bool csn_print_std_iterator(struct csn_printing *p, const char *pointer, uint64_t header_bytes,
			    const char *container)
{
	struct csn_part at, value;
	uint64_t address;

	if (!csn_part_find(p->values, &p->whole, pointer, &at) ||
	    !csn_part_number(p->values, &at, &address))
		return false;
	if (!address)
		return csn_print_title(p, "non-dereferenceable iterator for %s", container);
	if (!header_bytes)
		return csn_part_follow(p->values, &at, &value) && csn_print_as(p, &value);
	return csn_part_behind(p->values, address, header_bytes,
			       csn_type_argument_type(p->whole.type, 0), &value) &&
	       csn_print_as(p, &value);
}

static const struct csn_printer printers[] = {
	{ "std::pair", "second", print_pair },
	{ "std::stack", "c", print_wrapper },
	{ "std::queue", "c", print_wrapper },
	{ "std::priority_queue", "c", print_wrapper },
};

const struct csn_printer_table csn_printers_std = { printers, csn_countof(printers) };
