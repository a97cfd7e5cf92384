/* What modules leave: annotations, attributes, classifiers, and words about themselves. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "modules/script_internal.h"
#include "snapshot/protected.h"

/* Tables within tables of JSON, members of one; attributes of a module, classifiers too. */
#define CSN_MAX_SCRIPT_JSON_DEPTH 16
#define CSN_MAX_SCRIPT_JSON_MEMBERS 1024u
#define CSN_MAX_SCRIPT_ATTRIBUTES 64u

static void add_note(struct csn_script *script, const char *name, const char *text,
		     const struct csn_annotation_owner *owner)
{
	if (csn_snapshot_add_owned_annotation(script->all->snapshot, name, text, owner, NULL) ==
	    -CSN_E_NOMEM)
		script->all->no_memory = true;
}

void csn_script_warn(struct csn_script *script, const char *format, ...)
{
	char said[1024], text[1200];
	va_list args;

	va_start(args, format);
	vsnprintf(said, sizeof(said), format, args);
	va_end(args);
	snprintf(text, sizeof(text), "module %.64s: %s", script->id, said);
	add_note(script, "warning", text, NULL);
}

/* A module may say so much and no more. */
static void count_note(lua_State *L)
{
	struct csn_script *script = csn_script_of(L);

	if (script->n_notes >= CSN_MAX_SCRIPT_NOTES)
		luaL_error(L, "more than %d annotations", (int)CSN_MAX_SCRIPT_NOTES);
	script->n_notes++;
}

/* Leaves the text of the arguments from index on: one, or a format and what goes into it. */
static const char *format_text(lua_State *L, int index, size_t *ret_length)
{
	int n = lua_gettop(L) - index + 1;

	if (n > 1) {
		luaL_checkstring(L, index);
		lua_getglobal(L, LUA_STRLIBNAME);
		lua_getfield(L, -1, "format");
		lua_remove(L, -2);
		lua_insert(L, index);
		lua_call(L, n, 1);
	}
	return luaL_tolstring(L, index, ret_length);
}

/* --- JSON: written without a call that Lua could jump out of --- */

static bool put_json(lua_State *L, int index, struct csn_json *json, unsigned depth);

/* An array has the keys 1 to n and no others. */
static size_t count_keys(lua_State *L, int index)
{
	size_t n = 0;

	for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1))
		n++;
	return n;
}

/* The smallest text among the keys that is greater than before; NULL none. Borrowed. */
static const char *next_key(lua_State *L, int index, const char *before)
{
	const char *best = NULL;

	for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
		const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : NULL;

		if (key && (!before || strcmp(key, before) > 0) && (!best || strcmp(key, best) < 0))
			best = key;
	}
	return best;
}

/* Members in the order of their names, so that one core gives one snapshot. */
static bool put_object(lua_State *L, int index, size_t n, struct csn_json *json, unsigned depth)
{
	const char *key = NULL;
	size_t told = 0;
	bool whole = true;

	csn_json_begin_object(json);
	while (whole && (key = next_key(L, index, key))) {
		csn_json_key(json, key);
		for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1))
			if (lua_type(L, -2) == LUA_TSTRING && lua_tostring(L, -2) == key)
				whole = put_json(L, lua_gettop(L), json, depth + 1);
		told++;
	}
	csn_json_end_object(json);
	return whole && told == n;
}

static bool put_table(lua_State *L, int index, struct csn_json *json, unsigned depth)
{
	size_t n = count_keys(L, index), length = lua_rawlen(L, index);
	bool whole = true;

	if (n > CSN_MAX_SCRIPT_JSON_MEMBERS)
		return false;
	if (n != length || !n)
		return put_object(L, index, n, json, depth);
	csn_json_begin_array(json);
	for (size_t i = 1; i <= n && whole; i++) {
		lua_rawgeti(L, index, (lua_Integer)i);
		whole = put_json(L, lua_gettop(L), json, depth + 1);
		lua_pop(L, 1);
	}
	csn_json_end_array(json);
	return whole;
}

static bool put_json(lua_State *L, int index, struct csn_json *json, unsigned depth)
{
	const char *text;
	size_t length;

	/* Tables may hold each other many times. */
	if (!csn_buf_ok(json->out))
		return false;
	switch (lua_type(L, index)) {
	case LUA_TSTRING:
		text = lua_tolstring(L, index, &length);
		csn_json_string_n(json, text, length);
		return true;
	case LUA_TNUMBER:
		if (lua_isinteger(L, index))
			csn_json_int(json, lua_tointeger(L, index));
		else
			csn_json_double(json, lua_tonumber(L, index));
		return true;
	case LUA_TBOOLEAN:
		csn_json_bool(json, lua_toboolean(L, index));
		return true;
	case LUA_TTABLE:
		return depth < CSN_MAX_SCRIPT_JSON_DEPTH && put_table(L, index, json, depth);
	default:
		return false;
	}
}

