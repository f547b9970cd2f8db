/* SPDX-License-Identifier: MIT */
#include "program/cgroup.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CGROUP_PROCS "/sys/fs/cgroup/cgroup.procs"
#define PREFIX "usher-"
#define DEPTH_MAX 16 /* what systemd makes has fewer floors */
#define EMPTY_TRIES 200
#define EMPTY_PAUSE_NS 10000000

/* Our own folder, from "0::/user.slice/…": the program's use counts where usher's does. */
static int own_dir(struct cgroup_tree t, char *buf, size_t size)
{
	char text[FILE_PATH_MAX];

	int r = file_read(t.own, text, sizeof(text));
	if (r < 0)
		return r;
	if (strncmp(text, "0::/", 4) != 0)
		return -ENOENT;
	text[strcspn(text, "\n")] = '\0';
	/* The first cgroup is the folder itself. */
	return file_path(buf, size, "%s%s", t.top, text[4] ? text + 3 : "");
}

/* True for "usher-exec-PID" and "usher-run-PID" if process PID is gone: its keeper was killed. */
static bool is_left(const char *name)
{
	int pid;

	return (sscanf(name, PREFIX "exec-%d", &pid) == 1 ||
		       sscanf(name, PREFIX "run-%d", &pid) == 1) &&
	       kill(pid, 0) < 0 && errno == ESRCH;
}

/* The kernel refuses to remove a cgroup that has processes. */
static void sweep_folder(const char *top, unsigned depth)
{
	char path[FILE_PATH_MAX];
	const struct dirent *entry;

	cleanup_dir DIR *d = opendir(top);
	while (d && (entry = readdir(d))) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.' ||
			file_path(path, sizeof(path), "%s/%s", top, entry->d_name) < 0)
			continue;
		if (is_left(entry->d_name))
			(void)rmdir(path);
		else if (depth)
			sweep_folder(path, depth - 1);
	}
}

void cgroup_sweep(void)
{
	sweep_folder(CGROUP_HOST.top, DEPTH_MAX);
}

static int path_of(char path[FILE_PATH_MAX], const char *dir, const char *file)
{
	return file_path(path, FILE_PATH_MAX, "%s/%s", dir, file);
}

static bool has_text(const char *dir, const char *file, char *buf, size_t size)
{
	char path[FILE_PATH_MAX];

	return path_of(path, dir, file) == 0 && file_read(path, buf, size) >= 0;
}

/* Whether each word of @need is a word of the file. Return: NULL, or the first that is not. */
static const char *missing_word(const char *dir, const char *file, const char *need, char word[32])
{
	char text[1024], all[1024 + 2];
	char wanted[32 + 2];

	(void)snprintf(all, sizeof(all), " %s ",
		has_text(dir, file, text, sizeof(text)) ? (text[strcspn(text, "\n")] = '\0', text)
							: "");
	for (const char *at = need; *at; at += strspn(at, " ")) {
		size_t len = strcspn(at, " ");
		(void)snprintf(word, 32, "%.*s", (int)len, at);
		(void)snprintf(wanted, sizeof(wanted), " %s ", word);
		if (!strstr(all, wanted))
			return word;
		at += len;
	}
	return NULL;
}

/* The file is there, and does not begin with "max". */
static bool is_limited(const char *dir, const char *file)
{
	char text[64];

	return has_text(dir, file, text, sizeof(text)) && strncmp(text, "max", 3) != 0;
}

/*
 * The kernel gives controllers to the children of a cgroup without processes, and of the first one
 * of the host, which has no cgroup.type. Ref: cgroup-v2.rst, "No Internal Process Constraint"
 */
static bool takes_children(const char *dir, const char *need)
{
	char text[64], word[32];

	return !missing_word(dir, "cgroup.subtree_control", need, word) ||
	       !has_text(dir, "cgroup.type", text, sizeof(text)) ||
	       (has_text(dir, "cgroup.procs", text, sizeof(text)) && !text[0]);
}

static int find_from(const char *top, char *dir, const char *need, bool climb, struct err *e)
{
	char path[FILE_PATH_MAX], word[32];

	for (;; file_step_up(dir)) {
		const char *lacks = missing_word(dir, "cgroup.controllers", need, word);
		if (!lacks && takes_children(dir, need))
			break;
		if (is_limited(dir, "cpu.max") || is_limited(dir, "memory.max"))
			return err_say(e, -EBUSY,
				"usher's own cgroup %.200s has a limit, and a guest outside of it "
				"would be without",
				dir);
		if (climb && strcmp(dir, top) != 0)
			continue;
		if (lacks)
			return err_say(e, -ENOENT,
				"the cgroups of this host, version 2, have no controller '%s'",
				lacks);
		return err_say(e, -EBUSY,
			"%.200s has processes, so that the kernel limits no cgroup below it", dir);
	}
	if (path_of(path, dir, "cgroup.subtree_control") < 0 || access(path, W_OK) < 0 ||
		access(dir, W_OK) < 0) {
		const int r = err_set(e, -errno, "make a cgroup in %.200s", dir);
		if (r == -EACCES)
			err_hint(e, "be root, or have systemd give you one: systemd-run --user "
				    "--scope -p Delegate=yes usher …");
		return r;
	}
	return 0;
}

