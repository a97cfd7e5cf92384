/* symbols: which file speaks for a module, and the names of addresses.
 *
 * Hand-made objects with one segment of 0x2000 bytes show the rules; this very process, whose
 * modules are real, shows that they hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/uuid.h"
#include "symbols/lookup.h"

#define BIAS 0x7f0000000000ull
#define TEXT 0x1000

struct object_symbol {
	const char *name;
	uint64_t address, size;
	uint8_t type, binding;
};

/* The file and, in its first two pages, the memory of an object. */
struct object {
	Elf64_Ehdr header;
	Elf64_Phdr segments[2];
	struct {
		uint32_t name_size, desc_size, type;
		char name[4];
		uint8_t id[20];
	} note;
	uint32_t padding;
	Elf64_Shdr sections[7];
	char names[80];
	char link[24];
	uint32_t link_crc;
	Elf64_Sym symbols[16];
	char strings[512];
	uint8_t rest[2 * TEXT];
};

static void set_section(struct object *object, unsigned index, const char *name, uint32_t type,
			size_t offset, size_t size)
{
	size_t used = 1, i;

	for (i = 1; i < index; i++)
		used += strlen(object->names + used) + 1;
	snprintf(object->names + used, sizeof(object->names) - used, "%s", name);
	object->sections[index] = (Elf64_Shdr){ .sh_name = (uint32_t)used,
						.sh_type = type,
						.sh_offset = offset,
						.sh_size = size,
						.sh_addralign = 4 };
}

static struct object *make_object(uint8_t id, const struct object_symbol *symbols, size_t n_symbols)
{
	struct object *object = calloc(1, sizeof(*object));
	size_t i, used = 1;

	assert_non_null(object);
	memcpy(object->header.e_ident, "\177ELF\2\1\1", 7);
	object->header.e_type = ET_DYN;
	object->header.e_machine = EM_X86_64;
	object->header.e_phoff = offsetof(struct object, segments);
	object->header.e_phentsize = sizeof(Elf64_Phdr);
	object->header.e_phnum = 2;
	object->header.e_shoff = offsetof(struct object, sections);
	object->header.e_shentsize = sizeof(Elf64_Shdr);
	object->header.e_shnum = 7;
	object->header.e_shstrndx = 5;
	object->segments[0] = (Elf64_Phdr){ .p_type = PT_LOAD,
					    .p_flags = PF_R | PF_X,
					    .p_filesz = 2 * TEXT,
					    .p_memsz = 2 * TEXT,
					    .p_align = 4096 };
	object->segments[1] = (Elf64_Phdr){ .p_type = id ? PT_NOTE : PT_NULL,
					    .p_offset = offsetof(struct object, note),
					    .p_vaddr = offsetof(struct object, note),
					    .p_filesz = sizeof(object->note),
					    .p_memsz = sizeof(object->note),
					    .p_align = 4 };
	object->note.name_size = 4;
	object->note.desc_size = 20;
	object->note.type = NT_GNU_BUILD_ID;
	memcpy(object->note.name, "GNU", 4);
	memset(object->note.id, id, sizeof(object->note.id));
	for (i = 0; i < n_symbols; i++) {
		snprintf(object->strings + used, sizeof(object->strings) - used, "%s",
			 symbols[i].name);
		object->symbols[i + 1] =
			(Elf64_Sym){ .st_name = (uint32_t)used,
				     .st_info = ELF64_ST_INFO(symbols[i].binding, symbols[i].type),
				     .st_shndx = 1,
				     .st_value = symbols[i].address,
				     .st_size = symbols[i].size };
		used += strlen(symbols[i].name) + 1;
	}
	set_section(object, 1, ".text", SHT_PROGBITS, TEXT, TEXT);
	object->sections[1].sh_addr = TEXT;
	set_section(object, 2, ".note", id ? SHT_NOTE : SHT_NULL, offsetof(struct object, note),
		    sizeof(object->note));
	set_section(object, 3, ".symtab", n_symbols ? SHT_SYMTAB : SHT_NULL,
		    offsetof(struct object, symbols), (n_symbols + 1) * sizeof(Elf64_Sym));
	object->sections[3].sh_link = 4;
	object->sections[3].sh_entsize = sizeof(Elf64_Sym);
	set_section(object, 4, ".strtab", SHT_STRTAB, offsetof(struct object, strings),
		    sizeof(object->strings));
	set_section(object, 5, ".shstrtab", SHT_STRTAB, offsetof(struct object, names),
		    sizeof(object->names));
	set_section(object, 6, ".gnu_debuglink", SHT_PROGBITS, offsetof(struct object, link),
		    sizeof(object->link) + sizeof(object->link_crc));
	return object;
}

