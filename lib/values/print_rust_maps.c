/* Printers for the maps and sets of Rust's library: tables of hashes (hashbrown, as std has it) and
 * B-trees. */
#include <string.h>

#include "values/rust.h"

/* --- hashes --- */

/* Before ctrl lie the elements, from it on there is a byte for each: its top bit is clear where
 * there is one. */
struct hash {
	struct csn_walk walk;
	csn_addr ctrl;
	uint64_t n_places, place, stride;
	struct csn_type *type; /* of an element: a key and what belongs to it */
	bool is_set;
};

/* Which place holds the next one. */
static bool next_place(struct hash *hash)
{
	struct csn_values *values = hash->walk.printing->values;
	uint8_t mark;

	for (; hash->place < hash->n_places; hash->place++) {
		if (hash->place >= CSN_MAX_HASH_PLACES) {
			hash->walk.broken = CSN_VALUE_BUDGET;
			return false;
		}
		if (csn_target_read_some(values->target, hash->ctrl + hash->place, &mark, 1) != 1) {
			hash->walk.broken = CSN_VALUE_NOT_IN_DUMP;
			return false;
		}
		if (!(mark & 0x80))
			return true;
	}
	/* There must have been more. */
	hash->walk.broken = CSN_VALUE_UNSUPPORTED;
	return false;
}

static bool next_in_hash(struct csn_walk *walk, struct csn_element *ret_element)
{
	struct hash *hash = (struct hash *)walk;
	struct csn_values *values = walk->printing->values;
	struct csn_part element, key;

	if (!next_place(hash))
		return false;
	hash->place++;
	element = csn_part_in_memory(hash->ctrl - hash->place * hash->stride, hash->type);
	if (!csn_part_find(values, &element, "__0", &key) ||
	    !csn_part_find(values, &element, "__1", &ret_element->value)) {
		walk->broken = CSN_VALUE_UNSUPPORTED;
		return false;
	}
	if (hash->is_set)
		ret_element->value = key;
	else
		ret_element->key = key;
	return true;
}

static bool print_hash(struct csn_printing *p, const char *path, bool is_set)
{
	struct hash hash = { .walk = { .printing = p, .next = next_in_hash }, .is_set = is_set };
	struct csn_part table;
	uint64_t mask, size_bytes;

	if (!csn_part_find(p->values, &p->whole, path, &table) ||
	    !csn_part_number_at(p->values, &table, "table.ctrl.pointer", &hash.ctrl) ||
	    !csn_part_number_at(p->values, &table, "table.bucket_mask", &mask) ||
	    !csn_part_number_at(p->values, &table, "table.items", &hash.walk.count))
		return false;
	hash.type = csn_type_argument_type(csn_type_strip(table.type), 0);
	hash.n_places = mask + 1;
	if (!hash.type || !csn_type_size(hash.type, &hash.stride) || mask & hash.n_places ||
	    hash.walk.count > hash.n_places ||
	    __builtin_mul_overflow(hash.n_places, hash.stride, &size_bytes) ||
	    size_bytes > hash.ctrl ||
	    (hash.walk.count &&
	     (!csn_memory_is_plausible(p->values, hash.ctrl - size_bytes, size_bytes) ||
	      !csn_memory_is_plausible(p->values, hash.ctrl, hash.n_places))))
		return false;
	p->value->form = CSN_FORM_MAP;
	if (!csn_print_sequence(&hash.walk))
		return false;
	csn_rust_fill_list(p);
	return true;
}

bool csn_rust_print_hash_map(struct csn_printing *p)
{
	return print_hash(p, "base.table", false);
}

bool csn_rust_print_hash_set(struct csn_printing *p)
{
	return print_hash(p, "base.map.table", true);
}

/* --- B-trees --- */

#define CSN_BTREE_HEIGHT 16u
#define CSN_BTREE_KEYS 11u

struct btree {
	struct csn_walk walk;
	struct csn_type *leaf, *key, *element;
	uint64_t key_bytes, element_bytes;
	uint64_t keys, elements, edges, length; /* offsets of members */
	bool is_set;
	csn_addr below; /* a node to go down to before the next key; 0 none */
	/* From the root to the node at hand: how many of its keys were told. */
	struct {
		csn_addr node;
		uint64_t told, count;
	} path[CSN_BTREE_HEIGHT];
	unsigned depth;  /* nodes in path */
	unsigned height; /* edges from the root to the leaves */
};

static const struct csn_type_member *find_member(struct csn_type *type, const char *name)
{
	csn_type_read_parts(type);
	for (size_t i = 0; i < type->n_members; i++)
		if (type->members[i].name && strcmp(type->members[i].name, name) == 0)
			return &type->members[i];
	return NULL;
}

static bool offset_of(struct csn_type *type, const char *name, uint64_t *ret_offset)
{
	const struct csn_type_member *member = find_member(type, name);

	*ret_offset = member ? member->offset_bytes : 0;
	return member != NULL;
}

/* The type of a member, stripped. */
static struct csn_type *member_type(struct csn_type *type, const char *name)
{
	const struct csn_type_member *member = find_member(type, name);

	return member ? csn_type_strip(member->type) : NULL;
}

/* Inner nodes are known only as what leaves call their parents: an Option of a pointer. */
static struct csn_type *inner_node(struct csn_type *leaf)
{
	struct csn_type *option = member_type(leaf, "parent"), *some, *pointer = NULL;

