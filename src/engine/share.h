/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_SHARE_H
#define ENGINE_SHARE_H

#include <stdbool.h>

struct backend;
struct cgroup;
struct err;
struct guest_spec;
struct program;

#define SHARE_PATH_MAX 512 /* with the NUL */
#define SHARE_TAG_MAX 36 /* [bytes]: virtio 1.2, 5.11.4 */

/* A folder of the host that a guest mounts, as --share describes it. */
struct guest_share {
	char path[SHARE_PATH_MAX];
	char tag[SHARE_TAG_MAX + 1]; /* by which the guest mounts it */
	bool readonly;
};

/* "DIR[,tag=TEXT][,ro]", as --share takes it. Return: 0, -EINVAL. */
int share_parse(const char *text, struct guest_share *ret, struct err *e);

/* Whether this host has what the shares of @s need. Return: 0, -EINVAL, -ENOENT. */
int share_check(const struct guest_spec *s, struct err *e);

/*
 * virtiofsd, which serves shared folders: that of QEMU, which confines itself and needs root for
 * that, or the later one in Rust, which an ordinary user can run.
 */
struct share_server {
	const char *path; /* NULL: none is installed */
	bool is_of_qemu;
};

struct share_server share_server_find(void);

/* The command line of @server for @s, whose folder is @path; both outlive @p. */
void share_describe(struct program *p, const struct share_server *server,
	const struct guest_share *s, const char *path, int listener);

/*
 * Starts a server of @s. @run_dir: BIND_STATE_DIR. @cgroup: the guest's, or NULL.
 * Return: 0, -ENOENT, -errno; backend_stop() in any case.
 */
int share_start(struct backend *b, const struct guest_share *s, const char *run_dir,
	const struct cgroup *cgroup, struct err *e);

#endif
