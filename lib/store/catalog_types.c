/* The configured types: one row each, from which tables, schema and checks are made. */
#include <string.h>

#include "store/catalog.h"

#define I(name) \
	{ \
		name, CSN_FIELD_INTEGER, false, false, false \
	}
#define T(name) \
	{ \
		name, CSN_FIELD_TEXT, false, false, false \
	}
#define KEY_I(name) \
	{ \
		name, CSN_FIELD_INTEGER, true, false, false \
	}
#define KEY_T(name) \
	{ \
		name, CSN_FIELD_TEXT, true, false, false \
	}
#define SERIAL(name) \
	{ \
		name, CSN_FIELD_INTEGER, true, true, false \
	}
/* Assigned by the catalog, but not the key. */
#define NUMBERED(name) \
	{ \
		name, CSN_FIELD_INTEGER, false, true, false \
	}
#define SECRET_B(name) \
	{ \
		name, CSN_FIELD_BLOB, false, false, true \
	}
#define SECRET_T(name) \
	{ \
		name, CSN_FIELD_TEXT, false, false, true \
	}

static const struct csn_config_type types[] = {
	{ "listener", false, { SERIAL("id"), T("type"), T("dns_name") } },
	{ "universe", false, { SERIAL("id"), T("name") } },
	{ "users",
	  false,
	  { SERIAL("uid"), I("universe"), T("username"), T("email"), SECRET_B("password"),
	    T("method"), I("superuser"), T("role") } },
	{ "project", false, { SERIAL("pid"), I("universe"), T("name"), I("owner"), I("deleted") } },
	{ "api_token",
	  false,
	  { KEY_T("id"), I("project"), I("owner"), T("capabilities"), T("metadata") } },
	{ "token", false, { KEY_T("id"), I("project"), I("owner") } },
	{ "team", false, { SERIAL("id"), T("name"), I("universe"), I("tid") } },
	{ "team_member", false, { KEY_I("team"), KEY_I("user") } },
	{ "project_member_user", false, { KEY_I("project"), KEY_I("user"), T("role") } },
	{ "project_member_team", false, { KEY_I("project"), KEY_I("team"), T("role") } },
	{ "instance_retention", false, { SERIAL("id"), T("rules") } },
	{ "universe_retention", false, { KEY_I("universe"), NUMBERED("id"), T("rules") } },
	{ "project_retention", false, { KEY_I("project"), NUMBERED("id"), T("rules") } },
	{ "project_sampling", false, { KEY_I("project"), T("configuration"), I("disabled") } },
	{ "scrubber",
	  false,
	  { SERIAL("id"), I("project"), T("name"), T("regexp"), T("builtin"), T("format"),
	    T("target"), I("enable") } },
	{ "report",
	  false,
	  { SERIAL("id"), I("project"), I("owner"), I("day"), I("hour"), I("include_users"),
	    T("title"), T("rcpt"), T("period"), T("timezone"), T("widgets"), T("metadata") } },
	{ "attribute",
	  false,
	  { KEY_I("project"), KEY_T("name"), T("type"), T("description"), T("format") } },
	{ "query",
	  false,
	  { KEY_I("project"), KEY_T("name"), I("owner"), T("queries"), T("payload") } },
	{ "deduplication",
	  false,
	  { KEY_I("project"), KEY_T("name"), NUMBERED("id"), T("rules"), T("languages"),
	    T("platforms"), I("enabled"), I("owner"), I("priority") } },
	{ "signup_whitelist",
	  false,
	  { KEY_I("universe"), KEY_T("domain"), T("role"), T("method") } },
	{ "signup_pending",
	  false,
	  { KEY_T("token"), T("role"), T("method"), T("email"), T("username"), I("universe") } },
	{ "limits", false, { KEY_I("universe"), T("definition"), T("metadata") } },
	{ "resource_override",
	  false,
	  { KEY_I("uid"), KEY_I("universe"), KEY_T("name"), T("value"), I("owner") } },
	{ "server_side_actions", false, { KEY_I("project"), T("configuration"), I("enabled") } },
	{ "metric_group", false, { SERIAL("id"), I("project"), T("name") } },
	{ "metric", false, { KEY_I("metric_group"), KEY_T("name"), T("attribute_values") } },
	{ "session",
	  true,
	  { KEY_T("id"), SECRET_T("hash"), I("uid"), I("created"), I("expires") } },
	{ "token_hash", true, { KEY_T("id"), SECRET_T("hash"), T("kind") } },
	{ NULL, false, { { 0 } } },
};

const struct csn_config_type *csn_config_types(void)
{
	return types;
}

const struct csn_config_type *csn_config_type_find(const char *name)
{
	for (const struct csn_config_type *type = types; type->name; type++)
		if (strcmp(type->name, name) == 0)
			return type;
	return NULL;
}