	if (!option)
		return NULL;
	csn_type_read_parts(option);
	for (size_t i = 0; i < option->n_variants && !pointer; i++) {
		some = csn_type_strip(option->variants[i].member.type);
		some = some ? member_type(some, "__0") : NULL;
		pointer = some ? member_type(some, "pointer") : NULL;
	}
	return pointer ? csn_type_strip(csn_type_target(pointer)) : NULL;
}

/* Goes down to the first leaf of a node. */
static bool go_down(struct btree *tree, csn_addr node)
{
	struct csn_values *values = tree->walk.printing->values;
	uint8_t bytes[2];
	uint64_t count;

	for (;;) {
		if (!csn_walk_visit(&tree->walk, node))
			return false;
		if (csn_target_read_some(values->target, node + tree->length, bytes,
					 sizeof(bytes)) != sizeof(bytes)) {
			tree->walk.broken = CSN_VALUE_NOT_IN_DUMP;
			return false;
		}
		count = csn_number_of(bytes, sizeof(bytes), false);
		tree->walk.broken = count > CSN_BTREE_KEYS ? CSN_VALUE_UNSUPPORTED : CSN_VALUE_OK;
		if (tree->walk.broken)
			return false;
		tree->path[tree->depth].node = node;
		tree->path[tree->depth].told = 0;
		tree->path[tree->depth++].count = count;
		if (tree->depth > tree->height)
			return true;
		if (!csn_target_read_word(values->target, node + tree->edges, &node)) {
			tree->walk.broken = CSN_VALUE_NOT_IN_DUMP;
			return false;
		}
	}
}

/* In order: what lies before a key, the key, and so on. */
static bool next_in_btree(struct csn_walk *walk, struct csn_element *ret_element)
{
	struct btree *tree = (struct btree *)walk;
	csn_addr node = tree->below;
	struct csn_part key;
	uint64_t place;

	tree->below = 0;
	if (node && !go_down(tree, node))
		return false;
	while (tree->depth && tree->path[tree->depth - 1].told >= tree->path[tree->depth - 1].count)
		tree->depth--;
	if (!tree->depth) {
		walk->broken = CSN_VALUE_UNSUPPORTED;
		return false;
	}
	node = tree->path[tree->depth - 1].node;
	place = tree->path[tree->depth - 1].told++;
	key = csn_part_in_memory(node + tree->keys + place * tree->key_bytes, tree->key);
	ret_element->value = csn_part_in_memory(node + tree->elements + place * tree->element_bytes,
						tree->element);
	if (tree->is_set)
		ret_element->value = key;
	else
		ret_element->key = key;
	if (tree->depth <= tree->height)
		(void)csn_target_read_word(walk->printing->values->target,
					   node + tree->edges + (place + 1) * sizeof(node),
					   &tree->below);
	return true;
}

static bool read_types(struct btree *tree, const struct csn_part *map, struct csn_type *pointer)
{
	struct csn_type *inner;
	uint64_t zero;

	tree->key = csn_type_argument_type(csn_type_strip(map->type), 0);
	tree->element = csn_type_argument_type(csn_type_strip(map->type), 1);
	tree->leaf = pointer ? csn_type_strip(csn_type_target(pointer)) : NULL;
	inner = tree->leaf ? inner_node(tree->leaf) : NULL;
	return tree->key && tree->element && inner && csn_type_size(tree->key, &tree->key_bytes) &&
	       csn_type_size(tree->element, &tree->element_bytes) &&
	       offset_of(tree->leaf, "keys", &tree->keys) &&
	       offset_of(tree->leaf, "vals", &tree->elements) &&
	       offset_of(tree->leaf, "len", &tree->length) &&
	       offset_of(inner, "edges", &tree->edges) && offset_of(inner, "data", &zero) && !zero;
}

static bool print_btree(struct csn_printing *p, const struct csn_part *map, bool is_set)
{
	struct btree tree = { .walk = { .printing = p, .next = next_in_btree }, .is_set = is_set };
	struct csn_part root, some, node, pointer;
	uint64_t address, height;
	const char *variant;

	if (!csn_part_find(p->values, map, "root", &root) ||
	    !csn_part_number_at(p->values, map, "length", &tree.walk.count) ||
	    !csn_rust_variant(p->values, &root, &some, &variant))
		return false;
	p->value->form = CSN_FORM_MAP;
	if (strcmp(variant, "None") == 0 || !tree.walk.count) {
		if (tree.walk.count)
			return false;
		csn_rust_fill_list(p);
		return true;
	}
	if (!csn_part_find(p->values, &some, "__0", &node) ||
	    !csn_part_find(p->values, &node, "node.pointer", &pointer) ||
	    !csn_part_number(p->values, &pointer, &address) ||
	    !csn_part_number_at(p->values, &node, "height", &height) ||
	    height >= CSN_BTREE_HEIGHT - 1 || !read_types(&tree, map, csn_type_strip(pointer.type)))
		return false;
	tree.height = (unsigned)height;
	tree.below = address;
	if (!csn_memory_is_plausible(p->values, address, tree.length + 2) ||
	    !csn_print_sequence(&tree.walk))
		return false;
	csn_rust_fill_list(p);
	return true;
}

bool csn_rust_print_btree_map(struct csn_printing *p)
{
	return print_btree(p, &p->whole, false);
}

bool csn_rust_print_btree_set(struct csn_printing *p)
{
	struct csn_part map;

	return csn_part_find(p->values, &p->whole, "map", &map) && print_btree(p, &map, true);
}
