/* Printers for GLib: lists, queues, arrays of pointers, texts, hash tables.
 *
 * What its users see of a hash table is a name without members; the layout is that of GLib 2.64 and
 * later (glib/ghash.c), and the table must agree with itself in all its counts. */
#include <inttypes.h>

#include "values/printer.h"

/* --- lists --- */

struct list {
	struct csn_walk walk;
	struct csn_part at; /* the next node, or a pointer to it when not the first */
	bool is_first;
};

/* Nodes lead to nodes; data is what each holds. */
static bool next_node(struct csn_walk *walk, struct csn_element *ret_element)
{
	struct list *list = (struct list *)walk;
	struct csn_values *values = walk->printing->values;
	struct csn_part node = list->at;
	uint64_t address = 0;

	if (!list->is_first && !csn_part_number(values, &list->at, &address)) {
		walk->broken = CSN_VALUE_NOT_IN_DUMP;
		return false;
	}
	if (!list->is_first && !address) {
		/* A queue that says it has more. */
		if (walk->count != UINT64_MAX)
			walk->broken = CSN_VALUE_UNSUPPORTED;
		return false;
	}
	if (!list->is_first && !csn_part_follow(values, &list->at, &node)) {
		walk->broken = CSN_VALUE_UNSUPPORTED;
		return false;
	}
	if (!csn_walk_visit(walk, node.object.address))
		return false;
	list->is_first = false;
	if (!csn_part_find(values, &node, "data", &ret_element->value) ||
	    !csn_part_find(values, &node, "next", &list->at)) {
		walk->broken = CSN_VALUE_UNSUPPORTED;
		return false;
	}
	return true;
}

/* From this node on, as its users pass lists around. */
static bool print_node(struct csn_printing *p)
{
	struct list list = {
		.walk = { .printing = p, .next = next_node, .count = UINT64_MAX, .indexed = true },
		.at = p->whole,
		.is_first = true
	};

	if (p->whole.object.kind != CSN_OBJECT_MEMORY)
		return false;
	return csn_print_title(p, "%s", p->name + 1) && csn_print_sequence(&list.walk);
}

static bool print_queue(struct csn_printing *p)
{
	struct list list = { .walk = { .printing = p, .next = next_node, .indexed = true } };

	return csn_part_find(p->values, &p->whole, "head", &list.at) &&
	       csn_part_number_at(p->values, &p->whole, "length", &list.walk.count) &&
	       csn_print_title(p, "GQueue of length %" PRIu64, list.walk.count) &&
	       csn_print_sequence(&list.walk);
}

/* --- rows --- */

static bool print_pointers(struct csn_printing *p)
{
	struct csn_part data;
	struct csn_type *element;
	uint64_t address, count, element_bytes = 0;

	if (!csn_part_find(p->values, &p->whole, "pdata", &data) ||
	    !csn_part_number(p->values, &data, &address) ||
	    !csn_part_number_at(p->values, &p->whole, "len", &count))
		return false;
	element = csn_type_target(csn_type_strip(data.type));
	return element && csn_type_size(element, &element_bytes) && count <= UINT32_MAX &&
	       csn_memory_is_plausible(p->values, address, count * element_bytes) &&
	       csn_print_title(p, "GPtrArray of length %" PRIu64, count) &&
	       csn_print_array(p, address, count, element);
}

static bool print_text(struct csn_printing *p)
{
	struct csn_part text;
	uint64_t address, length, allocated;

	return csn_part_find(p->values, &p->whole, "str", &text) &&
	       csn_part_number(p->values, &text, &address) &&
	       csn_part_number_at(p->values, &p->whole, "len", &length) &&
	       csn_part_number_at(p->values, &p->whole, "allocated_len", &allocated) &&
	       length < allocated &&
	       csn_print_string(p, address, length, csn_type_target(csn_type_strip(text.type)));
}

/* --- hash tables --- */

/* struct _GHashTable on machines of 64 bits. */
struct table {
	struct csn_walk walk;
	uint64_t size, mask, n_nodes, n_occupied, keys, hashes, values;
	bool big_keys, big_values;
	uint64_t place;
};

