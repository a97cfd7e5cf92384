#include "analyze/security_internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"

#define CSN_SECURITY_SECONDS 5

void csn_security_find(struct csn_security *look, const char *format, ...)
{
	char text[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (look->result == 0 && look->n_findings < CSN_MAX_SECURITY_NOTES)
		look->result = csn_snapshot_add_annotation(look->scene->snapshot, "security", text,
							   look->err);
	look->n_findings++;
}

bool csn_security_is_late(struct csn_security *look)
{
	if (!look->late)
		look->late = csn_monotonic_ns() > look->deadline_ns;
	return look->late;
}

const char *csn_security_describe(const struct csn_security *look, csn_addr addr)
{
	const struct csn_mapping *mapping = csn_target_find_mapping(look->scene->target, addr);

	if (!mapping)
		return "not mapped";
	return mapping->path ? mapping->path : "anonymous memory";
}

/* What the kernel itself maps for every process. */
static bool csn_is_kernels(const struct csn_mapping *mapping)
{
	static const char *const names[] = { "[vdso]", "[vsyscall]", "[vvar]", "[vvar_vclock]" };

	for (size_t i = 0; mapping->path && i < csn_countof(names); i++)
		if (strcmp(mapping->path, names[i]) == 0)
			return true;
	return false;
}

/* Returns the bytes of code that no file has. */
static uint64_t csn_security_check_maps(struct csn_security *look)
{
	const struct csn_target *target = look->scene->target;
	uint64_t generated = 0;

	for (size_t i = 0; i < target->n_mappings; i++) {
		const struct csn_mapping *mapping = &target->mappings[i];

		if (!mapping->perms_known || !mapping->executable || csn_is_kernels(mapping))
			continue;
		if (mapping->writable)
			csn_security_find(look,
					  "writable and executable: 0x%" PRIx64 "-0x%" PRIx64
					  ", %.256s",
					  mapping->start, mapping->end,
					  csn_security_describe(look, mapping->start));
		if (!mapping->is_file)
			generated += mapping->end - mapping->start;
	}
	return generated;
}

static uint64_t csn_security_check_modules(struct csn_security *look)
{
	struct csn_modules *modules = look->scene->modules;
	uint64_t unchecked = 0;

	for (size_t i = 0; i < csn_modules_count(modules) && !csn_security_is_late(look); i++) {
		struct csn_module *module = csn_modules_get(modules, i);

		if (module->is_vdso)
			continue;
		/* A file that was found by its name alone may be another one. */
		if (csn_module_load(module) != CSN_MODULE_OK || !module->bias_known ||
		    module->proof == CSN_PROOF_NONE) {
			unchecked++;
			continue;
		}
		csn_security_check_text(look, module);
		csn_security_check_links(look, module);
	}
	return unchecked;
}

int csn_security_analyze(const struct csn_scene *scene, struct csn_error *err)
{
	struct csn_snapshot *snapshot = scene->snapshot;
	struct csn_security look = {
		.scene = scene,
		.deadline_ns = csn_monotonic_ns() + CSN_SECURITY_SECONDS * CSN_NS_PER_SECOND,
		.err = err,
	};
	uint64_t generated = csn_security_check_maps(&look);
	uint64_t unchecked = csn_security_check_modules(&look);

	if (look.result == 0 && look.late)
		look.result = csn_snapshot_add_truncated(
			snapshot, "security: the time was up before all was compared", err);
	if (look.result == 0)
		look.result =
			csn_snapshot_set_uint(snapshot, "security.findings", look.n_findings, err);
	if (look.result == 0)
		look.result =
			csn_snapshot_set_uint(snapshot, "security.generated.bytes", generated, err);
	if (look.result == 0)
		look.result = csn_snapshot_set_uint(snapshot, "security.unchecked", unchecked, err);
	return look.result;
}
