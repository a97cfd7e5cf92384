/* Files of modules: which there are, and what is in them. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/root.h"
#include "base/text.h"
#include "modules/script_internal.h"
#include "modules/script_options.h"

static const char suffix[] = ".lua";

static int complain(struct csn_script_sources *sources, struct csn_error *err, const char *format,
		    ...) csn_printf(3, 4);

static int complain(struct csn_script_sources *sources, struct csn_error *err, const char *format,
		    ...)
{
	const char **grown;
	va_list args;

	grown = csn_arena_grow(sources->arena, sources->complaints, sources->n_complaints,
			       &sources->complaints_capacity, sizeof(*grown));
	if (!grown)
		return csn_fail_nomem(err);
	sources->complaints = grown;
	va_start(args, format);
	grown[sources->n_complaints] = csn_arena_vsprintf(sources->arena, format, args);
	va_end(args);
	return grown[sources->n_complaints++] ? 0 : csn_fail_nomem(err);
}

static bool ends_in_suffix(const char *name)
{
	size_t length = strlen(name);

	return length >= sizeof(suffix) &&
	       strcmp(name + length - (sizeof(suffix) - 1), suffix) == 0;
}

/* A module is known by its file's name without the suffix until it says its ID. */
static struct csn_script_source *find_source(struct csn_script_sources *sources, const char *name,
					     size_t length)
{
	for (size_t i = 0; i < sources->n; i++)
		if (strncmp(sources->items[i].file, name, length) == 0 &&
		    (!sources->items[i].file[length] ||
		     strcmp(sources->items[i].file + length, suffix) == 0))
			return &sources->items[i];
	return NULL;
}

/* Only regular files: a pipe or a device could keep us waiting. */
static int read_source(const char *path, struct csn_buf *text, struct csn_error *err)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return csn_fail_os(err, errno, "open");
	if (!S_ISREG(st.st_mode))
		return csn_fail(err, CSN_E_USAGE, "not a regular file");
	return csn_read_fd(fd, path, text, err);
}

static int add_file(struct csn_script_sources *sources, const char *path, struct csn_error *err)
{
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(CSN_MAX_SCRIPT_FILE);
	const char *file = csn_last_part(path);
	struct csn_script_source *grown;
	struct csn_error why = CSN_ERROR_INIT;

	if (find_source(sources, file, strlen(file)))
		return 0;
	if (sources->n >= CSN_MAX_SCRIPTS)
		return complain(sources, err, "module %s: more than %u modules", file,
				CSN_MAX_SCRIPTS);
	if (read_source(path, &text, &why) < 0)
		return complain(sources, err, "module %s: %s", path, why.text);
	grown = csn_arena_grow(sources->arena, sources->items, sources->n, &sources->capacity,
			       sizeof(*grown));
	if (!grown)
		return csn_fail_nomem(err);
	sources->items = grown;
	grown[sources->n] = (struct csn_script_source){
		.file = csn_arena_strdup(sources->arena, file),
		.text = csn_arena_copy(sources->arena, csn_buf_text(&text), text.size),
		.size = text.size,
	};
	if (!grown[sources->n].file || !grown[sources->n].text)
		return csn_fail_nomem(err);
	sources->n++;
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* All files of a folder, in the order of their names. */
static int add_folder(struct csn_script_sources *sources, const char *folder, struct csn_error *err)
{
	cleanup_closedir DIR *dir = opendir(folder);
	const char **names = NULL;
	size_t n = 0, capacity = 0;
	struct dirent *entry;
	int rc = 0;

	if (!dir)
		return complain(sources, err, "modules in %s: %s", folder, strerror(errno));
	while (n < CSN_MAX_SCRIPTS && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || !ends_in_suffix(entry->d_name))
			continue;
		names = csn_arena_grow(sources->arena, names, n, &capacity, sizeof(*names));
		if (names)
			names[n] =
				csn_arena_sprintf(sources->arena, "%s/%s", folder, entry->d_name);
		if (!names || !names[n++])
			return csn_fail_nomem(err);
	}
	if (n)
		qsort(names, n, sizeof(*names), compare_names);
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = add_file(sources, names[i], err);
	return rc;
}

static bool is_there(const char *folder, const char *name, size_t length, char *path, size_t size)
{
	int n = snprintf(path, size, "%s/%.*s%s", folder, (int)length, name, suffix);

	return n > 0 && (size_t)n < size && access(path, F_OK) == 0;
}

