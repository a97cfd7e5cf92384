#include "symbols/pclntab.h"

#include "base/limits.h"

/* cmd/internal/objabi/funcdata.go */
#define TABLE_INLINE_INDEX 2
#define DATA_INLINE_TREE 3

/* internal/abi/symtab.go (before 1.20: runtime/symtab.go) */
#define FLAG_TOP 1
#define FLAG_WRITES_SP 2

#define NO_DATA UINT32_MAX

/* What differs between versions. */
static const struct layout {
	uint32_t magic;
	bool has_parts;      /* the header gives the offsets of five parts */
	bool has_text;       /* and where code begins: starts are 32-bit offsets from it */
	bool has_unit;       /* file numbers count within the function's unit */
	bool has_line;       /* the record has the function's first line */
	bool has_flags;      /* and flags */
	uint8_t node_bytes;  /* of an inline tree; 0: trees are not read */
	uint8_t node_name;   /* offset of the name in one */
	uint8_t node_parent; /* offset of the call's address */
} layouts[] = {
	[CSN_PCLNTAB_1_2] = { .magic = 0xfffffffb },
	[CSN_PCLNTAB_1_16] = { 0xfffffffa, true, false, true, false, false, 20, 12, 16 },
	[CSN_PCLNTAB_1_18] = { 0xfffffff0, true, true, true, false, true, 20, 12, 16 },
	[CSN_PCLNTAB_1_20] = { 0xfffffff1, true, true, true, true, true, 16, 4, 8 },
};

static const struct layout *layout_of(const struct csn_pclntab *table)
{
	return &layouts[table->version];
}

static bool find_version(uint32_t magic, enum csn_pclntab_version *ret_version)
{
	for (size_t i = 0; i < csn_countof(layouts); i++) {
		if (layouts[i].magic != magic)
			continue;
		*ret_version = (enum csn_pclntab_version)i;
		return true;
	}
	return false;
}

bool csn_pclntab_is_head(const uint8_t *bytes, size_t size_bytes)
{
	struct csn_span head = csn_span_of(bytes, size_bytes);
	enum csn_pclntab_version version;

	/* The magic numbers were chosen so that no text begins with them. */
	return find_version(csn_span_u32(&head), &version) && csn_span_u16(&head) == 0 &&
	       (bytes[6] == 1 || bytes[6] == 2 || bytes[6] == 4) &&
	       (bytes[7] == 4 || bytes[7] == 8);
}

/* From offset to the end. */
static struct csn_span rest(const struct csn_span *bytes, uint64_t offset)
{
	struct csn_span failed = { .failed = true };

	return offset > bytes->size ? failed : csn_span_part(bytes, offset, bytes->size - offset);
}

/* Go 1.2: the functions follow the header, the offset of the files follows them, and all other
 * offsets are from the header on. */
static void open_old(struct csn_pclntab *table, const struct csn_span *bytes, struct csn_span *at)
{
	struct csn_span behind;
	uint64_t entries;

	table->n_functions = csn_span_uint(at, table->word_bytes);
	table->functions = rest(bytes, at->at);
	table->names = table->values = *bytes;
	entries = table->n_functions * 2 + 1;
	if (table->n_functions > bytes->size)
		at->failed = true;
	behind = rest(&table->functions, entries * table->word_bytes);
	table->files_offset = csn_span_u32(&behind);
	table->files = rest(bytes, table->files_offset);
	at->failed |= behind.failed;
}

static void open_parts(struct csn_pclntab *table, const struct csn_span *bytes, struct csn_span *at,
		       uint64_t text)
{
	unsigned width = table->word_bytes;

	table->n_functions = csn_span_uint(at, width);
	csn_span_uint(at, width); /* number of files */
	if (layout_of(table)->has_text) {
		table->text = csn_span_uint(at, width);
		if (text)
			table->text = text;
	}
	table->names_offset = csn_span_uint(at, width);
	table->names = rest(bytes, table->names_offset);
	table->units = rest(bytes, csn_span_uint(at, width));
	table->files = rest(bytes, csn_span_uint(at, width));
	table->values = rest(bytes, csn_span_uint(at, width));
	table->functions = rest(bytes, csn_span_uint(at, width));
}

static uint64_t entry_bytes(const struct csn_pclntab *table)
{
	return layout_of(table)->has_text ? 8 : 2 * (uint64_t)table->word_bytes;
}

