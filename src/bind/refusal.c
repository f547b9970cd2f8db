/* SPDX-License-Identifier: MIT */
#include "bind/refusal.h"

#include "base/file.h"
#include "bind/env.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int counter_path(const struct bind_env *env, char *buf, size_t size)
{
	return file_path(buf, size, "%s/refusals", env->state);
}

/* Without the right to count, nothing is counted: the refusal itself is what matters. */
void bind_refusal_count(const struct bind_env *env)
{
	char path[FILE_PATH_MAX];
	struct stat st;

	if (counter_path(env, path, sizeof(path)) < 0)
		return;
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return;
	if (flock(fd, LOCK_EX) == 0 && fstat(fd, &st) == 0)
		(void)!ftruncate(fd, st.st_size + 1);
	(void)close(fd);
}

uint64_t bind_refusals(const struct bind_env *env)
{
	char path[FILE_PATH_MAX];
	struct stat st;

	if (counter_path(env, path, sizeof(path)) < 0 || stat(path, &st) < 0)
		return 0;
	return (uint64_t)st.st_size;
}