/* A folder, a file in it, and the memory of a process that has the object mapped at BIAS. */
struct world {
	char folder[32], path[64], deleted_path[80];
	struct object *memory; /* NULL: none of it is in the dump */
	struct csn_module_mapping mapping;
	struct csn_modules_input input;
	struct csn_modules *modules;
	struct csn_arena *arena;
};

static size_t read_world(void *context, csn_addr addr, void *data, size_t size_bytes)
{
	const struct world *world = context;

	if (!world->memory || addr < BIAS || addr >= BIAS + 2 * TEXT)
		return 0;
	size_bytes = csn_min_u64(size_bytes, BIAS + 2 * TEXT - addr);
	memcpy(data, (const uint8_t *)world->memory + (addr - BIAS), size_bytes);
	return size_bytes;
}

static void set_up(struct world *world, struct object *memory)
{
	*world = (struct world){ .folder = "/tmp/csn-symbols-XXXXXX", .memory = memory };
	assert_non_null(mkdtemp(world->folder));
	snprintf(world->path, sizeof(world->path), "%s/object", world->folder);
	world->mapping = (struct csn_module_mapping){
		.start = BIAS, .end = BIAS + 2 * TEXT, .path = world->path, .maybe_executable = true
	};
	world->input = (struct csn_modules_input){ .mappings = &world->mapping,
						   .n_mappings = 1,
						   .read = read_world,
						   .context = world,
						   .debug_root = world->folder };
	world->arena = csn_arena_new(CSN_MIB);
	assert_non_null(world->arena);
}

static void store(const struct world *world, const char *name, struct object *object)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", world->folder, name);
	*strrchr(path, '/') = 0;
	assert_int_equal(csn_make_folders(path, 0700, NULL), 0);
	path[strlen(path)] = '/';
	assert_int_equal(csn_write_file(AT_FDCWD, path, object, sizeof(*object), 0600, NULL), 0);
	free(object);
}

static struct csn_module *only_module(struct world *world)
{
	assert_int_equal(csn_modules_new(&world->input, &world->modules, NULL), 0);
	assert_int_equal(csn_modules_count(world->modules), 1);
	return csn_modules_get(world->modules, 0);
}

/* The name of one address in the object, "-" for none. */
static const char *name_of(struct world *world, uint64_t link, bool is_return)
{
	struct csn_lookup lookup = { .pc = BIAS + link, .is_return = is_return };

	assert_int_equal(csn_lookup_symbols(world->arena, world->modules, &lookup, 1, NULL), 0);
	return lookup.symbol ? lookup.symbol->name : "-";
}

static void tear_down(struct world *world)
{
	const char *const arguments[] = { "rm", "-r", "--", world->folder, NULL };
	pid_t pid = fork();

	if (pid == 0) {
		execvp("rm", (char *const *)(uintptr_t)arguments);
		_exit(127);
	}
	waitpid(pid, NULL, 0);
	csn_modules_free(world->modules);
	csn_arena_free(world->arena);
	free(world->memory);
}

static const struct object_symbol sample[] = {
	{ "first", TEXT, 16, STT_FUNC, STB_GLOBAL },
	{ "__first", TEXT, 16, STT_FUNC, STB_GLOBAL },
	{ "aaa_local_first", TEXT, 16, STT_FUNC, STB_LOCAL },
	{ "a_longer_alias", TEXT, 16, STT_FUNC, STB_WEAK },
	{ "bare", TEXT + 0x20, 0, STT_NOTYPE, STB_LOCAL },
	{ "versioned@@V_1", TEXT + 0x40, 16, STT_FUNC, STB_GLOBAL },
	{ "outer", TEXT + 0x60, 32, STT_FUNC, STB_GLOBAL },
	{ "inner", TEXT + 0x68, 8, STT_FUNC, STB_LOCAL },
	{ "label_inside", TEXT + 0x70, 8, STT_NOTYPE, STB_GLOBAL },
	{ "_ZN3one3twoEi", TEXT + 0x80, 8, STT_FUNC, STB_GLOBAL },
	{ "$x", TEXT + 0x100, 0, STT_NOTYPE, STB_LOCAL },
};

