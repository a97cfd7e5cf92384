/* Watch mode: folders into which others write cores (watch.path), and the kernel's own files there.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "doctor/doctor_internal.h"

bool doctor_is_watched(const struct csn_doctor *doctor)
{
	const struct csn_coresnap_conf *conf = &doctor->host.conf;
	const char *text = doctor->pattern.text, *slash = strrchr(text, '/');
	size_t i, length = slash ? (size_t)(slash - text) : 0;

	if (!doctor->has_pattern || *text != '/')
		return false;
	for (i = 0; i < conf->n_watch_paths; i++)
		if (strlen(conf->watch_paths[i]) == length &&
		    strncmp(conf->watch_paths[i], text, length) == 0)
			return true;
	return false;
}

static void check_folder(struct csn_doctor *doctor, const char *path)
{
	const char *quoted = doctor_quote(doctor, path);
	struct stat status;

	if (stat(path, &status) < 0)
		doctor_say(doctor, CSN_DOCTOR_PROBLEM,
			   doctor_text(doctor, "mkdir -p -m 1777 %s", quoted), "watch.path %s: %s",
			   path, strerror(errno));
	else if (!S_ISDIR(status.st_mode))
		doctor_say(doctor, CSN_DOCTOR_PROBLEM,
			   doctor_text(doctor, "mv %s %s.aside; mkdir -m 1777 %s", quoted, quoted,
				       quoted),
			   "watch.path %s is no folder", path);
	else if ((status.st_mode & S_IWOTH) && !(status.st_mode & S_ISVTX))
		doctor_say(doctor, CSN_DOCTOR_PROBLEM, doctor_text(doctor, "chmod +t %s", quoted),
			   "watch.path %s: all may replace each other's cores, so none is taken",
			   path);
	else
		doctor_say(doctor, CSN_DOCTOR_OK, NULL, "%s is watched", path);
}

void doctor_check_watch(struct csn_doctor *doctor)
{
	const struct csn_coresnap_conf *conf = &doctor->host.conf;
	size_t i;

	for (i = 0; i < conf->n_watch_paths; i++)
		check_folder(doctor, conf->watch_paths[i]);
}
