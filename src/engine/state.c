/* SPDX-License-Identifier: MIT */
#include "engine/state.h"

#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static int pid_write(const struct state *s, const char *name, pid_t pid)
{
	char path[FILE_PATH_MAX], text[24];

	int r = file_path(path, sizeof(path), "%s/%s", s->dir, name);
	if (r < 0)
		return r;
	int n = snprintf(text, sizeof(text), "%d\n", (int)pid);
	return file_replace(path, text, (size_t)n, 0644);
}

static int report_busy_name(const char *name, const char *dir, struct err *e)
{
	char path[FILE_PATH_MAX], pid[24] = "?";

	if (file_path(path, sizeof(path), "%s/keeper", dir) == 0 &&
		file_read(path, pid, sizeof(pid)) < 0)
		(void)strcpy(pid, "?");
	err_say(e, -EBUSY, "a guest named '%s' runs already (keeper: process %s)", name, pid);
	err_hint(e, "choose another --name");
	return -EBUSY;
}

/* Makes the guest's folder. @path: of its lock, FILE_PATH_MAX bytes. */
static int make_folder(const char *run_dir, const char *name, struct state *ret, char *path)
{
	int r = file_path(ret->dir, sizeof(ret->dir), "%s/vm/%s", run_dir, name);
	if (r < 0)
		return r;
	r = file_mkdirs(ret->dir, 0755);
	if (r < 0)
		return r;
	return file_path(path, FILE_PATH_MAX, "%s/lock", ret->dir);
}

int state_claim(const char *run_dir, const char *name, struct state *ret, struct err *e)
{
	char path[FILE_PATH_MAX];

	*ret = STATE_NONE;
	int r = make_folder(run_dir, name, ret, path);
	if (r < 0)
		return err_set(e, r, "make %s/vm/%s", run_dir, name);
	ret->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (ret->lock_fd < 0)
		return err_set(e, -errno, "open %s", path);
	if (flock(ret->lock_fd, LOCK_EX | LOCK_NB) < 0) {
		r = errno == EWOULDBLOCK ? report_busy_name(name, ret->dir, e)
					 : err_set(e, -errno, "lock %s", path);
		fd_close(&ret->lock_fd);
		return r;
	}
	r = pid_write(ret, "keeper", getpid());
	if (r < 0) {
		fd_close(&ret->lock_fd);
		return err_set(e, r, "write %s/keeper", ret->dir);
	}
	return 0;
}

int state_engine(struct state *s, pid_t pid)
{
	return pid_write(s, "engine", pid);
}

/*
 * Keeps the folder and its lock file: if a lock file is removed while another process opens it, two
 * guests can hold "the" lock. A free lock marks a stale folder.
 */
void state_release(struct state *s)
{
	static const char *const files[] = {"keeper", "engine"};
	char path[FILE_PATH_MAX];

	if (s->lock_fd < 0)
		return;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (file_path(path, sizeof(path), "%s/%s", s->dir, files[i]) == 0)
			(void)unlink(path);
	}
	fd_close(&s->lock_fd);
}