static void file_with_the_same_build_id_is_used(void **state)
{
	struct world world;
	struct csn_module *module;

	(void)state;
	set_up(&world, make_object(1, NULL, 0));
	store(&world, "object", make_object(1, sample, csn_countof(sample)));
	module = only_module(&world);
	assert_int_equal(csn_module_load(module), CSN_MODULE_OK);
	assert_int_equal(module->proof, CSN_PROOF_BUILD_ID);
	assert_int_equal(module->bias, BIAS);
	assert_string_equal(module->file, world.path);
	tear_down(&world);
}

static void names_follow_the_rules(void **state)
{
	static const struct {
		uint64_t at;
		bool is_return;
		const char *name;
	} cases[] = {
		{ 0x00, false, "first" },
		{ 0x0f, false, "first" },
		{ 0x10, false, "-" },    /* behind a symbol that says where it ends */
		{ 0x10, true, "first" }, /* a call was its last instruction */
		{ 0x20, false, "bare" },
		{ 0x3f, false, "bare" },
		{ 0x41, false, "versioned" },
		{ 0x50, false, "-" }, /* "bare" ended where the next symbol began */
		{ 0x61, false, "outer" },
		{ 0x69, false, "inner" },
		{ 0x71, false, "outer" }, /* a function beats a label */
		{ 0x80, false, "one::two(int)" },
		{ 0x120, false, "-" },
	};
	struct world world;
	size_t i;

	(void)state;
	set_up(&world, NULL);
	store(&world, "object", make_object(1, sample, csn_countof(sample)));
	assert_int_equal(csn_module_load(only_module(&world)), CSN_MODULE_OK);
	for (i = 0; i < csn_countof(cases); i++)
		assert_string_equal(name_of(&world, TEXT + cases[i].at, cases[i].is_return),
				    cases[i].name);
	/* One batch, in disorder and with doubles, says the same. */
	struct csn_lookup all[2 * csn_countof(cases)] = { 0 };

	for (i = 0; i < csn_countof(all); i++) {
		size_t n = (i * 7) % csn_countof(cases);

		all[i].pc = BIAS + TEXT + cases[n].at;
		all[i].is_return = cases[n].is_return;
	}
	assert_int_equal(csn_lookup_symbols(world.arena, world.modules, all, csn_countof(all),
					    NULL),
			 0);
	for (i = 0; i < csn_countof(all); i++)
		assert_string_equal(all[i].symbol ? all[i].symbol->name : "-",
				    cases[(i * 7) % csn_countof(cases)].name);
	tear_down(&world);
}

static void another_file_is_reported_and_never_used(void **state)
{
	struct world world;
	struct csn_module *module;

	(void)state;
	set_up(&world, make_object(1, NULL, 0));
	store(&world, "object", make_object(2, sample, csn_countof(sample)));
	module = only_module(&world);
	assert_int_equal(csn_module_load(module), CSN_MODULE_MISMATCH);
	assert_non_null(strstr(module->reason, "is another file: its build-id is 0202"));
	assert_null(module->file);
	assert_string_equal(name_of(&world, TEXT, false), "-");
	uint8_t byte;

	assert_int_equal(csn_module_read_file(module, BIAS, &byte, 1), 0);
	tear_down(&world);
}

static void file_without_build_id_is_compared_by_its_headers(void **state)
{
	struct world same, other;
	struct object *changed;

	(void)state;
	set_up(&same, make_object(0, NULL, 0));
	store(&same, "object", make_object(0, sample, csn_countof(sample)));
	assert_int_equal(csn_module_load(only_module(&same)), CSN_MODULE_OK);
	assert_int_equal(csn_modules_get(same.modules, 0)->proof, CSN_PROOF_HEADERS);
	tear_down(&same);
	set_up(&other, make_object(0, NULL, 0));
	changed = make_object(0, sample, csn_countof(sample));
	changed->segments[0].p_filesz -= 16;
	store(&other, "object", changed);
	assert_int_equal(csn_module_load(only_module(&other)), CSN_MODULE_MISMATCH);
	tear_down(&other);
}