bool csn_pclntab_open(const struct csn_span *bytes, uint64_t text, struct csn_pclntab *ret_table)
{
	struct csn_pclntab table = { .steps_left = CSN_MAX_GO_STEPS, .trees = { .failed = true } };
	struct csn_span at = *bytes;

	if (csn_span_left(&at) < CSN_PCLNTAB_HEAD ||
	    !csn_pclntab_is_head(at.data + at.at, CSN_PCLNTAB_HEAD) ||
	    !find_version(csn_span_u32(&at), &table.version))
		return false;
	csn_span_skip(&at, 2);
	table.quantum = csn_span_u8(&at);
	table.word_bytes = csn_span_u8(&at);
	if (layout_of(&table)->has_parts)
		open_parts(&table, bytes, &at, text);
	else
		open_old(&table, bytes, &at);
	/* The last function is followed by where it ends. */
	if (!csn_span_ok(&at) || !csn_span_ok(&table.functions) || !table.n_functions ||
	    table.n_functions >= table.functions.size / entry_bytes(&table))
		return false;
	*ret_table = table;
	return true;
}

/* The start of function number index, or the end of all; index <= n_functions. */
static uint64_t start_of(const struct csn_pclntab *table, uint64_t index)
{
	struct csn_span at = rest(&table->functions, index * entry_bytes(table));

	return table->text + csn_span_uint(&at, layout_of(table)->has_text ? 4 : table->word_bytes);
}

static bool read_record(const struct csn_pclntab *table, uint64_t index,
			struct csn_pclntab_function *function)
{
	const struct layout *layout = layout_of(table);
	unsigned half = layout->has_text ? 4 : table->word_bytes;
	struct csn_span at = rest(&table->functions, index * entry_bytes(table) + half);
	struct csn_span name = table->names;
	uint8_t flags;

	/* Go 1.2 counts from the header on. */
	at = rest(layout->has_parts ? &table->functions : &table->names, csn_span_uint(&at, half));
	csn_span_skip(&at, half); /* start */
	csn_span_seek(&name, csn_span_u32(&at));
	function->name = csn_span_cstr(&name);
	csn_span_skip(&at, 8); /* size of arguments, deferred returns */
	function->stack_table = csn_span_u32(&at);
	function->file_table = csn_span_u32(&at);
	function->line_table = csn_span_u32(&at);
	function->n_tables = csn_span_u32(&at);
	function->unit = layout->has_unit ? csn_span_u32(&at) : 0;
	if (layout->has_line)
		csn_span_skip(&at, 4);
	csn_span_skip(&at, 1); /* number of a special function */
	flags = csn_span_u8(&at);
	csn_span_skip(&at, 1);
	function->n_data = csn_span_u8(&at);
	function->is_top = layout->has_flags && (flags & FLAG_TOP);
	function->writes_sp = layout->has_flags && (flags & FLAG_WRITES_SP);
	function->data = rest(&at, at.at);
	return csn_span_ok(&at) && function->name;
}

bool csn_pclntab_find(const struct csn_pclntab *table, uint64_t address,
		      struct csn_pclntab_function *ret_function)
{
	struct csn_pclntab_function function = { 0 };
	uint64_t low = 0, high = table->n_functions;

	if (address < start_of(table, 0) || address >= start_of(table, table->n_functions))
		return false;
	/* The last function that begins at or before the address. */
	while (high - low > 1) {
		uint64_t middle = low + (high - low) / 2;

		if (start_of(table, middle) <= address)
			low = middle;
		else
			high = middle;
	}
	function.start = start_of(table, low);
	function.end = start_of(table, low + 1);
	if (address < function.start || address >= function.end ||
	    !read_record(table, low, &function))
		return false;
	*ret_function = function;
	return true;
}

/* --- tables of values --- */

/* A table is pairs: what the value grows by, and for how many instructions it holds. False when it
 * does not reach the address. */
static bool value_at(struct csn_pclntab *table, const struct csn_pclntab_function *function,
		     uint32_t offset, uint64_t address, int32_t *ret_value)
{
	struct csn_span at = rest(&table->values, offset);
	uint64_t pc = function->start;
	uint32_t value = UINT32_MAX;
	bool first = true;

	if (!offset)
		return false;
	while (table->steps_left) {
		uint32_t change = (uint32_t)csn_span_uleb(&at);

		if ((change == 0 && !first) || !csn_span_ok(&at) || pc > function->end)
			return false;
		first = false;
		table->steps_left--;
		value += (change & 1) ? ~(change >> 1) : change >> 1;
		pc += csn_span_uleb(&at) * table->quantum;
		if (address >= pc)
			continue;
		*ret_value = (int32_t)value;
		return csn_span_ok(&at);
	}
	return false;
}

