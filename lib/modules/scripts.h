/* Analysis modules: files in Lua 5.4 that look at a crash while it is analysed and add annotations,
 * attributes and classifiers. What they see and can do is in docs/modules.md.
 *
 * First the files are read, by whoever may open files; later they run, where nothing may be opened.
 * Each has a Lua state of its own, without any library that reaches out of it, with a cap on its
 * memory and a budget of time. A module that fails is told in the snapshot as a warning and not
 * called again; nothing that it does can make the run fail, but for memory that is out. They are
 * called scripts in the code, because a module here is an object of the process.
 */
#ifndef CSN_MODULES_SCRIPTS_H
#define CSN_MODULES_SCRIPTS_H

#include "analyze/scene.h"

/* What the command line says; all borrowed. */
struct csn_script_request {
	const char *const *load; /* files, or names to be found in the folders and among our own */
	size_t n_load;
	const char *const *folders; /* of which all files *.lua are loaded */
	size_t n_folders;
	const char *const *options; /* "ID:key,value,key,value"; an ID that is not loaded is found
				       as a name is */
	size_t n_options;
	int64_t seconds; /* for each module; four times that in all */
};

struct csn_script_sources;

/* Reads the files. *ret_sources is NULL when none is asked for. What cannot be read becomes a
 * warning of the snapshot: a crash is not lost for want of a module. USAGE: an option that is none.
 */
int csn_script_sources_read(const struct csn_script_request *request,
			    struct csn_script_sources **ret_sources, struct csn_error *err)
	csn_must_check;
void csn_script_sources_free(struct csn_script_sources *sources);
void csn_script_sources_freep(struct csn_script_sources **sources);

struct csn_scripts;

/* Runs the files, which register what they want to see, and calls preattach. sources may be NULL,
 * as *ret_scripts then is; the other functions accept that. Borrows both. */
int csn_scripts_new(const struct csn_script_sources *sources, struct csn_snapshot *snapshot,
		    struct csn_scripts **ret_scripts, struct csn_error *err) csn_must_check;
/* attach, and then thread, frame and variable for all that is in the scene, which is borrowed. */
int csn_scripts_attach(struct csn_scripts *scripts, const struct csn_scene *scene,
		       struct csn_error *err) csn_must_check;
/* postattach, when the snapshot is complete but for what modules add; then their attributes, except
 * those that are there already. */
int csn_scripts_finish(struct csn_scripts *scripts, struct csn_error *err) csn_must_check;
void csn_scripts_free(struct csn_scripts *scripts);

#endif