static void deleted_file_needs_a_build_id(void **state)
{
	struct world world;
	struct csn_module *module;
	int pass;

	(void)state;
	for (pass = 0; pass < 2; pass++) {
		set_up(&world, make_object((uint8_t)pass, NULL, 0));
		store(&world, "object", make_object((uint8_t)pass, sample, csn_countof(sample)));
		snprintf(world.deleted_path, sizeof(world.deleted_path), "%s (deleted)",
			 world.path);
		world.mapping.path = world.deleted_path;
		module = only_module(&world);
		assert_true(module->deleted);
		assert_string_equal(module->path, world.path);
		assert_int_equal(csn_module_load(module), pass ? CSN_MODULE_OK : CSN_MODULE_MEMORY);
		tear_down(&world);
	}
}

static void assets_come_before_the_path(void **state)
{
	struct world world;
	char assets[96];

	(void)state;
	set_up(&world, make_object(0xab, NULL, 0));
	store(&world, "object", make_object(2, NULL, 0));
	store(&world, "assets/abababababababababababababababababababab",
	      make_object(0xab, sample, csn_countof(sample)));
	snprintf(assets, sizeof(assets), "%s/assets", world.folder);
	world.input.assets = assets;
	assert_int_equal(csn_module_load(only_module(&world)), CSN_MODULE_OK);
	assert_string_equal(name_of(&world, TEXT, false), "first");
	tear_down(&world);
}

static void debug_files_are_found_by_build_id_and_by_link(void **state)
{
	struct world world;
	struct object *linked;
	int pass;

	(void)state;
	for (pass = 0; pass < 3; pass++) {
		set_up(&world, make_object(0xcd, NULL, 0));
		linked = make_object(0xcd, NULL, 0);
		snprintf(linked->link, sizeof(linked->link), "object.debug");
		store(&world, "object", linked);
		store(&world,
		      pass == 0   ? ".build-id/cd/cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd.debug"
		      : pass == 1 ? "object.debug"
				  : ".debug/object.debug",
		      make_object(0xcd, sample, csn_countof(sample)));
		assert_non_null(csn_module_debug_path(only_module(&world)));
		assert_string_equal(name_of(&world, TEXT, false), "first");
		tear_down(&world);
	}
}

static void linked_debug_file_of_another_build_is_not_used(void **state)
{
	struct world world;
	struct object *linked = make_object(0xcd, NULL, 0);

	(void)state;
	set_up(&world, make_object(0xcd, NULL, 0));
	snprintf(linked->link, sizeof(linked->link), "object.debug");
	store(&world, "object", linked);
	store(&world, "object.debug", make_object(0xce, sample, csn_countof(sample)));
	assert_null(csn_module_debug_path(only_module(&world)));
	assert_string_equal(name_of(&world, TEXT, false), "-");
	tear_down(&world);
}

static void debug_file_alone_names_a_missing_program(void **state)
{
	struct world world;

	(void)state;
	set_up(&world, make_object(0xcd, NULL, 0));
	store(&world, ".build-id/cd/cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd.debug",
	      make_object(0xcd, sample, csn_countof(sample)));
	assert_int_equal(csn_module_load(only_module(&world)), CSN_MODULE_MEMORY);
	assert_string_equal(name_of(&world, TEXT + 1, false), "first");
	tear_down(&world);
}

static void data_files_are_no_modules(void **state)
{
	struct world world;
	struct object *data = make_object(1, NULL, 0);

	(void)state;
	memcpy(data, "PNG!", 4);
	set_up(&world, data);
	assert_int_equal(csn_modules_new(&world.input, &world.modules, NULL), 0);
	assert_int_equal(csn_modules_count(world.modules), 0);
	tear_down(&world);
}

