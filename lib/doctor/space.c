/* Room for the spool: on its disk, within its own limits, and for when the disk is full. */
#include <stdio.h>
#include <sys/statvfs.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "doctor/doctor_internal.h"
#include "host/inventory.h"
#include "spool/counters.h"
#include "spool/fallback.h"
#include "spool/reserve.h"

/* Fewer free inodes than this, and a crash soon finds none. */
#define FEW_INODES 1000

static void check_quota(struct csn_doctor *doctor)
{
	struct csn_quota quota = csn_host_get_quota(&doctor->host);
	const char *purge = doctor_text(doctor, "%s purge --age=1d", doctor->self);
	struct csn_error err = CSN_ERROR_INIT;
	struct csn_spool_space space;
	char is_free[32], wanted[32];

	if (csn_spool_get_space(&doctor->host.spool, &quota, &space, &err) < 0) {
		doctor_say(doctor, CSN_DOCTOR_PROBLEM, NULL, "%s", err.text);
		return;
	}
	csn_format_size(is_free, sizeof(is_free), space.free_bytes);
	csn_format_size(wanted, sizeof(wanted), space.threshold_bytes);
	if (space.below)
		doctor_say(doctor, CSN_DOCTOR_PROBLEM,
			   doctor_text(doctor,
				       "%s    # or free space elsewhere, or lower dump.quota in %s",
				       purge,
				       doctor->host.conf.file
					       ? doctor_quote(doctor, doctor->host.conf.file)
					       : "coresnap.conf"),
			   "%s is free on the disk of %s, less than dump.quota asks for (%s): "
			   "no memory is archived, nothing is analysed or sent",
			   is_free, doctor->host.spool.path, wanted);
	else
		doctor_say(doctor, CSN_DOCTOR_OK, NULL, "%s free; dump.quota asks for %s", is_free,
			   wanted);
}

static void check_disk(struct csn_doctor *doctor)
{
	const char *purge = doctor_text(doctor, "%s purge --age=1d", doctor->self);
	struct statvfs status;

	if (fstatvfs(doctor->host.spool.dir_fd, &status) < 0)
		return;
	if (status.f_files && status.f_favail < FEW_INODES)
		doctor_say(doctor, CSN_DOCTOR_PROBLEM,
			   doctor_text(doctor, "%s    # or remove small files elsewhere", purge),
			   "%llu inodes are free on the disk of %s",
			   (unsigned long long)status.f_favail, doctor->host.spool.path);
	if (status.f_flag & ST_RDONLY)
		doctor_say(doctor, CSN_DOCTOR_PROBLEM,
			   doctor_text(doctor, "mount -o remount,rw $(stat -c %%m %s)",
				       doctor_quote(doctor, doctor->host.spool.path)),
			   "the disk of %s is read-only", doctor->host.spool.path);
}

/* What the spool holds, against spool.bytes and spool.files. */
static void check_limits(struct csn_doctor *doctor)
{
	const struct csn_spool_limits limits = csn_host_get_limits(&doctor->host);
	cleanup_(csn_inventory_done) struct csn_inventory inventory = { 0 };
	struct csn_error ignored;
	char held[32], allowed[32];

	if (csn_inventory_take(&doctor->host.spool, NULL, &inventory, &ignored) < 0)
		return;
	csn_format_size(held, sizeof(held), inventory.usage.bytes);
	csn_format_size(allowed, sizeof(allowed), limits.bytes);
	if (csn_usage_is_over(&inventory.usage, &limits))
		doctor_say(doctor, CSN_DOCTOR_WARNING,
			   doctor_text(doctor,
				       "%s purge --age=1d    # or raise spool.bytes, "
				       "spool.files",
				       doctor->self),
			   "the spool holds %s in %u objects; spool.bytes is %s, spool.files %u: "
			   "what is worth least is removed",
			   held, (unsigned)inventory.usage.files, allowed, (unsigned)limits.files);
	else
		doctor_say(doctor, CSN_DOCTOR_OK, NULL, "the spool holds %s in %u objects", held,
			   (unsigned)inventory.usage.files);
}

static void check_reserve(struct csn_doctor *doctor)
{
	unsigned count = csn_reserve_count(&doctor->host.spool);

	if (count < CSN_RESERVE_PIECES)
		doctor_say(
			doctor, CSN_DOCTOR_WARNING, doctor_text(doctor, "%s enable", doctor->self),
			"the reserve for a full disk has %u of %u pieces: without it no crash is "
			"told of then",
			count, CSN_RESERVE_PIECES);
}

/* Crashes that the helper could not put into the spool wait in memory. */
static void check_fallback(struct csn_doctor *doctor)
{
	struct csn_fallback fallback = CSN_FALLBACK_INIT;
	const unsigned all = CSN_FALLBACK_MAX_BYTES;
	struct csn_error ignored;
	uint64_t held;
	char size[32];

	if (csn_fallback_open(doctor->host.conf.archive_path, false, &fallback, &ignored) < 0)
		return;
	held = all - csn_fallback_room(&fallback);
	csn_format_size(size, sizeof(size), held);
	if (held)
		doctor_say(doctor, CSN_DOCTOR_WARNING,
			   doctor_text(doctor, "%s enable", doctor->self),
			   "%s of crashes wait in %s, because the spool could not be used", size,
			   fallback.path);
	csn_fallback_close(&fallback);
}

static void tell_lost(struct csn_doctor *doctor)
{
	static const enum csn_counter lost[] = { CSN_COUNT_LOST_DISK_FULL, CSN_COUNT_LOST_UNSEEN,
						 CSN_COUNT_LOST_PRIVILEGE, CSN_COUNT_LOST_OTHER,
						 CSN_COUNT_KERNEL_REFUSED };
	struct csn_counters counters;
	struct csn_error ignored;
	uint64_t sum = 0;
	size_t i;

	if (csn_counters_read(&doctor->host.spool, &counters, &ignored) < 0)
		return;
	for (i = 0; i < csn_countof(lost); i++)
		sum += counters.values[lost[i]];
	doctor_say(doctor, CSN_DOCTOR_OK, NULL, "%llu crashes were seen on this host, %llu lost",
		   (unsigned long long)counters.values[CSN_COUNT_SEEN], (unsigned long long)sum);
}

void doctor_check_space(struct csn_doctor *doctor)
{
	if (doctor->is_root)
		check_fallback(doctor);
	if (!doctor->has_spool)
		return;
	check_quota(doctor);
	check_disk(doctor);
	check_limits(doctor);
	check_reserve(doctor);
	tell_lost(doctor);
}
