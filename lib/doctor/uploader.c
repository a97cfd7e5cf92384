/* coroner.cf: there, closed, whole, with a token for every project that a crash may go to. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "doctor/doctor_internal.h"

static void check_mode(struct csn_doctor *doctor, const char *path)
{
	const char *quoted = doctor_quote(doctor, path), *mend;
	struct stat status;
	int errnum;

	if (stat(path, &status) < 0)
		return;
	mend = doctor_text(doctor, "chown root:%s %s; chmod 0640 %s",
			   doctor_group_name(doctor, doctor->gid), quoted, quoted);
	errnum = doctor_access_as(doctor->uid, doctor->gid, path, R_OK);
	if (errnum)
		doctor_say(doctor, CSN_DOCTOR_PROBLEM, mend, "%s cannot be read by %s: %s", path,
			   doctor_user_name(doctor, doctor->uid), strerror(errnum));
	else if (status.st_mode & 0007)
		doctor_say(doctor, CSN_DOCTOR_WARNING, mend,
			   "%s can be read by everybody, with the tokens in it", path);
	else if (status.st_mode & 0022)
		doctor_say(doctor, CSN_DOCTOR_WARNING, mend,
			   "%s can be changed by others than its owner", path);
	else if (status.st_uid != 0 && status.st_uid != doctor->uid)
		doctor_say(doctor, CSN_DOCTOR_WARNING, mend, "%s belongs to %s", path,
			   doctor_user_name(doctor, status.st_uid));
	else
		doctor_say(doctor, CSN_DOCTOR_OK, NULL, "%s is closed to others", path);
}

void doctor_check_coroner_cf(struct csn_doctor *doctor)
{
	const char *path = doctor->host.conf.coroner_config, *quoted = doctor_quote(doctor, path);
	struct csn_error err = CSN_ERROR_INIT;

	if (access(path, F_OK) < 0) {
		if (errno == EACCES)
			doctor_say(doctor, CSN_DOCTOR_WARNING,
				   doctor_text(doctor, "sudo %s doctor", doctor->self),
				   "%s cannot be looked at", path);
		else
			doctor_say(doctor, CSN_DOCTOR_PROBLEM,
				   doctor_text(doctor,
					       "morgue token create --project=blackhole "
					       "--capability=error:post --coroner-cf >%s",
					       quoted),
				   "there is no %s: nothing can be sent", path);
		return;
	}
	check_mode(doctor, path);
	doctor->has_cf = csn_coroner_cf_read(path, &doctor->cf, &err) == 0;
	if (!doctor->has_cf)
		doctor_say(doctor, CSN_DOCTOR_PROBLEM, doctor_text(doctor, "editor %s", quoted),
			   "%s", err.text);
	else if (!doctor->cf.write_url)
		doctor_say(doctor, CSN_DOCTOR_PROBLEM,
			   doctor_text(doctor,
				       "sed -i '/^\\[universe\\]/a write = "
				       "https://HOST:6098' %s    # HOST: your server",
				       quoted),
			   "%s: 'write' is missing below [universe]; it names the server", path);
}

const char *doctor_make_token(struct csn_doctor *doctor, const char *project)
{
	return doctor_text(doctor,
			   "sed -i \"/^\\[tokens\\?\\]/a $(morgue token create --project=%s "
			   "--capability=error:post --coroner-cf | grep %s)\" %s",
			   doctor_quote(doctor, project),
			   doctor_quote(doctor, doctor_text(doctor, "^%s *=", project)),
			   doctor_quote(doctor, doctor->cf.path));
}

void doctor_check_tokens(struct csn_doctor *doctor)
{
	const struct csn_coresnap_conf *conf = &doctor->host.conf;
	const char *project;
	size_t i, k, missing = 0;

	if (!doctor->has_cf)
		return;
	for (i = 0; i < conf->n_rules; i++) {
		project = conf->rules[i].project;
		for (k = 0; k < i && strcmp(conf->rules[k].project, project) != 0; k++)
			;
		if (k < i || csn_coroner_cf_find_token(&doctor->cf, project))
			continue;
		missing++;
		doctor_say(doctor, CSN_DOCTOR_PROBLEM, doctor_make_token(doctor, project),
			   "%s has no token named '%s', where format.1 sends crashes",
			   doctor->cf.path, project);
	}
	if (!missing)
		doctor_say(doctor, CSN_DOCTOR_OK, NULL,
			   "every project of format.1 has a token in %s", doctor->cf.path);
}