static void annotate_json(lua_State *L, int index, const char *name,
			  const struct csn_annotation_owner *owner)
{
	struct csn_buf text = CSN_BUF_INIT(CSN_MAX_SCRIPT_JSON);
	struct csn_json json = csn_json_to(&text);
	bool whole;

	luaL_checktype(L, index, LUA_TTABLE);
	luaL_checkstack(L, 4 * CSN_MAX_SCRIPT_JSON_DEPTH, "JSON");
	whole = put_json(L, index, &json, 0) && csn_buf_ok(&text);
	if (whole)
		add_note(csn_script_of(L), name, csn_buf_text(&text), owner);
	csn_buf_done(&text);
	if (!whole)
		luaL_error(L, "not to be written as JSON: too long or deep, or of more than texts, "
			      "numbers, booleans and tables of these");
}

/* --- annotations --- */

int csn_script_annotate(lua_State *L, int index, const struct csn_annotation_owner *owner)
{
	static const char *const kinds[] = { "critical", "comment", "json", NULL };
	struct csn_script *script = csn_script_of(L);
	int kind = luaL_checkoption(L, index, NULL, kinds);
	char name[128], text[CSN_MAX_SCRIPT_TEXT];
	const char *formatted;
	size_t length;

	luaL_checkany(L, index + 1);
	count_note(L);
	snprintf(name, sizeof(name), "module/%.64s/%s", script->id, kinds[kind]);
	if (kind == 2) {
		annotate_json(L, index + 1, name, owner);
		return 0;
	}
	formatted = format_text(L, index + 1, &length);
	snprintf(text, sizeof(text), "%s", formatted);
	add_note(script, name, text, owner);
	return 0;
}

int csn_script_log(lua_State *L)
{
	static const char *const levels[] = { "error", "warning", "info", "debug", NULL };
	struct csn_script *script = csn_script_of(L);
	int level = luaL_checkoption(L, 1, NULL, levels);
	char name[128], text[CSN_MAX_SCRIPT_TEXT];
	const char *formatted;

	luaL_checkany(L, 2);
	count_note(L);
	formatted = format_text(L, 2, NULL);
	if (level <= 1) {
		csn_script_warn(script, "%s", formatted);
		return 0;
	}
	snprintf(name, sizeof(name), "module/%.64s/log", script->id);
	snprintf(text, sizeof(text), "%s: %s", levels[level], formatted);
	add_note(script, name, text, NULL);
	return 0;
}

/* --- attributes and classifiers --- */

/* Names as queries can ask for them. */
static bool name_is_sound(const char *name)
{
	size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "0123456789._-");

	return length && length <= 64 && !name[length] && name[0] != '_' && name[0] != '.';
}

static void count_attribute(lua_State *L)
{
	struct csn_script *script = csn_script_of(L);

	if (script->n_attributes >= CSN_MAX_SCRIPT_ATTRIBUTES)
		luaL_error(L, "more than %d attributes and classifiers",
			   (int)CSN_MAX_SCRIPT_ATTRIBUTES);
	script->n_attributes++;
}

void csn_script_set(lua_State *L, const struct csn_snapshot_attribute *attribute)
{
	struct csn_script *script = csn_script_of(L);
	struct csn_scripts *all = script->all;
	struct csn_script_attribute *grown;
	struct csn_snapshot_attribute copy = *attribute;

	if (!name_is_sound(attribute->name) || csn_attribute_is_protected(attribute->name))
		luaL_error(L, "\"%s\" is no attribute that a module may set", attribute->name);
	count_attribute(L);
	grown = csn_arena_grow(all->arena, all->attributes, all->n_attributes,
			       &all->attributes_capacity, sizeof(*grown));
	copy.name = csn_arena_strdup(all->arena, attribute->name);
	if (copy.kind == CSN_VALUE_STRING)
		copy.string = csn_arena_strndup(all->arena, attribute->string,
						strnlen(attribute->string, CSN_MAX_SCRIPT_TEXT));
	if (!grown || !copy.name || (copy.kind == CSN_VALUE_STRING && !copy.string)) {
		luaL_error(L, "out of memory");
		return;
	}
	all->attributes = grown;
	grown[all->n_attributes++] = (struct csn_script_attribute){ script, copy };
}

void csn_script_classify(lua_State *L, const char *name)
{
	struct csn_script *script = csn_script_of(L);

	if (!name_is_sound(name))
		luaL_error(L, "\"%s\" is no name of a classifier", name);
	count_attribute(L);
	if (csn_snapshot_add_classifier(script->all->snapshot, name, NULL) == -CSN_E_NOMEM)
		script->all->no_memory = true;
}

/* Did a module ask for it before? Then its value may be replaced. */
static bool is_of_module(const struct csn_scripts *scripts, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(scripts->attributes[i].attribute.name, name) == 0)
			return true;
	return false;
}

int csn_script_attributes_apply(struct csn_scripts *scripts, struct csn_error *err)
{
	for (size_t i = 0; i < scripts->n_attributes; i++) {
		const struct csn_snapshot_attribute *attribute = &scripts->attributes[i].attribute;
		struct csn_script *script = scripts->attributes[i].script;

		if (csn_snapshot_find_attribute(scripts->snapshot, attribute->name) &&
		    !is_of_module(scripts, i, attribute->name))
			csn_script_warn(script, "attribute %s is there already", attribute->name);
		else if (csn_snapshot_set(scripts->snapshot, attribute, err) == -CSN_E_NOMEM)
			return -CSN_E_NOMEM;
	}
	return 0;
}