int cgroup_find(
	struct cgroup_tree t, const char *need, bool climb, struct cgroup_place *ret, struct err *e)
{
	char text[1024];

	if (has_text(t.top, "cgroup.controllers", text, sizeof(text)) &&
		own_dir(t, ret->dir, sizeof(ret->dir)) == 0)
		return find_from(t.top, ret->dir, need, climb, e);
	return err_say(
		e, -ENOENT, "limits need cgroups version 2 at %s, and this host has none", t.top);
}

int cgroup_enable(const struct cgroup_place *p, const char *controller, struct err *e)
{
	char path[FILE_PATH_MAX], word[32], text[40];

	if (!missing_word(p->dir, "cgroup.subtree_control", controller, word))
		return 0;
	(void)snprintf(text, sizeof(text), "+%s", controller);
	int r = path_of(path, p->dir, "cgroup.subtree_control");
	r = r < 0 ? r : file_write(path, text);
	return r < 0 ? err_set(e, r, "give cgroups in %.200s the controller '%s'", p->dir,
			       controller)
		     : 0;
}

/* @procs: its file of processes. */
static int dir_make(
	const struct cgroup_place *p, const char *name, struct cgroup *g, char procs[FILE_PATH_MAX])
{
	int r = file_path(g->dir, sizeof(g->dir), "%s/" PREFIX "%s", p->dir, name);
	if (r < 0)
		return r;
	r = path_of(procs, g->dir, "cgroup.procs");
	return r == 0 && mkdir(g->dir, 0755) < 0 && errno != EEXIST ? -errno : r;
}

int cgroup_make_at(
	const struct cgroup_place *p, const char *name, struct cgroup *ret, struct err *e)
{
	char path[FILE_PATH_MAX];

	*ret = CGROUP_NONE;
	sweep_folder(p->dir, 0);
	int r = dir_make(p, name, ret, path);
	if (r < 0) {
		ret->dir[0] = '\0';
		return err_set(e, r, "make a cgroup in %.200s", p->dir);
	}
	ret->procs_fd = open(path, O_WRONLY | O_CLOEXEC);
	if (ret->procs_fd >= 0)
		return 0;
	r = err_set(e, -errno, "open %.200s", path);
	cgroup_remove(ret);
	return r;
}

int cgroup_set(const struct cgroup *g, const char *file, const char *value, struct err *e)
{
	char path[FILE_PATH_MAX];

	int r = path_of(path, g->dir, file);
	r = r < 0 ? r : file_write(path, value);
	return r < 0 ? err_set(e, r, "write %s into %.200s/%s", value, g->dir, file) : 0;
}

uint64_t cgroup_kills(const struct cgroup *g)
{
	static const char key[] = "oom_kill ";
	char text[1024] = "\n";

	if (!g->dir[0] || !has_text(g->dir, "memory.events", text + 1, sizeof(text) - 1))
		return 0;
	for (const char *at = strstr(text, key); at; at = strstr(at + 1, key))
		if (at[-1] == '\n')
			return strtoull(at + sizeof(key) - 1, NULL, 10);
	return 0;
}

/* In our own cgroup, without controllers: only so that nothing of the program stays. */
void cgroup_make(const char *name, struct cgroup *ret)
{
	struct cgroup_place own;
	struct err none = {0};

	*ret = CGROUP_NONE;
	if (access(CGROUP_PROCS, W_OK) == 0 && own_dir(CGROUP_HOST, own.dir, sizeof(own.dir)) == 0)
		(void)cgroup_make_at(&own, name, ret, &none);
}

void cgroup_remove(struct cgroup *g)
{
	const struct timespec pause = {.tv_nsec = EMPTY_PAUSE_NS};
	char path[FILE_PATH_MAX];

	if (!g->dir[0])
		return;
	fd_close(&g->procs_fd);
	/* Linux 5.14. Otherwise the end of the namespace has killed them already. */
	if (file_path(path, sizeof(path), "%s/cgroup.kill", g->dir) == 0)
		(void)file_write(path, "1");
	for (unsigned i = 0; i < EMPTY_TRIES && rmdir(g->dir) < 0 && errno == EBUSY; i++)
		(void)nanosleep(&pause, NULL);
	*g = CGROUP_NONE;
}
