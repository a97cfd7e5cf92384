/* Private to modules: one Lua state for each module, and what its functions share.
 *
 * source.c reads files, state.c makes states and runs them within their budgets, guard.c keeps what
 * Lua's own functions can do within bounds, match.c says which handler sees what, events.c calls
 * them. The others are what modules call: pmodule.c, bt.c, frame.c, variable.c, walk.c, type.c; and
 * note.c is what they leave.
 *
 * Functions that Lua calls may end by a jump out of them: they own nothing. */
#ifndef CSN_MODULES_SCRIPT_INTERNAL_H
#define CSN_MODULES_SCRIPT_INTERNAL_H

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "base/arena.h"
#include "base/limits.h"
#include "modules/scripts.h"
#include "values/handle.h"

/* What one module may do; base/limits.h has what it may cost. */
#define CSN_MAX_SCRIPT_HANDLERS 64u
#define CSN_MAX_SCRIPT_PATTERNS 64u        /* of one match object */
#define CSN_MAX_SCRIPT_NOTES 512u          /* annotations of one module */
#define CSN_MAX_SCRIPT_TEXT (4 * CSN_KIB)  /* of one annotation */
#define CSN_MAX_SCRIPT_JSON (64 * CSN_KIB) /* of one annotation that is JSON */
#define CSN_MAX_SCRIPT_STEPS (1ull << 28)  /* of one search by a pattern, at worst */

struct csn_script_source {
	const char *file; /* its name without folders */
	const char *text;
	size_t size;
};

struct csn_script_sources {
	struct csn_arena *arena; /* owned; this record is in it */
	struct csn_script_source *items;
	size_t n, capacity;
	const char **options; /* sound */
	size_t n_options;
	const char **complaints;
	size_t n_complaints, complaints_capacity;
	int64_t seconds;
};

enum csn_script_event {
	CSN_EVENT_PREATTACH,
	CSN_EVENT_ATTACH,
	CSN_EVENT_THREAD,
	CSN_EVENT_FRAME,
	CSN_EVENT_VARIABLE,
	CSN_EVENT_POSTATTACH,
	CSN_N_EVENTS,
};

/* What a pattern is compared with. */
enum csn_match_kind {
	CSN_MATCH_OBJECT,    /* path or name of the frame's object */
	CSN_MATCH_FILE,      /* path or name of its source file */
	CSN_MATCH_FUNCTION,  /* its function */
	CSN_MATCH_BASE_TYPE, /* names of the type that a variable's is made of */
	CSN_MATCH_TYPE,      /* the type as it is shown */
	CSN_MATCH_NAME,      /* of the variable */
	CSN_N_MATCH_KINDS,
};

/* Texts belong to the Lua state. */
struct csn_match_pattern {
	enum csn_match_kind kind;
	bool is_part;
	const char *text;
};

/* Of each kind that has patterns, one must match. */
struct csn_script_match {
	bool fault_only;
	size_t n;
	struct csn_match_pattern patterns[CSN_MAX_SCRIPT_PATTERNS];
};

struct csn_script_handler {
	enum csn_script_event event;
	const struct csn_script_match *match; /* NULL: everything; kept by match_reference */
	int match_reference, function;
};

struct csn_scripts;

struct csn_script {
	struct csn_scripts *all;
	const char *file;
	const char *id;   /* the file's name until it says another */
	lua_State *state; /* owned */
	size_t memory_bytes;
	int64_t left_ns, deadline_ns; /* of its time; of the call at hand */
	bool failed, expired;         /* it is not called again; why */
	int load, unload;             /* references; LUA_NOREF */
	struct csn_script_handler handlers[CSN_MAX_SCRIPT_HANDLERS];
	size_t n_handlers, n_notes, n_attributes;
};

/* An attribute that a module wants to set. */
struct csn_script_attribute {
	struct csn_script *script;
	struct csn_snapshot_attribute attribute;
};

/* Frames of one stored thread among those of the scene. */
struct csn_script_span {
	size_t first, n;
};

struct csn_scripts {
	struct csn_arena *arena; /* owned; of values and texts; this record is in it */
	struct csn_snapshot *snapshot;
	const struct csn_script_sources *sources;
	const struct csn_scene *scene; /* NULL before attach */
	struct csn_values *values;     /* owned; NULL before attach */
	struct csn_script_span *spans; /* of each thread of the snapshot */
	struct csn_thread nobody;
	struct csn_value_frame nowhere; /* of values that are in no frame */
	struct csn_script *items;
	size_t n;
	int64_t left_ns; /* of the time of all */
	struct csn_script_attribute *attributes;
	size_t n_attributes, attributes_capacity;
	bool no_memory; /* of the snapshot: the run fails */
};

/* --- state.c --- */

/* The module whose state it is. */
static inline struct csn_script *csn_script_of(lua_State *L)
{
	return *(struct csn_script **)lua_getextraspace(L);
}