/* Of one of the further tables. */
static bool table_value(struct csn_pclntab *table, const struct csn_pclntab_function *function,
			uint32_t number, uint64_t address, int32_t *ret_value)
{
	struct csn_span at = rest(&function->data, 4ull * number);

	return number < function->n_tables &&
	       value_at(table, function, csn_span_u32(&at), address, ret_value);
}

bool csn_pclntab_depth(struct csn_pclntab *table, const struct csn_pclntab_function *function,
		       uint64_t address, uint32_t *ret_depth)
{
	int32_t depth;

	if (!value_at(table, function, function->stack_table, address, &depth) || depth < 0 ||
	    (uint32_t)depth % table->word_bytes)
		return false;
	*ret_depth = (uint32_t)depth;
	return true;
}

static const char *file_name(const struct csn_pclntab *table, uint32_t unit, int32_t number)
{
	struct csn_span at = rest(&table->units, 4 * ((uint64_t)unit + (uint32_t)number));
	struct csn_span name = table->files;

	if (!layout_of(table)->has_unit) {
		/* Offsets, from the header on, of numbered names. */
		at = rest(&table->files, 4ull * (uint32_t)number);
		name = table->names;
	}
	csn_span_seek(&name, csn_span_u32(&at));
	return csn_span_ok(&at) ? csn_span_cstr(&name) : NULL;
}

static void set_position(struct csn_pclntab *table, const struct csn_pclntab_function *function,
			 uint64_t address, struct csn_pclntab_frame *frame)
{
	int32_t file, line;

	if (value_at(table, function, function->file_table, address, &file) && file >= 0)
		frame->path = file_name(table, function->unit, file);
	if (value_at(table, function, function->line_table, address, &line) && line > 0)
		frame->line = (uint32_t)line;
}

/* --- inlined functions --- */

/* Since 1.18 trees are 32-bit offsets from go.func.*, before that they were aligned addresses. */
static bool tree_place(const struct csn_pclntab *table, const struct csn_pclntab_function *function,
		       uint64_t *ret_place)
{
	unsigned width = layout_of(table)->has_text ? 4 : table->word_bytes;
	uint64_t begin = (uint64_t)(function->data.data - table->functions.data);
	uint64_t data = (begin + 4ull * function->n_tables + width - 1) & ~(uint64_t)(width - 1);
	struct csn_span at = rest(&table->functions, data + (uint64_t)width * DATA_INLINE_TREE);

	*ret_place = csn_span_uint(&at, width);
	return csn_span_ok(&at) && *ret_place != (width == 4 ? NO_DATA : 0);
}

static struct csn_span inline_tree(const struct csn_pclntab *table,
				   const struct csn_pclntab_function *function)
{
	uint64_t place;

	if (!layout_of(table)->node_bytes || function->n_data <= DATA_INLINE_TREE ||
	    !tree_place(table, function, &place) || place < table->trees_address)
		return (struct csn_span){ .failed = true };
	return rest(&table->trees, place - table->trees_address);
}

/* One function inlined at *address: its name; *address becomes that of its call. */
static const char *inlined_at(struct csn_pclntab *table,
			      const struct csn_pclntab_function *function,
			      const struct csn_span *tree, uint64_t *address)
{
	const struct layout *layout = layout_of(table);
	struct csn_span node, at, name = table->names;
	uint32_t parent;
	int32_t index;

	if (!csn_span_ok(tree) ||
	    !table_value(table, function, TABLE_INLINE_INDEX, *address, &index) || index < 0)
		return NULL;
	node = csn_span_part(tree, (uint64_t)index * layout->node_bytes, layout->node_bytes);
	at = rest(&node, layout->node_name);
	csn_span_seek(&name, csn_span_u32(&at));
	at = rest(&node, layout->node_parent);
	parent = csn_span_u32(&at);
	if (!csn_span_ok(&at) || parent >= function->end - function->start)
		return NULL;
	*address = function->start + parent;
	return csn_span_cstr(&name);
}

size_t csn_pclntab_frames(struct csn_pclntab *table, const struct csn_pclntab_function *function,
			  uint64_t address, struct csn_pclntab_frame *frames, size_t max)
{
	struct csn_span tree = inline_tree(table, function);
	size_t n = 0;

	for (;;) {
		uint64_t position = address;
		const char *name =
			n + 1 < max ? inlined_at(table, function, &tree, &address) : NULL;

		frames[n] = (struct csn_pclntab_frame){ .name = name ? name : function->name };
		set_position(table, function, position, &frames[n++]);
		if (!name)
			return n;
	}
}
