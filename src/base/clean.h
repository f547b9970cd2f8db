/* SPDX-License-Identifier: MIT */
#ifndef BASE_CLEAN_H
#define BASE_CLEAN_H

/*
 * Ownership by scope: `cleanup_fd int fd = open(…)` is closed on each way out of the scope, unless
 * TAKE_FD(fd) hands it over. Declare and assign in one statement. A function uses these or goto,
 * not both.
 */

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void clean_fd(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

static inline void clean_free(void *p)
{
	free(*(void **)p);
}

static inline void clean_dir(DIR **d)
{
	if (*d)
		(void)closedir(*d);
}

static inline void clean_file(FILE **f)
{
	if (*f)
		(void)fclose(*f);
}

#ifndef CLEANUP /* `./dev lint` has its own: cppcheck does not know the attribute */
#define CLEANUP(function) __attribute__((cleanup(function)))
#endif
#define cleanup_fd CLEANUP(clean_fd)
#define cleanup_free CLEANUP(clean_free)
#define cleanup_dir CLEANUP(clean_dir)
#define cleanup_file CLEANUP(clean_file)

static inline int take_fd(int *fd)
{
	int out = *fd;
	*fd = -1;
	return out;
}

#define TAKE_FD(fd) take_fd(&(fd))
#define TAKE_PTR(p)                          \
	({                                   \
		__auto_type take_ptr_ = (p); \
		(p) = NULL;                  \
		take_ptr_;                   \
	})

#endif
