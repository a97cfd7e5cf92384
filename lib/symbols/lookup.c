/* Naming a batch of addresses.
 *
 * The addresses of one module are sorted and made distinct; then each symbol table is read once,
 * in its own order, and every symbol is offered to the addresses it covers. Nothing is sorted or
 * hashed on the symbols' side: tables have millions of them, stacks have hundreds of addresses. */
#include "symbols/lookup.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "symbols/demangle.h"
#include "symbols/golang.h"
#include "symbols/module_internal.h"
#include "symbols/plt_internal.h"

/* A symbol offered to an address. */
struct candidate {
	struct csn_elf_symbol symbol;
	const struct csn_elf_symbols *table; /* NULL: none */
	const struct csn_elf_file *elf;
};

/* One distinct address of a module. */
struct spot {
	uint64_t address;
	struct candidate sized;
	/* Symbols without a size that start at or before this address, but after the one before.
	 * They name what follows them up to the next symbol. */
	struct candidate unsized;
	uint64_t last_start; /* highest start of any symbol up to this address; 0 none */
};

struct batch {
	struct spot *spots; /* sorted by address */
	size_t n_spots;
	uint64_t lowest, highest;
};

static unsigned count_underscores(const char *name)
{
	unsigned count = 0;

	while (name[count] == '_')
		count++;
	return count;
}

static bool is_function(const struct csn_elf_symbol *symbol)
{
	return symbol->type == STT_FUNC || symbol->type == STT_GNU_IFUNC;
}

/* Of two symbols that name the same code: a function, the innermost, one that others can see, the
 * one a person would write ("raise", not "gsignal" or "__raise"). */
static bool is_better(const struct csn_elf_symbol *symbol, const struct csn_elf_symbols *table,
		      const struct candidate *than)
{
	const char *name, *other;
	size_t length, other_length;

	if (!than->table)
		return true;
	if (is_function(symbol) != is_function(&than->symbol))
		return is_function(symbol);
	if (symbol->address != than->symbol.address)
		return symbol->address > than->symbol.address;
	if ((symbol->binding == STB_LOCAL) != (than->symbol.binding == STB_LOCAL))
		return symbol->binding != STB_LOCAL;
	name = csn_elf_symbols_name(table, symbol->name_offset);
	other = csn_elf_symbols_name(than->table, than->symbol.name_offset);
	if (count_underscores(name) != count_underscores(other))
		return count_underscores(name) < count_underscores(other);
	length = strcspn(name, "@");
	other_length = strcspn(other, "@");
	if (length != other_length)
		return length < other_length;
	return strcmp(name, other) < 0;
}

/* Labels that assemblers leave behind ("$x" tells code from data on AArch64). */
static bool is_label(const struct csn_elf_symbol *symbol, const struct csn_elf_symbols *table)
{
	const char *name = csn_elf_symbols_name(table, symbol->name_offset);

	return !*name || *name == '$';
}

