#include "host/kernel_log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/limits_host.h"
#include "base/text.h"

int csn_kernel_log_open(void)
{
	cleanup_close int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);

	if (fd < 0 || lseek(fd, 0, SEEK_END) < 0)
		return -1;
	return csn_take_fd(fd);
}

/* "<priority>,<sequence>,<microseconds>,<flags>;<text>": the text, of the kernel's own records. The
 * facility, priority / 8, is 0 for the kernel alone, whoever writes into /dev/kmsg. */
static char *find_text(char *record)
{
	char *comma = strchr(record, ','), *text = strchr(record, ';');
	uint64_t priority;

	if (!comma || !text || comma > text)
		return NULL;
	*comma = '\0';
	text[strcspn(text, "\n")] = '\0';
	return csn_parse_u64(record, 10, &priority) && priority < 8 ? text + 1 : NULL;
}

/* "coredump_pipe: 89 callbacks suppressed", by the function that refuses: before 6.17 it was
 * do_coredump. Others keep lines back, too (validate_coredump_safety). */
static uint64_t count_kept_back(char *text)
{
	static const char *const functions[] = { "coredump_pipe: ", "do_coredump: " };
	char *end = strstr(text, " callbacks suppressed");
	uint64_t count;
	size_t i;

	for (i = 0; end && i < csn_countof(functions); i++) {
		size_t length = strlen(functions[i]);

		if (strncmp(text, functions[i], length) != 0)
			continue;
		*end = '\0';
		return csn_parse_u64(text + length, 10, &count) && count < UINT32_MAX ? count : 0;
	}
	return 0;
}

static uint64_t count_record(char *record)
{
	char *text = find_text(record);

	if (!text)
		return 0;
	return strstr(text, "over core_pipe_limit") ? 1 : count_kept_back(text);
}

uint64_t csn_kernel_log_refused(int fd)
{
	char record[CSN_MAX_KERNEL_RECORD + 1];
	uint64_t refused = 0;
	unsigned left;
	ssize_t n;

	for (left = CSN_MAX_KERNEL_RECORDS; fd >= 0 && left; left--) {
		n = read(fd, record, CSN_MAX_KERNEL_RECORD);
		/* EPIPE: records were overwritten before we came. */
		if (n < 0 && (errno == EPIPE || errno == EINTR))
			continue;
		if (n <= 0)
			break;
		record[n] = '\0';
		refused += count_record(record);
	}
	return refused;
}