/* Makes the state and runs the file. What goes wrong is told in the snapshot. */
void csn_script_start(struct csn_script *script, const struct csn_script_source *source);
/* Calls a function in protected mode, with context as light userdata, within the budgets. False:
 * it failed, which is told; doing says in what. */
bool csn_script_run(struct csn_script *script, lua_CFunction function, void *context,
		    const char *doing);
/* Pushes the options that are for the module, as a table of texts. */
void csn_script_push_options(lua_State *L);
/* Ends the call by an error when its time is over: for functions that take long. */
void csn_script_check_time(lua_State *L);

/* --- guard.c: expects the libraries to be open. --- */

/* Replaces what could run long and removes what reaches out. */
void csn_guard_install(lua_State *L);

/* --- match.c --- */

/* What there is to be compared; variable is NULL for frames, frame too for threads. */
struct csn_match_subject {
	const struct csn_snapshot_thread *thread;
	const struct csn_snapshot_frame *frame;
	const struct csn_value_node *variable;
};
bool csn_match_holds(const struct csn_script_match *match, const struct csn_match_subject *subject);
/* Does it ask for something of variables? Then their parts are looked at as well. */
bool csn_match_asks_parts(const struct csn_script_match *match);
/* pmodule.match() */
int csn_match_new(lua_State *L);
const struct csn_script_match *csn_match_check(lua_State *L, int index);
void csn_match_install(lua_State *L);

/* --- note.c --- */

/* A warning of the snapshot: "module ID: ...". */
void csn_script_warn(struct csn_script *script, const char *format, ...) csn_printf(2, 3);
/* annotate(kind, ...) of an owner: the arguments from index on. */
int csn_script_annotate(lua_State *L, int index, const struct csn_annotation_owner *owner);
/* log(level, ...) */
int csn_script_log(lua_State *L);
/* Asks for an attribute, whose texts are copied. */
void csn_script_set(lua_State *L, const struct csn_snapshot_attribute *attribute);
void csn_script_classify(lua_State *L, const char *name);
/* Sets the attributes asked for that nobody else has set. */
int csn_script_attributes_apply(struct csn_scripts *scripts, struct csn_error *err) csn_must_check;

/* --- objects --- */

/* Makes a metatable of an object: methods, and a function that finds what is no method. */
void csn_script_class(lua_State *L, const char *name, const luaL_Reg *methods, lua_CFunction index);
/* What the class's __index does first: pushes the method that is named on top, if it is one. */
bool csn_script_method(lua_State *L, const char *name);

/* Each makes its class, or the table that modules begin with, known to the state. */
void csn_pmodule_install(lua_State *L);
void csn_bt_install(lua_State *L);
void csn_frame_install(lua_State *L);
void csn_variable_install(lua_State *L);
void csn_type_install(lua_State *L);

/* Pushes the one backtrace that there is. */
void csn_bt_push(lua_State *L);

/* Pushes what goes through the variables of so many frames of the scene; filter: where a table with
 * object, cu and name is, or nil. */
void csn_variables_push(lua_State *L, int filter, size_t first, size_t n);
/* Pushes what the signal says; returns how many values that are. */
int csn_siginfo_push(lua_State *L);

/* Pushes a thread of the snapshot, and a frame of one, by their numbers. */
void csn_thread_push(lua_State *L, size_t thread);
void csn_frame_push(lua_State *L, size_t thread, size_t frame);
/* The frame of the scene, with values; NULL: nobody looked at its variables. */
const struct csn_scene_frame *csn_frame_scene(const struct csn_scripts *scripts, size_t thread,
					      size_t frame);

/* A variable as Lua has it; its path is its user value. */
struct csn_script_variable {
	const struct csn_scene_frame *frame; /* NULL: of none */
	struct csn_handle handle;
};

/* The argument at index; an error of Lua when it is no variable, or time is over. */
struct csn_script_variable *csn_variable_check(lua_State *L, int index);
/* Pushes a variable whose path is the text on top, which it replaces. */
void csn_variable_push(lua_State *L, const struct csn_scene_frame *frame,
		       const struct csn_handle *handle);
/* A variable of a frame's values or a part of one, by its spot. */
void csn_variable_push_spot(lua_State *L, const struct csn_scene_spot *spot);
/* Pushes the variable that the path of the one at index and a step (".member", "[3]") lead to. */
void csn_variable_push_step(lua_State *L, int index, const char *step,
			    const struct csn_handle *handle);
/* Tells it, if that was not done; never NULL. */
const struct csn_value_node *csn_variable_node(lua_State *L, struct csn_script_variable *variable);
/* walk.c: functions that go along lists and arrays. */
extern const luaL_Reg csn_walk_methods[];

/* Types, NULL for void; a variable is taken for its type. */
void csn_type_push(lua_State *L, struct csn_type *type);
struct csn_type *csn_type_check(lua_State *L, int index);

/* Addresses and other numbers of 64 bits are integers of Lua, with their sign. */
static inline uint64_t csn_check_u64(lua_State *L, int index)
{
	return (uint64_t)luaL_checkinteger(L, index);
}

#endif