/* This process as a target. */
struct self {
	struct csn_module_mapping mappings[256];
	char paths[256][256];
	size_t n_mappings;
	struct csn_modules *modules;
	struct csn_arena *arena;
};

static size_t read_self(void *context, csn_addr addr, void *data, size_t size_bytes)
{
	struct iovec to = { data, size_bytes }, from = { (void *)(uintptr_t)addr, size_bytes };
	ssize_t size = process_vm_readv(getpid(), &to, 1, &from, 1, 0);

	(void)context;
	return size > 0 ? (size_t)size : 0;
}

/* hide: a file name whose path is changed to one that is not there. */
static void open_self(struct self *self, const char *hide)
{
	cleanup_fclose FILE *maps = fopen("/proc/self/maps", "r");
	struct csn_modules_input input = { .read = read_self,
					   .vdso = getauxval(AT_SYSINFO_EHDR),
					   .entry = getauxval(AT_ENTRY) };
	char line[512];

	assert_non_null(maps);
	self->n_mappings = 0;
	while (self->n_mappings < 256 && fgets(line, sizeof(line), maps)) {
		struct csn_module_mapping *mapping = &self->mappings[self->n_mappings];
		char *at = line, *path = strchr(line, '/');

		mapping->start = strtoull(at, &at, 16);
		mapping->end = strtoull(at + 1, &at, 16);
		mapping->maybe_executable = at[3] == 'x';
		mapping->offset = strtoull(at + 6, &at, 16);
		if (!path)
			continue;
		path[strcspn(path, "\n")] = 0;
		mapping->path = self->paths[self->n_mappings];
		snprintf(self->paths[self->n_mappings++], 256, "%s%.250s",
			 hide && strstr(path, hide) ? "/no" : "", path);
	}
	input.mappings = self->mappings;
	input.n_mappings = self->n_mappings;
	self->arena = csn_arena_new(64 * CSN_MIB);
	assert_non_null(self->arena);
	assert_int_equal(csn_modules_new(&input, &self->modules, NULL), 0);
}

static void close_self(struct self *self)
{
	csn_modules_free(self->modules);
	csn_arena_free(self->arena);
}

static const char *name_in_self(struct self *self, csn_addr pc)
{
	struct csn_lookup lookup = { .pc = pc };

	assert_int_equal(csn_lookup_symbols(self->arena, self->modules, &lookup, 1, NULL), 0);
	return lookup.symbol ? lookup.symbol->name : "-";
}

static void this_process_knows_its_modules_and_names(void **state)
{
	static struct self self;
	struct csn_module *module;
	csn_addr addr;
	uint64_t size;
	uint8_t code[16];

	(void)state;
	open_self(&self, NULL);
	module = csn_modules_main(self.modules);
	assert_non_null(module);
	assert_string_equal(module->name, "test_symbols");
	assert_int_equal(csn_module_load(module), CSN_MODULE_OK);
	addr = (csn_addr)(uintptr_t)read_self;
	assert_string_equal(name_in_self(&self, addr + 1), "read_self");
	assert_string_equal(name_in_self(&self, (csn_addr)(uintptr_t)crc32), "crc32");
	assert_true(csn_lookup_address(self.modules, NULL, "crc32", &addr, &size));
	assert_int_equal(addr, (csn_addr)(uintptr_t)crc32);
	module = csn_modules_find(self.modules, addr);
	assert_int_equal(csn_module_read_file(module, addr, code, sizeof(code)), sizeof(code));
	assert_memory_equal(code, (const void *)(uintptr_t)addr, sizeof(code));
	module = csn_modules_find(self.modules, getauxval(AT_SYSINFO_EHDR));
	assert_non_null(module);
	assert_true(module->is_vdso);
	assert_int_equal(csn_module_load(module), CSN_MODULE_MEMORY);
	assert_true(csn_lookup_address(self.modules, module, "__vdso_gettimeofday", &addr, &size));
	assert_string_not_equal(name_in_self(&self, addr), "-");
	close_self(&self);
}