/* A name is a file of the folders given, or of our own. */
static int add_name(struct csn_script_sources *sources, const struct csn_script_request *request,
		    const char *name, size_t length, struct csn_error *err)
{
	char path[CSN_MAX_PATH], own[CSN_MAX_PATH];
	struct csn_root root;

	if (find_source(sources, name, length))
		return 0;
	for (size_t i = 0; i < request->n_folders; i++)
		if (is_there(request->folders[i], name, length, path, sizeof(path)))
			return add_file(sources, path, err);
	csn_root_init(&root, NULL);
	csn_root_path(&root, CSN_MODULES, own, sizeof(own));
	if (is_there(own, name, length, path, sizeof(path)))
		return add_file(sources, path, err);
	return complain(sources, err, "module %.*s: no such file in the folders of modules",
			(int)length, name);
}

static int add_loaded(struct csn_script_sources *sources, const struct csn_script_request *request,
		      const char *name, struct csn_error *err)
{
	if (strchr(name, '/') || ends_in_suffix(name))
		return add_file(sources, name, err);
	return add_name(sources, request, name, strlen(name), err);
}

/* --- options --- */

/* "ID:key,value,...": whole pairs. */
static bool option_is_sound(const char *text, size_t *ret_id_length)
{
	const char *colon = strchr(text, ':');
	size_t commas = 0;

	if (!colon || colon == text || memchr(text, '/', (size_t)(colon - text)) ||
	    strlen(text) > CSN_MAX_SCRIPT_OPTION)
		return false;
	for (const char *at = colon + 1; *at; at++)
		commas += *at == ',';
	*ret_id_length = (size_t)(colon - text);
	return !colon[1] || commas % 2 == 1;
}

static int add_options(struct csn_script_sources *sources, const struct csn_script_request *request,
		       struct csn_error *err)
{
	int rc = 0;

	sources->options =
		csn_arena_array(sources->arena, request->n_options + 1, sizeof(*sources->options));
	if (!sources->options)
		return csn_fail_nomem(err);
	for (size_t i = 0; i < request->n_options && rc == 0; i++) {
		const char *text = request->options[i];
		size_t length;

		if (!option_is_sound(text, &length))
			return csn_fail(err, CSN_E_USAGE,
					"\"%.64s\" is no option of a module; write "
					"ID:key,value,key,value",
					text);
		sources->options[i] = csn_arena_strdup(sources->arena, text);
		if (!sources->options[i])
			return csn_fail_nomem(err);
		sources->n_options++;
		rc = add_name(sources, request, text, length, err);
	}
	return rc;
}

static int read_all(struct csn_script_sources *sources, const struct csn_script_request *request,
		    struct csn_error *err)
{
	int rc = 0;

	for (size_t i = 0; i < request->n_load && rc == 0; i++)
		rc = add_loaded(sources, request, request->load[i], err);
	for (size_t i = 0; i < request->n_folders && rc == 0; i++)
		rc = add_folder(sources, request->folders[i], err);
	return rc == 0 ? add_options(sources, request, err) : rc;
}

int csn_script_sources_read(const struct csn_script_request *request,
			    struct csn_script_sources **ret_sources, struct csn_error *err)
{
	cleanup_(csn_script_sources_freep) struct csn_script_sources *sources = NULL;
	struct csn_arena *arena;
	int rc;

	*ret_sources = NULL;
	if (!request->n_load && !request->n_folders && !request->n_options)
		return 0;
	arena = csn_arena_new(CSN_MAX_SCRIPTS_BYTES);
	if (!arena)
		return csn_fail_nomem(err);
	sources = csn_arena_alloc(arena, sizeof(*sources));
	if (!sources) {
		csn_arena_free(arena);
		return csn_fail_nomem(err);
	}
	sources->arena = arena;
	sources->seconds = request->seconds;
	rc = read_all(sources, request, err);
	if (rc == 0)
		*ret_sources = csn_take(sources);
	return rc;
}

void csn_script_sources_free(struct csn_script_sources *sources)
{
	if (sources)
		csn_arena_free(sources->arena);
}

void csn_script_sources_freep(struct csn_script_sources **sources)
{
	csn_script_sources_free(*sources);
}

/* --- the command line --- */

int csn_script_options_read(const struct csn_script_options *options,
			    struct csn_script_sources **ret_sources, struct csn_error *err)
{
	const struct csn_script_request request = {
		.load = options->load.items,
		.n_load = options->load.count,
		.folders = options->folders.items,
		.n_folders = options->folders.count,
		.options = options->options.items,
		.n_options = options->options.count,
		.seconds = options->seconds,
	};

	return csn_script_sources_read(&request, ret_sources, err);
}

void csn_script_options_done(struct csn_script_options *options)
{
	csn_option_list_done(&options->load);
	csn_option_list_done(&options->folders);
	csn_option_list_done(&options->options);
}
