/* A folder of its own for each test, below /tmp; removed with all that is in it. */
#ifndef CSN_UNIT_FOLDER_H
#define CSN_UNIT_FOLDER_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define FOLDER_MAX 64

/* False when it cannot be made. */
static inline bool folder_make(char folder[FOLDER_MAX])
{
	snprintf(folder, FOLDER_MAX, "/tmp/csn-test-XXXXXX");
	return mkdtemp(folder) != NULL;
}

static inline void folder_remove(const char *folder)
{
	pid_t pid = fork();

	if (pid == 0) {
		execlp("rm", "rm", "-rf", folder, (char *)NULL);
		_exit(1);
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

#endif
