/* SPDX-License-Identifier: MIT */
#include "engine/share.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/file.h"
#include "base/num.h"
#include "engine/backend.h"
#include "engine/spec.h"
#include "program/process.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define SERVER "virtiofsd"

static bool tag_is_plain(const char *tag)
{
	for (const char *c = tag; *c; c++)
		if (*c <= 0x20 || *c > 0x7e || *c == '/')
			return false;
	return tag[0];
}

static int tag_parse(const char *text, struct guest_share *s, struct err *e)
{
	if (!tag_is_plain(text) || strlen(text) > SHARE_TAG_MAX)
		return err_say(e, -EINVAL,
			"--share: tag=%.60s: 1 to %d printable characters without '/' and spaces",
			text, SHARE_TAG_MAX);
	(void)snprintf(s->tag, sizeof(s->tag), "%s", text);
	return 0;
}

/* The last component of the path. */
static int tag_derive(struct guest_share *s, struct err *e)
{
	char path[SHARE_PATH_MAX];
	size_t len = (size_t)snprintf(path, sizeof(path), "%s", s->path);

	while (len > 1 && path[len - 1] == '/')
		path[--len] = '\0';
	const char *name = file_base(path);
	if (tag_is_plain(name) && strlen(name) <= SHARE_TAG_MAX && name[0] != '.') {
		(void)snprintf(s->tag, sizeof(s->tag), "%s", name);
		return 0;
	}
	err_say(e, -EINVAL, "--share: '%s' makes no tag", s->path);
	err_hint(e, "say by which word the guest mounts it: --share %s,tag=share", s->path);
	return -EINVAL;
}

static int key_parse(const char *key, struct guest_share *s, struct err *e)
{
	if (strcmp(key, "ro") == 0) {
		s->readonly = true;
		return 0;
	}
	if (strncmp(key, "tag=", 4) == 0)
		return tag_parse(key + 4, s, e);
	err_say(e, -EINVAL, "--share: unknown key '%s'", key);
	err_hint(e, "keys: tag=TEXT, ro; a path cannot have a comma");
	return -EINVAL;
}

int share_parse(const char *text, struct guest_share *ret, struct err *e)
{
	struct guest_share s = {0};
	char copy[SHARE_PATH_MAX + 128];
	char *rest = copy;
	int r = 0;

	if ((size_t)snprintf(copy, sizeof(copy), "%s", text) >= sizeof(copy))
		return err_say(e, -EINVAL, "--share: '%.40s…' is too long", text);
	const char *path = strsep(&rest, ",");
	if (!path[0] || strlen(path) >= sizeof(s.path))
		return err_say(e, -EINVAL, "--share: '%.40s' is not a folder's path", path);
	(void)snprintf(s.path, sizeof(s.path), "%s", path);
	while (r == 0 && rest)
		r = key_parse(strsep(&rest, ","), &s, e);
	if (r == 0 && !s.tag[0])
		r = tag_derive(&s, e);
	if (r == 0)
		*ret = s;
	return r;
}

/* Where distributions have it: it is in no PATH. */
struct share_server share_server_find(void)
{
	static const struct share_server servers[] = {{"/usr/libexec/virtiofsd", false},
		{"/usr/lib/virtiofsd", false}, {"/usr/lib/qemu/virtiofsd", true}};

	for (size_t i = 0; i < COUNT(servers); i++)
		if (access(servers[i].path, X_OK) == 0)
			return servers[i];
	return (struct share_server){0};
}

static int server_check(struct err *e)
{
	const struct share_server server = share_server_find();

	if (!server.path) {
		err_say(e, -ENOENT, "--share: " SERVER " is not installed");
		err_hint(e, "install it: package virtiofsd; of Debian 12, qemu-system-common");
		return -ENOENT;
	}
	if (!server.is_of_qemu || geteuid() == 0)
		return 0;
	return err_say(
		e, -EINVAL, "--share: %s confines itself, and only root can do that", server.path);
}

/* Its path goes to the server, which has words of its own in such a text. */
static int folder_find(const struct guest_share *s, char path[PATH_MAX], struct err *e)
{
	struct stat st;

	if (!realpath(s->path, path) || stat(path, &st) < 0) {
		(void)err_set(e, -errno, "--share: find '%s'", s->path);
		return -EINVAL;
	}
	if (!S_ISDIR(st.st_mode))
		return err_say(e, -EINVAL, "--share: '%s' is not a folder", s->path);
	if (strpbrk(path, ",\\"))
		return err_say(e, -EINVAL,
			"--share: '%s': " SERVER " takes no path with a comma or a backslash",
			s->path);
	return 0;
}

int share_check(const struct guest_spec *s, struct err *e)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < s->virtio_count; i++) {
		const struct guest_virtio *v = &s->virtio[i];
		if (v->type != GUEST_VIRTIO_FS)
			continue;
		int r = server_check(e);
		if (r == 0)
			r = folder_find(&v->share, path, e);
		if (r < 0)
			return r;
		for (size_t k = 0; k < i; k++)
			if (s->virtio[k].type == GUEST_VIRTIO_FS &&
				strcmp(s->virtio[k].share.tag, v->share.tag) == 0)
				return err_say(
					e, -EINVAL, "--share: two have the tag '%s'", v->share.tag);
	}
	return 0;
}

/*
 * QEMU's server knows no such option: it gets a folder that is read-only in a mount namespace of
 * its own. Context: between fork and exec.
 */
static int folder_protect(const void *path)
{
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0 ||
		mount(path, path, NULL, MS_BIND | MS_REC, NULL) < 0 ||
		mount_setattr(AT_FDCWD, path, AT_RECURSIVE, &attr, sizeof(attr)) < 0)
		return -errno;
	return 0;
}

static void describe_of_qemu(
	struct program *p, const struct guest_share *s, const char *path, int fd)
{
	program_arg(p, "--fd=%d", fd);
	program_word(p, "-f");
	program_word(p, "-o");
	program_arg(p, "source=%s,sandbox=namespace,log_level=err,modcaps=-mknod", path);
	if (!s->readonly)
		return;
	p->enter = folder_protect;
	p->enter_arg = path;
}

static void describe_rust(struct program *p, const struct guest_share *s, const char *path, int fd)
{
	program_arg(p, "--fd=%d", fd);
	program_arg(p, "--shared-dir=%s", path);
	program_word(p, "--sandbox=namespace");
	/* A guest makes no device nodes on the host. */
	program_word(p, "--modcaps=-mknod");
	program_word(p, "--log-level=error");
	if (s->readonly)
		program_word(p, "--readonly");
}

void share_describe(struct program *p, const struct share_server *server,
	const struct guest_share *s, const char *path, int listener)
{
	program_word(p, server->path);
	if (server->is_of_qemu)
		describe_of_qemu(p, s, path, listener);
	else
		describe_rust(p, s, path, listener);
	program_dir(p, "/");
}

int share_start(struct backend *b, const struct guest_share *s, const char *run_dir,
	const struct cgroup *cgroup, struct err *e)
{
	const struct share_server server = share_server_find();
	cleanup_free struct program *program = calloc(1, sizeof(*program));
	char path[PATH_MAX];

	*b = BACKEND_NONE;
	if (!program)
		return err_set(e, -ENOMEM, "start " SERVER);
	int r = server_check(e);
	if (r < 0)
		return r;
	r = folder_find(s, path, e);
	if (r < 0)
		return r;
	r = backend_open(b, SERVER, run_dir, e);
	if (r < 0)
		return r;
	share_describe(program, &server, s, path, b->listener);
	program->cgroup = cgroup;
	return backend_start(b, program, e);
}
