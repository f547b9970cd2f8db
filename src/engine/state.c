/* SPDX-License-Identifier: MIT */
#include "engine/state.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/file.h"
#include "base/lockfile.h"
#include "bind/env.h"
#include "engine/display.h"
#include "engine/memlock.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CLAIM_TRIES 50
#define CLAIM_PAUSE_NS 10000000

const char *state_run_dir(void)
{
	static char own[FILE_PATH_MAX];
	const char *runtime = getenv("XDG_RUNTIME_DIR");

	if (geteuid() == 0 || !runtime || runtime[0] != '/' ||
		file_path(own, sizeof(own), "%s/usher", runtime) < 0)
		return BIND_STATE_DIR;
	return own;
}

static int pid_write(const struct state *s, const char *name, pid_t pid)
{
	char path[FILE_PATH_MAX], text[24];

	int r = file_path(path, sizeof(path), "%s/%s", s->dir, name);
	if (r < 0)
		return r;
	int n = snprintf(text, sizeof(text), "%d\n", (int)pid);
	return file_replace(path, text, (size_t)n, 0644);
}

static const char *const folders[] = {[STATE_GUEST] = "vm", [STATE_LEASE] = "lease"};

static int report_busy_name(enum state_kind kind, const char *name, const char *pid, struct err *e)
{
	if (kind == STATE_LEASE)
		return err_say(e, -EBUSY, "there is a lease '%s' (keeper: process %s)", name, pid);
	err_say(e, -EBUSY, "a guest named '%s' runs already (keeper: process %s)", name, pid);
	err_hint(e, "choose another --name");
	return -EBUSY;
}

/* Whether the holder of the lock is a keeper that runs. @pid: 24 bytes for its process id. */
static bool keeper_is_named(const struct state *s, char *pid)
{
	char path[FILE_PATH_MAX];

	return file_path(path, sizeof(path), "%s/keeper", s->dir) == 0 &&
	       file_read(path, pid, 24) > 0;
}

/*
 * Makes the guest's folder and locks it. @path: of its lock, FILE_PATH_MAX bytes.
 * Return: 0; -ENOENT another keeper has just removed the folder; -errno.
 */
static int folder_lock(const char *run_dir, const char *name, struct state *ret, char *path)
{
	int r = file_path(
		ret->dir, sizeof(ret->dir), "%s/%s/%s", run_dir, folders[ret->kind], name);
	if (r < 0)
		return r;
	r = file_path(path, FILE_PATH_MAX, "%s/lock", ret->dir);
	if (r < 0)
		return r;
	r = file_mkdirs(ret->dir, 0755);
	if (r < 0)
		return r;
	ret->lock_fd = lockfile_take(path);
	return ret->lock_fd < 0 ? ret->lock_fd : 0;
}

/*
 * Whoever holds the lock without a name in the folder is about to write it, or to remove the
 * folder: both take a moment.
 */
static int folder_claim(const char *run_dir, const char *name, struct state *ret, char *pid)
{
	const struct timespec pause = {.tv_nsec = CLAIM_PAUSE_NS};
	char path[FILE_PATH_MAX];
	int r = -EWOULDBLOCK;

	for (unsigned i = 0; i < CLAIM_TRIES; i++) {
		r = folder_lock(run_dir, name, ret, path);
		if (r != -ENOENT && (r != -EWOULDBLOCK || keeper_is_named(ret, pid)))
			break;
		(void)nanosleep(&pause, NULL);
	}
	return r;
}

static int kind_claim(enum state_kind kind, const char *run_dir, const char *name,
	struct state *ret, struct err *e)
{
	char pid[24] = "?";

	*ret = STATE_NONE;
	ret->kind = kind;
	int r = folder_claim(run_dir, name, ret, pid);
	if (r == -EWOULDBLOCK)
		return report_busy_name(kind, name, pid, e);
	if (r < 0)
		return err_set(e, r, "lock %s/%s/%s", run_dir, folders[kind], name);
	/* Of an earlier keeper that was killed. */
	memlock_put_back_noted(ret->dir);
	r = pid_write(ret, "keeper", getpid());
	if (r < 0) {
		state_release(ret);
		return err_set(e, r, "write %s/%s/%s/keeper", run_dir, folders[kind], name);
	}
	return 0;
}

int state_claim(const char *run_dir, const char *name, struct state *ret, struct err *e)
{
	return kind_claim(STATE_GUEST, run_dir, name, ret, e);
}

int state_explain(int r, struct err *e)
{
	/* It is below that folder that an ordinary user's guests are. */
	if (r == -EACCES && !getenv("XDG_RUNTIME_DIR"))
		err_hint(e,
			"a guest without lent devices needs XDG_RUNTIME_DIR, which a login sets; "
			"one with them is root's");
	else if (r == -EACCES)
		err_hint(e, "root runs guests; one that root has saved, usherd starts: usher start "
			    "NAME");
	return r;
}

int state_claim_lease(const char *run_dir, const char *name, struct state *ret, struct err *e)
{
	return kind_claim(STATE_LEASE, run_dir, name, ret, e);
}

int state_engine(struct state *s, pid_t pid)
{
	return pid_write(s, "engine", pid);
}

/* Sockets and links of ports, which a keeper has left that was killed, or QEMU has made. */
static void ports_remove(const struct state *s)
{
	char path[FILE_PATH_MAX];
	const struct dirent *entry;
	cleanup_dir DIR *d = opendir(s->dir);

	while (d && (entry = readdir(d)))
		if (strncmp(entry->d_name, "port-", 5) == 0 &&
			file_path(path, sizeof(path), "%s/%s", s->dir, entry->d_name) == 0)
			(void)file_remove(path);
}

void state_release(struct state *s)
{
	static const char *const files[] = {"keeper", "engine", "socket", "control", MEMLOCK_FILE};
	char path[FILE_PATH_MAX];

	if (s->lock_fd < 0)
		return;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (file_path(path, sizeof(path), "%s/%s", s->dir, files[i]) == 0)
			(void)file_remove(path);
	}
	ports_remove(s);
	if (file_path(path, sizeof(path), "%s/" DISPLAY_FOLDER, s->dir) == 0)
		display_discard(path);
	if (file_path(path, sizeof(path), "%s/lock", s->dir) == 0)
		lockfile_drop(path, &s->lock_fd);
	/* Another keeper that is about to take this name makes the folder anew. */
	(void)rmdir(s->dir);
}

static unsigned kind_sweep(enum state_kind kind, const char *run_dir)
{
	char top[FILE_PATH_MAX], path[FILE_PATH_MAX];
	const struct dirent *entry;
	unsigned count = 0;

	if (file_path(top, sizeof(top), "%s/%s", run_dir, folders[kind]) < 0)
		return 0;
	cleanup_dir DIR *d = opendir(top);
	while (d && (entry = readdir(d))) {
		struct state left = {.kind = kind, .lock_fd = -1};
		if (entry->d_name[0] == '.' || folder_lock(run_dir, entry->d_name, &left, path) < 0)
			continue;
		memlock_put_back_noted(left.dir);
		state_release(&left);
		count++;
	}
	return count;
}

unsigned state_sweep(const char *run_dir)
{
	return kind_sweep(STATE_GUEST, run_dir) + kind_sweep(STATE_LEASE, run_dir);
}
