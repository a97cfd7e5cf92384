/* What the machine itself decides: who we are, in what container, under what kernel. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/text.h"
#include "doctor/doctor_internal.h"

/* The inode of the first pid namespace (linux/proc_ns.h). */
#define FIRST_PID_NAMESPACE "pid:[4026531836]"

void doctor_check_rights(struct csn_doctor *doctor)
{
	if (!doctor->is_root)
		doctor_say(doctor, CSN_DOCTOR_WARNING,
			   doctor_text(doctor, "sudo %s doctor", doctor->self),
			   "not run as root: what only root may look at is left out");
	else
		doctor_say(doctor, CSN_DOCTOR_OK, NULL, "run as root");
}

/* The file that is wrong, for an editor. */
static const char *find_conf(struct csn_doctor *doctor)
{
	static const char *const places[] = { "/usr/local/etc/coresnap/coresnap.conf",
					      "/etc/coresnap/coresnap.conf" };
	char path[CSN_MAX_PATH];
	size_t i;

	if (doctor->options->config)
		return doctor_quote(doctor, doctor->options->config);
	for (i = 0; i < csn_countof(places); i++)
		if (access(csn_root_path(&doctor->host.root, places[i], path, sizeof(path)),
			   F_OK) == 0)
			break;
	return doctor_quote(doctor, path);
}

void doctor_check_configuration(struct csn_doctor *doctor)
{
	const struct csn_coresnap_conf *conf = &doctor->host.conf;
	const char *given = doctor->options->config;

	if (!doctor->has_conf)
		doctor_say(doctor, CSN_DOCTOR_PROBLEM,
			   doctor_text(doctor, "editor %s", find_conf(doctor)),
			   "%s (what follows goes by the built-in values)",
			   doctor->conf_error.text);
	else if (conf->file)
		doctor_say(doctor, CSN_DOCTOR_OK, NULL, "%s is read%s", conf->file,
			   given ? " (as told by --config)" : "");
	else
		doctor_say(doctor, CSN_DOCTOR_OK, NULL,
			   "no coresnap.conf: the built-in values hold, all crashes go to project "
			   "blackhole");
}

void doctor_check_container(struct csn_doctor *doctor)
{
	char name[64] = "";
	ssize_t n = readlink("/proc/self/ns/pid", name, sizeof(name) - 1);
	cleanup_close int fd = open(CSN_CORE_PATTERN_FILE, O_WRONLY | O_CLOEXEC);
	bool locked = fd < 0 && errno == EROFS;

	name[n > 0 ? n : 0] = '\0';
	if (locked)
		doctor_say(doctor, CSN_DOCTOR_PROBLEM,
			   "mount -o remount,rw /proc/sys    # or install coresnap on the host: it "
			   "takes the crashes of all its containers",
			   "/proc/sys is read-only: core_pattern cannot be set from here%s",
			   strcmp(name, FIRST_PID_NAMESPACE) == 0 ? "" : ", in a container");
	else if (*name && strcmp(name, FIRST_PID_NAMESPACE) != 0)
		doctor_say(doctor, CSN_DOCTOR_WARNING,
			   "ptrace PID    # or install coresnap on the host: it takes the crashes "
			   "of all its containers",
			   "in a container (%s): the kernel runs the helper outside of it, where "
			   "this installation is not seen",
			   name);
	else
		doctor_say(doctor, CSN_DOCTOR_OK, NULL, "not in a container");
}

static void check_yama(struct csn_doctor *doctor)
{
	char line[16] = "0";

	doctor_read_line("/proc/sys/kernel/yama/ptrace_scope", line, sizeof(line));
	if (strcmp(line, "3") == 0)
		doctor_say(doctor, CSN_DOCTOR_PROBLEM,
			   "grep -rl ptrace_scope /etc/sysctl.conf /etc/sysctl.d | xargs -r sed -i "
			   "'/ptrace_scope/d'; reboot    # 3 cannot be taken back before",
			   "kernel.yama.ptrace_scope is 3: nobody, root neither, may read the "
			   "memory of another process");
	else if (strcmp(line, "2") == 0)
		doctor_say(doctor, CSN_DOCTOR_OK, NULL,
			   "kernel.yama.ptrace_scope is 2: crashes are captured; 'ptrace PID' is "
			   "for root");
}

static void check_selinux(struct csn_doctor *doctor)
{
	char line[16] = "0";

	if (doctor_read_line("/sys/fs/selinux/enforce", line, sizeof(line)) &&
	    strcmp(line, "1") == 0)
		doctor_say(doctor, CSN_DOCTOR_OK, NULL,
			   "SELinux is enforcing; what it refuses is shown by 'ausearch -m avc "
			   "-ts recent', labels are put right by 'restorecon -R /opt/backtrace "
			   "/var/coresnap'");
}

static void check_apparmor(struct csn_doctor *doctor)
{
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(0);

	if (doctor_read_text("/sys/kernel/security/apparmor/profiles", &text) &&
	    strstr(csn_buf_text(&text), "/opt/backtrace"))
		doctor_say(doctor, CSN_DOCTOR_WARNING, "journalctl -k | grep apparmor=.DENIED",
			   "AppArmor has a profile for programs in /opt/backtrace; see that it "
			   "lets them read /proc and write the spool");
}

void doctor_check_kernel(struct csn_doctor *doctor)
{
	cleanup_(csn_buf_done) struct csn_buf modes = CSN_BUF_INIT(0);
	struct utsname uts;
	char *at;

	if (uname(&uts) == 0) {
		doctor_read_text("/proc/sys/kernel/core_modes", &modes);
		for (at = modes.data; at && *at; at++)
			if (*at == '\n')
				*at = ' ';
		doctor_say(doctor, CSN_DOCTOR_OK, NULL, "Linux %s takes core_pattern as %s",
			   uts.release, modes.size ? csn_buf_text(&modes) : "file pipe");
	}
	check_yama(doctor);
	check_selinux(doctor);
	check_apparmor(doctor);
}