/* Index of the first spot at or after address. */
static size_t first_spot(const struct batch *batch, uint64_t address)
{
	size_t low = 0, high = batch->n_spots;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (batch->spots[middle].address < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void offer(struct batch *batch, const struct csn_elf_file *elf,
		  const struct csn_elf_symbols *table, const struct csn_elf_symbol *symbol)
{
	size_t i = first_spot(batch, symbol->address);
	struct candidate taken = { *symbol, table, elf };

	if (i == batch->n_spots)
		return;
	if (symbol->size == 0) {
		if (is_label(symbol, table))
			return;
		if (is_better(symbol, table, &batch->spots[i].unsized))
			batch->spots[i].unsized = taken;
	}
	batch->spots[i].last_start = csn_max_u64(batch->spots[i].last_start, symbol->address);
	/* Names are read late: most symbols end here. */
	if (symbol->size <= batch->spots[i].address - symbol->address || is_label(symbol, table))
		return;
	for (; i < batch->n_spots && batch->spots[i].address - symbol->address < symbol->size;
	     i++) {
		if (is_better(symbol, table, &batch->spots[i].sized))
			batch->spots[i].sized = taken;
	}
}

static void scan_table(struct batch *batch, const struct csn_elf_file *elf,
		       const struct csn_elf_symbols *table)
{
	uint64_t *last_start = &batch->spots[0].last_start;
	struct csn_elf_symbol symbol;
	size_t i;

	for (i = 1; csn_elf_symbols_get(table, i, &symbol); i++) {
		/* Cheapest tests first: most symbols are somewhere else. */
		if (symbol.address > batch->highest || symbol.section == SHN_UNDEF ||
		    symbol.section == SHN_ABS || symbol.section == SHN_COMMON)
			continue;
		if (symbol.size && symbol.size <= batch->lowest &&
		    symbol.address <= batch->lowest - symbol.size) {
			*last_start = csn_max_u64(*last_start, symbol.address);
			continue;
		}
		if (symbol.type != STT_NOTYPE && symbol.type != STT_OBJECT && !is_function(&symbol))
			continue;
		offer(batch, elf, table, &symbol);
	}
}

/* A symbol without a size speaks for its own section only. */
static bool same_section(const struct candidate *candidate, uint64_t address)
{
	struct csn_elf_section section;

	if (candidate->symbol.address == address)
		return true;
	return csn_elf_file_section(candidate->elf, candidate->symbol.section, &section) &&
	       address >= section.address && address - section.address < section.size;
}

/* Carries unsized symbols forward to the addresses behind them and decides. */
static const struct candidate *settle(struct batch *batch, size_t index)
{
	struct spot *spot = &batch->spots[index];

	if (index > 0) {
		const struct spot *before = spot - 1;

		if (!spot->unsized.table)
			spot->unsized = before->unsized;
		spot->last_start = csn_max_u64(spot->last_start, before->last_start);
	}
	if (spot->sized.table)
		return &spot->sized;
	/* Something else began in between and ended: what follows is not this symbol any more. */
	if (!spot->unsized.table || spot->unsized.symbol.address < spot->last_start ||
	    !same_section(&spot->unsized, spot->address))
		return NULL;
	return &spot->unsized;
}

static struct csn_symbol *make_symbol(struct csn_arena *arena, struct csn_module *module,
				      const char *raw, csn_addr start, uint64_t size)
{
	struct csn_symbol *symbol = csn_arena_alloc(arena, sizeof(*symbol));
	const char *name;

	if (!symbol)
		return NULL;
	symbol->raw = csn_arena_strdup(arena, raw);
	if (!symbol->raw)
		return NULL;
	name = csn_demangle(arena, raw);
	if (!name && strchr(raw, '@') && !strstr(raw, "@plt"))
		name = csn_arena_strndup(arena, raw, strcspn(raw, "@"));
	symbol->name = name ? name : symbol->raw;
	symbol->start = start;
	symbol->size = size;
	symbol->module = module;
	return symbol;
}

static int name_plt(struct csn_arena *arena, struct csn_module *module, const struct csn_plt *plt,
		    uint64_t address, const struct csn_symbol **ret_symbol, struct csn_error *err)
{
	uint64_t start = 0;
	const char *raw = csn_plt_name(arena, plt, address, &start);

	*ret_symbol = NULL;
	if (!raw)
		return 0;
	*ret_symbol = make_symbol(arena, module, raw, start + module->bias, 0);
	return *ret_symbol ? 0 : csn_fail_nomem(err);
}

/* By the table that Go programs keep when their symbols are stripped. */
static int name_go(struct csn_arena *arena, struct csn_module *module, uint64_t address,
		   const struct csn_symbol **ret_symbol, struct csn_error *err)
{
	struct csn_pclntab_function function;

	if (*ret_symbol || !csn_module_go_function(module, address + module->bias, &function))
		return 0;
	*ret_symbol = make_symbol(arena, module, function.name, function.start + module->bias,
				  function.end - function.start);
	return *ret_symbol ? 0 : csn_fail_nomem(err);
}

/* A symbol table and the object that has it. */
struct table {
	struct csn_elf_symbols symbols;
	struct csn_elf_file *elf;
};

#define MAX_TABLES 2

/* The tables of a module, the best informed first; returns how many. Whole: one of them names
 * functions that only the module itself calls. */
static size_t find_tables(struct csn_module *module, struct table tables[MAX_TABLES],
			  bool *ret_whole)
{
	struct csn_elf_file *elf = csn_module_elf(module);
	struct csn_elf_file *sources[] = { elf, NULL, NULL };
	size_t n = 0, i;

	for (i = 0; i < csn_countof(sources) && !n; i++) {
		if (i == 1)
			sources[i] = csn_module_debug_elf(module);
		if (i == 2)
			sources[i] = elf ? csn_elf_file_debug_data(elf) : NULL;
		tables[n].elf = sources[i];
		if (sources[i] &&
		    csn_elf_symbols_find(sources[i], CSN_ELF_SYMTAB, &tables[n].symbols))
			n++;
	}
	*ret_whole = n > 0;
	tables[n].elf = elf;
	if (elf && csn_elf_symbols_find(elf, CSN_ELF_DYNSYM, &tables[n].symbols))
		n++;
	return n;
}

/* For later runs. */
static void keep_answer(struct csn_module *module, uint64_t address,
			const struct csn_symbol *symbol)
{
	struct csn_answers *answers = csn_module_answers(module);
	struct csn_answer answer = { .has_symbol = true };

	/* Whether the nearest symbol is the right one is found out each time. */
	if (!answers || (symbol && symbol->is_nearest))
		return;
	if (symbol) {
		answer.raw = symbol->raw;
		answer.name = symbol->name;
		answer.start = symbol->start - module->bias;
		answer.size = symbol->size;
	}
	csn_answers_put(answers, address, &answer);
}

static bool recall_symbol(struct csn_arena *arena, struct csn_module *module,
			  const struct csn_answer *answer, const struct csn_symbol **ret_symbol)
{
	struct csn_symbol *symbol;

	*ret_symbol = NULL;
	if (!answer->raw)
		return true;
	symbol = csn_arena_alloc(arena, sizeof(*symbol));
	if (!symbol)
		return false;
	symbol->raw = csn_arena_strdup(arena, answer->raw);
	symbol->name = answer->name ? csn_arena_strdup(arena, answer->name) : symbol->raw;
	symbol->start = answer->start + module->bias;
	symbol->size = answer->size;
	symbol->module = module;
	*ret_symbol = symbol;
	return symbol->raw && symbol->name;
}

/* Answers what earlier runs know. The others move to the front; *n of them are left. */
static int recall(struct csn_arena *arena, struct csn_module *module, struct csn_lookup **lookups,
		  size_t *n, struct csn_error *err)
{
	struct csn_answers *answers = csn_module_answers(module);
	const struct csn_symbol *symbol = NULL;
	uint64_t last = 0;
	bool known = false;
	size_t i, left = 0;

	for (i = 0; answers && i < *n; i++) {
		uint64_t address = lookups[i]->pc - lookups[i]->is_return - module->bias;
		struct csn_answer answer;

		if (!i || address != last) {
			known = csn_answers_find(answers, arena, address, CSN_ANSWER_SYMBOL,
						 &answer) &&
				answer.has_symbol && (answer.raw || !csn_module_can_fetch(module));
			if (known && !recall_symbol(arena, module, &answer, &symbol))
				return csn_fail_nomem(err);
			last = address;
		}
		if (known)
			lookups[i]->symbol = symbol;
		else
			lookups[left++] = lookups[i];
	}
	if (answers)
		*n = left;
	return 0;
}

/* lookups[0..n) are of one module and sorted by address. */
static int name_module(struct csn_arena *arena, struct csn_module *module,
		       struct csn_lookup **lookups, const struct batch *sorted,
		       struct csn_error *err)
{
	struct batch batch = *sorted;
	struct table tables[MAX_TABLES];
	bool is_whole;
	size_t i, next = 0, n_tables = find_tables(module, tables, &is_whole);
	struct csn_plt plt;

	for (i = 0; i < n_tables; i++)
		scan_table(&batch, tables[i].elf, &tables[i].symbols);
	csn_plt_init(&plt, csn_module_elf(module));
	for (i = 0; i < batch.n_spots; i++) {
		const struct candidate *best = settle(&batch, i);
		uint64_t address = batch.spots[i].address;
		const struct csn_symbol *symbol;

		if (best) {
			struct csn_symbol *made =
				make_symbol(arena, module,
					    csn_elf_symbols_name(best->table,
								 best->symbol.name_offset),
					    best->symbol.address + module->bias, best->symbol.size);
			if (!made)
				return csn_fail_nomem(err);
			made->is_nearest = !is_whole && !made->size;
			symbol = made;
		} else {
			int rc = name_plt(arena, module, &plt, address, &symbol, err);

			if (rc == 0)
				rc = name_go(arena, module, address, &symbol, err);
			if (rc < 0)
				return rc;
		}
		while (lookups[next] &&
		       lookups[next]->pc - lookups[next]->is_return == address + module->bias)
			lookups[next++]->symbol = symbol;
		keep_answer(module, address, symbol);
	}
	return 0;
}

static int compare_lookups(const void *a, const void *b)
{
	const struct csn_lookup *x = *(struct csn_lookup *const *)a;
	const struct csn_lookup *y = *(struct csn_lookup *const *)b;
	csn_addr left = x->pc - x->is_return, right = y->pc - y->is_return;

	return left < right ? -1 : left > right;
}

/* Makes the distinct addresses of sorted[0..n), all of one module. */
static void fill_batch(struct batch *batch, struct csn_lookup **sorted, size_t n)
{
	csn_addr bias = sorted[0]->module->bias;
	size_t i;

	batch->n_spots = 0;
	for (i = 0; i < n; i++) {
		uint64_t address = sorted[i]->pc - sorted[i]->is_return - bias;

		if (batch->n_spots && batch->spots[batch->n_spots - 1].address == address)
			continue;
		batch->spots[batch->n_spots++] = (struct spot){ .address = address };
	}
	batch->lowest = batch->spots[0].address;
	batch->highest = batch->spots[batch->n_spots - 1].address;
}

/* Finds modules and orders the lookups that have one by address, with a NULL behind the last. */
static size_t sort_lookups(struct csn_modules *modules, struct csn_lookup *lookups,
			   size_t n_lookups, struct csn_lookup **sorted)
{
	size_t i, n = 0;

	for (i = 0; i < n_lookups; i++) {
		struct csn_lookup *lookup = &lookups[i];

		lookup->symbol = NULL;
		lookup->module = csn_modules_find(modules, lookup->pc - lookup->is_return);
		if (lookup->module)
			sorted[n++] = lookup;
	}
	if (n)
		qsort(sorted, n, sizeof(struct csn_lookup *), compare_lookups);
	return n;
}

int csn_lookup_symbols(struct csn_arena *arena, struct csn_modules *modules,
		       struct csn_lookup *lookups, size_t n_lookups, struct csn_error *err)
{
	cleanup_free struct csn_lookup **sorted =
		calloc(n_lookups + 1, sizeof(struct csn_lookup *));
	cleanup_free struct spot *spots = calloc(n_lookups + 1, sizeof(*spots));
	struct batch batch = { .spots = spots };
	size_t n, start, end;

	if (!sorted || !spots)
		return csn_fail_nomem(err);
	n = sort_lookups(modules, lookups, n_lookups, sorted);
	for (start = 0; start < n; start = end) {
		struct csn_module *module = sorted[start]->module;
		struct csn_lookup *behind;
		size_t left;
		int rc;

		for (end = start + 1; end < n && sorted[end]->module == module; end++)
			;
		csn_module_tell(module, "names of");
		(void)csn_module_load(module);
		if (!module->bias_known)
			continue;
		left = end - start;
		rc = recall(arena, module, sorted + start, &left, err);
		if (rc < 0)
			return rc;
		if (!left)
			continue;
		fill_batch(&batch, sorted + start, left);
		behind = sorted[start + left];
		sorted[start + left] = NULL;
		rc = name_module(arena, module, sorted + start, &batch, err);
		sorted[start + left] = behind;
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* The raw name up to its version. */
static bool is_named(const char *stored, const char *name, size_t length)
{
	return strncmp(stored, name, length) == 0 && (!stored[length] || stored[length] == '@');
}

static bool find_name(struct csn_elf_file *elf, enum csn_elf_table which, const char *name,
		      struct csn_elf_symbol *ret_symbol)
{
	size_t i, length = strlen(name);
	struct csn_elf_symbols table;
	struct csn_elf_symbol symbol;

	if (!elf || !csn_elf_symbols_find(elf, which, &table))
		return false;
	for (i = 1; csn_elf_symbols_get(&table, i, &symbol); i++) {
		if (symbol.section == SHN_UNDEF || symbol.type == STT_TLS ||
		    symbol.type == STT_SECTION || symbol.type == STT_FILE)
			continue;
		if (!is_named(csn_elf_symbols_name(&table, symbol.name_offset), name, length))
			continue;
		*ret_symbol = symbol;
		return true;
	}
	return false;
}

static bool find_address(struct csn_module *module, const char *name, bool only_dynamic,
			 csn_addr *ret_addr, uint64_t *ret_size)
{
	struct csn_elf_file *elf = csn_module_elf(module);
	struct csn_elf_symbol symbol;
	bool found;

	if (!module->bias_known)
		return false;
	found = find_name(elf, CSN_ELF_DYNSYM, name, &symbol);
	if (!found && !only_dynamic)
		found = find_name(elf, CSN_ELF_SYMTAB, name, &symbol) ||
			find_name(csn_module_local_debug_elf(module), CSN_ELF_SYMTAB, name,
				  &symbol);
	if (!found)
		return false;
	*ret_addr = symbol.address + module->bias;
	*ret_size = symbol.size;
	return true;
}

bool csn_lookup_exported(struct csn_module *module, const char *name, csn_addr *ret_addr)
{
	uint64_t size;

	return find_address(module, name, true, ret_addr, &size);
}

static bool has_name(const struct csn_elf_symbols *table, uint64_t address, const char *name)
{
	size_t i, length = strlen(name);
	struct csn_elf_symbol symbol;

	for (i = 1; csn_elf_symbols_get(table, i, &symbol); i++)
		if (symbol.address == address && symbol.section != SHN_UNDEF &&
		    is_named(csn_elf_symbols_name(table, symbol.name_offset), name, length))
			return true;
	return false;
}

bool csn_lookup_has_name(struct csn_module *module, csn_addr addr, const char *name)
{
	struct csn_elf_file *elf = csn_module_elf(module);
	struct table tables[MAX_TABLES];
	size_t i, n_tables;
	bool is_whole;

	/* What is exported is found without opening a debug file. */
	if (elf && csn_elf_symbols_find(elf, CSN_ELF_DYNSYM, &tables[0].symbols) &&
	    has_name(&tables[0].symbols, addr - module->bias, name))
		return true;
	n_tables = find_tables(module, tables, &is_whole);
	for (i = 0; i < n_tables; i++)
		if (has_name(&tables[i].symbols, addr - module->bias, name))
			return true;
	return false;
}

bool csn_lookup_address(struct csn_modules *modules, struct csn_module *module, const char *name,
			csn_addr *ret_addr, uint64_t *ret_size)
{
	bool only_dynamic = true;
	int pass;
	size_t i;

	if (module)
		return find_address(module, name, false, ret_addr, ret_size);
	/* What is exported is found without opening a single debug file. */
	for (pass = 0; pass < 2; pass++, only_dynamic = false) {
		for (i = 0; i < csn_modules_count(modules); i++) {
			if (find_address(csn_modules_get(modules, i), name, only_dynamic, ret_addr,
					 ret_size))
				return true;
		}
	}
	return false;
}
