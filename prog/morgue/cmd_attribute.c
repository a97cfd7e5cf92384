/* morgue attribute: what a project's objects can be asked for. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json_load.h"
#include "morgue.h"

struct attribute {
	const char *verb, *project, *name;
	const char *type, *description, *format;
};

static json_t *action_of(const struct attribute *attribute, int64_t pid)
{
	json_t *action = morgue_bpg_action(attribute->verb, "attribute");
	bool create = strcmp(attribute->verb, "create") == 0;

	json_object_set_new(action, "key",
			    json_pack("{s:I, s:s}", "project", (json_int_t)pid, "name",
				      attribute->name));
	if (create)
		json_object_set_new(action, "object",
				    json_pack("{s:I, s:s, s:s, s:s, s:s}", "project",
					      (json_int_t)pid, "name", attribute->name, "type",
					      attribute->type, "description",
					      attribute->description, "format", attribute->format));
	json_object_set_new(action, "cascade", json_false());
	return action;
}

static int run(struct morgue *morgue, const struct attribute *attribute)
{
	struct morgue_bpg bpg = morgue_bpg_of_session(morgue);
	cleanup_json json_t *projects = NULL, *results = NULL;
	struct morgue_project wanted;
	const char *failure;
	int64_t pid = 0;
	int status = morgue_project_parse(morgue, attribute->project, &wanted);

	if (!status)
		status = morgue_bpg_rows(morgue, &bpg, "project", &projects);
	if (!status)
		status = morgue_project_pid(projects, wanted.name, &pid);
	if (!status)
		status = morgue_bpg_send(morgue, &bpg, json_pack("[o]", action_of(attribute, pid)),
					 &results);
	if (status)
		return status;
	failure = morgue_bpg_failure(json_array_get(results, 0));
	if (failure)
		return morgue_fail("Attribute %s failed: %s", attribute->verb, failure);
	printf("Attribute %s succeeded!\n", attribute->verb);
	return 0;
}

int morgue_attribute(int argc, char **argv, void *context)
{
	struct morgue *morgue = context;
	struct attribute attribute = { .type = "dictionary", .description = "", .format = "none" };
	const struct csn_option options[] = {
		{ "type", 0, CSN_OPT_STRING, "T",
		  "bitmap, uint8, uint16, uint32, uint64, int64, uint128, uuid or dictionary "
		  "(text; the default)",
		  &attribute.type },
		{ "description", 0, CSN_OPT_STRING, "TEXT", "what it is, for 'morgue describe'",
		  &attribute.description },
		{ "format", 0, CSN_OPT_STRING, "F",
		  "how values are shown: none (the default), bytes, kilobytes, seconds, "
		  "unix_timestamp, memory_address...",
		  &attribute.format },
		MORGUE_COMMON_OPTIONS(morgue),
		{ NULL },
	};
	const struct csn_program program = {
		.name = "morgue attribute",
		.summary = "Declares attributes, so that they can be asked for; 'morgue describe' "
			   "shows them.",
		.usages = (const char *const[]){ "morgue attribute create PROJECT NAME "
						 "[--type=T] [--description=TEXT] [--format=F]",
						 "morgue attribute delete PROJECT NAME", NULL },
		.options = options,
		.examples = (const char *const[]){ "morgue attribute create blackhole version",
						   "morgue attribute create blackhole heap.size "
						   "--type=uint64 --format=bytes",
						   NULL },
	};
	int first, status = csn_options_parse(&program, argc, argv, &first);

	if (status >= 0)
		return status;
	if (argc - first != 3)
		return csn_usage_error(&program, "create or delete, a project and a name are "
						 "needed");
	attribute.verb = argv[first];
	attribute.project = argv[first + 1];
	attribute.name = argv[first + 2];
	if (strcmp(attribute.verb, "create") != 0 && strcmp(attribute.verb, "delete") != 0)
		return csn_usage_error(&program, "'%s' is neither create nor delete",
				       attribute.verb);
	status = morgue_session_load(morgue);
	return status ? status : run(morgue, &attribute);
}
