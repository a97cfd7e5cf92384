/* A core of the spool, of which the daemon reads the notes' headers. */
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"
#include "base/limits.h"
#include "spool/core_identity.h"
#include "spool/core_note.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	struct csn_buf text = CSN_BUF_INIT(CSN_MAX_CORESNAP_NOTE);
	struct csn_core_identity identity;
	int fd = memfd_create("core", MFD_CLOEXEC), out_fd = memfd_create("notes", MFD_CLOEXEC);

	if (fd < 0)
		return 0;
	if (csn_write_full(fd, data, size_bytes) == 0) {
		(void)!csn_core_note_read(fd, &text, NULL);
		if (csn_core_identify(fd, &identity, NULL) == 0 && out_fd >= 0)
			(void)!csn_core_copy_notes(fd, &identity, out_fd, NULL);
	}
	csn_buf_done(&text);
	close(fd);
	if (out_fd >= 0)
		close(out_fd);
	return 0;
}