static bool read_table(struct csn_printing *p, struct table *table)
{
	uint8_t bytes[56];

	if (p->values->target->arch->word_bytes != 8 ||
	    csn_object_read(p->values, &p->whole.object, bytes, sizeof(bytes)) != CSN_VALUE_OK)
		return false;
	table->size = csn_number_of(bytes, 8, false);
	table->mask = csn_number_of(bytes + 12, 4, false);
	table->n_nodes = csn_number_of(bytes + 16, 4, false);
	table->n_occupied = csn_number_of(bytes + 20, 4, false);
	table->big_keys = bytes[24] & 1;
	table->big_values = bytes[24] & 2;
	table->keys = csn_number_of(bytes + 32, 8, false);
	table->hashes = csn_number_of(bytes + 40, 8, false);
	table->values = csn_number_of(bytes + 48, 8, false);
	return table->size >= 8 && table->size <= UINT32_MAX &&
	       !(table->size & (table->size - 1)) && table->mask == table->size - 1 &&
	       table->n_nodes <= table->n_occupied && table->n_occupied <= table->size;
}

static bool read_number(struct csn_printing *p, csn_addr address, unsigned size_bytes,
			uint64_t *ret_number)
{
	const struct csn_object object = { .kind = CSN_OBJECT_MEMORY, .address = address };
	uint8_t bytes[8];

	if (csn_object_read(p->values, &object, bytes, size_bytes) != CSN_VALUE_OK)
		return false;
	*ret_number = csn_number_of(bytes, size_bytes, false);
	return true;
}

/* A hash of 0 is an unused place, one of 1 what was removed. */
static bool next_place(struct csn_walk *walk, struct csn_element *ret_element)
{
	struct table *table = (struct table *)walk;
	struct csn_printing *p = walk->printing;
	const unsigned key_bytes = table->big_keys ? 8 : 4, value_bytes = table->big_values ? 8 : 4;
	uint64_t hash = 0, key, value;
	uint64_t max = csn_min_u64(table->size, CSN_MAX_HASH_PLACES);

	while (table->place < max && hash < 2)
		if (!read_number(p, table->hashes + 4 * table->place++, 4, &hash))
			break;
	if (hash < 2 ||
	    !read_number(p, table->keys + key_bytes * (table->place - 1), key_bytes, &key) ||
	    !read_number(p, table->values + value_bytes * (table->place - 1), value_bytes,
			 &value)) {
		walk->broken =
			table->place < table->size ? CSN_VALUE_NOT_IN_DUMP : CSN_VALUE_UNSUPPORTED;
		return false;
	}
	if (table->keys != table->values)
		ret_element->label = csn_arena_sprintf(p->values->arena, "[0x%" PRIx64 "]", key);
	ret_element->text = csn_arena_sprintf(p->values->arena, "0x%" PRIx64, value);
	return ret_element->text != NULL;
}

static bool print_table(struct csn_printing *p)
{
	struct table table = { .walk = { .printing = p, .next = next_place } };

	if (!read_table(p, &table) ||
	    !csn_memory_is_plausible(p->values, table.hashes, table.size * 4) ||
	    !csn_memory_is_plausible(p->values, table.keys,
				     table.size * (table.big_keys ? 8 : 4)) ||
	    !csn_memory_is_plausible(p->values, table.values,
				     table.size * (table.big_values ? 8 : 4)))
		return false;
	table.walk.count = table.n_nodes;
	table.walk.indexed = table.keys == table.values;
	return csn_print_title(p, "GHashTable with %" PRIu64 " element%s", table.n_nodes,
			       table.n_nodes == 1 ? "" : "s") &&
	       csn_print_sequence(&table.walk);
}

static const struct csn_printer printers[] = {
	{ "_GList", "data", print_node, false },
	{ "_GSList", "data", print_node, false },
	{ "_GQueue", "head", print_queue, false },
	{ "_GPtrArray", "pdata", print_pointers, false },
	{ "_GString", "allocated_len", print_text, false },
	{ "_GHashTable", NULL, print_table, true },
};

const struct csn_printer_table csn_printers_glib = { printers, csn_countof(printers) };