static void module_without_its_file_lives_on_its_memory(void **state)
{
	static struct self self;
	struct csn_module *module;
	struct csn_cfi_row row;
	csn_addr addr = (csn_addr)(uintptr_t)crc32;

	(void)state;
	open_self(&self, "libz.so");
	module = csn_modules_find(self.modules, addr);
	assert_non_null(module);
	assert_int_equal(csn_module_load(module), CSN_MODULE_MEMORY);
	assert_non_null(strstr(module->reason, "No such file"));
	assert_string_equal(name_in_self(&self, addr), "crc32");
	assert_int_equal(csn_module_find_row(module, addr, &row), CSN_CFI_FOUND);
	assert_int_equal(row.function_start + module->bias, addr);
	close_self(&self);
}

static void plt_stubs_are_named_after_their_target(void **state)
{
	static struct self self;
	struct csn_elf_section section;
	struct csn_module *module;
	struct csn_elf_file *elf;
	size_t i, named = 0;

	(void)state;
	open_self(&self, NULL);
	module = csn_modules_main(self.modules);
	elf = csn_module_elf(module);
	if (!csn_elf_file_section_find(elf, ".plt", &section) || section.size < 64) {
		close_self(&self);
		skip();
	}
	/* With branch protection the stubs that jump are elsewhere. */
	(void)!csn_elf_file_section_find(elf, ".plt.sec", &section);
	for (i = 16; i < section.size; i += 16)
		named += strstr(name_in_self(&self, module->bias + section.address + i), "@plt") !=
			 NULL;
	assert_int_equal(named, section.size / 16 - 1);
	close_self(&self);
}

/* nm as the oracle: in the middle of each function of this program, our answer must be a symbol
 * that starts where nm says. */
static void every_function_of_this_program_agrees_with_nm(void **state)
{
	static struct self self;
	static struct csn_lookup lookups[4096];
	static csn_addr starts[4096];
	size_t count = 0, i;
	char output[] = "/tmp/csn-nm-XXXXXX", line[1024], program[1024] = "";
	cleanup_close int fd = mkstemp(output);
	cleanup_fclose FILE *told = NULL;
	struct csn_module *module;
	int status;
	pid_t pid;

	(void)state;
	assert_true(readlink("/proc/self/exe", program, sizeof(program) - 1) > 0);
	pid = fork();
	if (pid == 0) {
		dup2(fd, STDOUT_FILENO);
		execlp("nm", "nm", "-S", "--defined-only", program, NULL);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	told = fopen(output, "r");
	unlink(output);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		skip();
	open_self(&self, NULL);
	module = csn_modules_main(self.modules);
	(void)csn_module_load(module);
	while (count < csn_countof(lookups) && fgets(line, sizeof(line), told)) {
		char *at;
		uint64_t start = strtoull(line, &at, 16), size = strtoull(at, &at, 16);

		if (size < 2 || (at[1] | 0x20) != 't')
			continue;
		starts[count] = start + module->bias;
		lookups[count++].pc = start + module->bias + size / 2;
	}
	assert_int_equal(csn_lookup_symbols(self.arena, self.modules, lookups, count, NULL), 0);
	assert_true(count > 50);
	for (i = 0; i < count; i++) {
		assert_non_null(lookups[i].symbol);
		assert_int_equal(lookups[i].symbol->start, starts[i]);
	}
	close_self(&self);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(file_with_the_same_build_id_is_used),
		cmocka_unit_test(names_follow_the_rules),
		cmocka_unit_test(another_file_is_reported_and_never_used),
		cmocka_unit_test(file_without_build_id_is_compared_by_its_headers),
		cmocka_unit_test(deleted_file_needs_a_build_id),
		cmocka_unit_test(assets_come_before_the_path),
		cmocka_unit_test(debug_files_are_found_by_build_id_and_by_link),
		cmocka_unit_test(linked_debug_file_of_another_build_is_not_used),
		cmocka_unit_test(debug_file_alone_names_a_missing_program),
		cmocka_unit_test(data_files_are_no_modules),
		cmocka_unit_test(this_process_knows_its_modules_and_names),
		cmocka_unit_test(module_without_its_file_lives_on_its_memory),
		cmocka_unit_test(plt_stubs_are_named_after_their_target),
		cmocka_unit_test(every_function_of_this_program_agrees_with_nm),
	};

	return cmocka_run_group_tests_name("symbols", tests, NULL, NULL);
}
