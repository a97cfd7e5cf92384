/* Scope-bound ownership: the one cleanup idiom of this code base.
 *
 *	cleanup_free char *name = strdup(x);          freed when the scope ends
 *	cleanup_close int fd = open(...);             closed unless negative
 *	cleanup_(csn_buf_done) struct csn_buf b;      any destructor taking a pointer
 *	*ret_name = csn_take(name);                   hands the pointer over, leaves NULL
 *	*ret_fd = csn_take_fd(fd);                    hands the descriptor over, leaves -1
 */
#ifndef CSN_BASE_CLEANUP_H
#define CSN_BASE_CLEANUP_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define cleanup_(destructor) __attribute__((cleanup(destructor)))

static inline void csn_freep(void *pointer)
{
	free(*(void **)pointer);
}

static inline void csn_closep(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void csn_fclosep(FILE **file)
{
	if (*file)
		fclose(*file);
}

static inline void csn_closedirp(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

#define cleanup_free cleanup_(csn_freep)
#define cleanup_close cleanup_(csn_closep)
#define cleanup_fclose cleanup_(csn_fclosep)
#define cleanup_closedir cleanup_(csn_closedirp)

static inline void *csn_take_pointer(void *slot)
{
	void **place = slot, *value = *place;

	*place = NULL;
	return value;
}

/* Moves a pointer out of its variable. */
#define csn_take(pointer) ((__typeof__(pointer))csn_take_pointer(&(pointer)))

static inline int csn_take_fd_from(int *fd)
{
	int value = *fd;

	*fd = -1;
	return value;
}

/* Moves a descriptor out of its variable. */
#define csn_take_fd(fd) csn_take_fd_from(&(fd))

#endif
