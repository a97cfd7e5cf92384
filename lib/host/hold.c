/* Projects that nothing can be sent to for now, because the server refuses their token or the
 * configuration is wrong: no fault of the objects, and none of other projects. */
#include <stdlib.h>
#include <string.h>

#include "host/service_internal.h"

/* A project on hold. */
struct hold {
	struct hold *next;
	int64_t due_ns; /* monotonic */
	unsigned failures;
	char project[];
};

static struct hold **find(struct csn_service *service, const char *project)
{
	struct hold **place = &service->holds;

	while (*place && strcmp((*place)->project, project) != 0)
		place = &(*place)->next;
	return place;
}

int64_t hold_due_ns(struct csn_service *service, const char *project)
{
	const struct hold *hold = *find(service, project);

	return hold ? hold->due_ns : 0;
}

unsigned hold_count(struct csn_service *service, const char *project)
{
	struct hold **place = find(service, project), *hold = *place;
	size_t size = strlen(project) + 1;

	if (!hold) {
		hold = calloc(1, sizeof(*hold) + size);
		if (!hold)
			return 1; /* the object alone waits, then */
		memcpy(hold->project, project, size);
		*place = hold;
	}
	return ++hold->failures;
}

void hold_until(struct csn_service *service, const char *project, int64_t due_ns)
{
	struct hold *hold = *find(service, project);

	if (hold)
		hold->due_ns = due_ns;
}

void hold_release(struct csn_service *service, const char *project)
{
	struct hold **place = find(service, project), *hold = *place;
	size_t i;

	if (!hold)
		return;
	for (i = 0; i < service->n_jobs; i++)
		if (service->jobs[i]->due_ns == hold->due_ns)
			service->jobs[i]->due_ns = 0;
	*place = hold->next;
	free(hold);
}

void hold_release_all(struct csn_service *service)
{
	while (service->holds)
		hold_release(service, service->holds->project);
}
