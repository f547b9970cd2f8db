/* SPDX-License-Identifier: MIT */
#include "engine/vsock.h"

#include "base/bits.h"
#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/num.h"
#include "engine/backend.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/vhost.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define VSOCK_PATH "/dev/vhost-vsock"
#define PATH_MOST (SPEC_SOCKET_MAX - 1 - 11) /* of a path: "_" and a port follow in others */
#define WAITING 16 /* connections that usher-vmm has not taken yet */
/* Set in each address that follows from a name: people choose small numbers. */
#define DERIVED BIT64(30)

/* @path: behind "socket": "", or "=PATH". */
static int socket_parse(struct guest_spec *s, const char *path, struct err *e)
{
	s->vsock_listens = true;
	if (!path[0])
		return 0;
	if (path[0] != '=' || !path[1])
		return err_say(e, -EINVAL, "--vsock: 'socket%s': say socket=PATH", path);
	if (strlen(path + 1) > PATH_MOST)
		return err_say(e, -EINVAL, "--vsock: the path of socket= has more than %d bytes",
			PATH_MOST);
	(void)snprintf(s->vsock_path, sizeof(s->vsock_path), "%s", path + 1);
	return 0;
}

static int word_parse(struct guest_spec *s, const char *word, struct err *e)
{
	if (strncmp(word, "socket", 6) == 0)
		return socket_parse(s, word + 6, e);
	if (num_parse(word, 10, VSOCK_CID_MAX, &s->vsock_cid) == 0 && s->vsock_cid >= VSOCK_CID_MIN)
		return 0;
	(void)err_say(e, -EINVAL, "--vsock: '%s' is not a number from %d to %" PRIu32, word,
		VSOCK_CID_MIN, VSOCK_CID_MAX);
	err_hint(e, "it takes the guest's CID, and 'socket' or 'socket=PATH'; a path cannot have a "
		    "comma");
	return -EINVAL;
}

int vsock_parse(struct guest_spec *s, const char *text, struct err *e)
{
	char copy[SPEC_SOCKET_MAX + 64];
	char *rest = copy;
	int r = 0;

	s->vsock = true;
	s->vsock_cid = 0;
	s->vsock_listens = false;
	s->vsock_path[0] = '\0';
	if (!text)
		return 0;
	if ((size_t)snprintf(copy, sizeof(copy), "%s", text) >= sizeof(copy))
		return err_say(e, -EINVAL, "--vsock: '%.40s…' is too long", text);
	while (r == 0 && rest)
		r = word_parse(s, strsep(&rest, ","), e);
	return r;
}

static uint64_t cid_derive(const char *name)
{
	uint32_t hash = 0x811c9dc5;

	for (const char *c = name; *c; c++)
		hash = (hash ^ (uint8_t)*c) * 0x01000193;
	return DERIVED | (hash & (DERIVED - 1));
}

int vsock_add(struct guest_spec *s, struct err *e)
{
	const struct guest_virtio v = {.type = GUEST_VIRTIO_VSOCK,
		.cid = s->vsock_cid ? s->vsock_cid : cid_derive(s->name)};

	return s->vsock ? spec_add_virtio(s, &v, e) : 0;
}

int vsock_check(const struct guest_spec *s, struct err *e)
{
	if (!s->vsock)
		return 0;
	if (s->vsock_listens)
		return s->vsock_path[0] ? port_check_socket("--vsock", s->vsock_path, e) : 0;
	if (access(VSOCK_PATH, R_OK | W_OK) == 0)
		return 0;
	int r = -errno;
	(void)err_say(
		e, r, "--vsock: this host has no " VSOCK_PATH "%s", r == -EACCES ? " for you" : "");
	err_hint(e, r == -EACCES ? "be root or a member of the group 'kvm'; or use unix sockets: "
				   "--vsock=socket"
				 : "load its module: modprobe vhost_vsock; or use unix sockets: "
				   "--vsock=socket");
	return r;
}

int vsock_path(const struct guest_spec *s, const char *run_dir, char *ret, size_t size)
{
	const int n = s->vsock_path[0] ? snprintf(ret, size, "%s", s->vsock_path)
				       : snprintf(ret, size, "%s/vm/%s/vsock", run_dir, s->name);

	return n < 0 || (size_t)n >= size || n > PATH_MOST ? -ENAMETOOLONG : 0;
}

static int ports_open(const char *path, struct vsock_ports *ret, struct err *e)
{
	char folder[SPEC_SOCKET_MAX];
	const char *name = file_base(path);

	int r = file_path(folder, sizeof(folder), "%.*s.", (int)(name - path), path);
	if (r < 0)
		return err_set(e, r, "--vsock: find the folder of '%s'", path);
	const int fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_set(e, -errno, "--vsock: open the folder of '%s'", path);
	ret->folder = fd;
	(void)snprintf(ret->name, sizeof(ret->name), "%s", name);
	return 0;
}

int vsock_listen(const struct guest_spec *s, const char *run_dir, struct port *ret,
	struct vsock_ports *ret_ports, struct err *e)
{
	char path[SPEC_SOCKET_MAX];

	if (vsock_path(s, run_dir, path, sizeof(path)) < 0)
		return err_say(e, -EINVAL, "--vsock: the path of its socket is too long");
	int r = port_listen("--vsock", path, WAITING, ret, e);
	if (r >= 0)
		r = ports_open(path, ret_ports, e);
	if (r >= 0)
		return TAKE_FD(ret->fd);
	port_close(ret);
	return r;
}

void vsock_ports_close(struct vsock_ports *p)
{
	fd_close(&p->folder);
}

int vsock_dial(const struct vsock_ports *p, uint32_t port)
{
	char name[SPEC_SOCKET_MAX];

	if (p->folder < 0)
		return -ENODEV;
	int r = file_path(name, sizeof(name), "%s_%" PRIu32, p->name, port);
	return r < 0 ? r : backend_dial(p->folder, name);
}

int vsock_open(uint64_t cid, struct err *e)
{
	cleanup_fd int fd = open(VSOCK_PATH, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return err_set(e, -errno, "open " VSOCK_PATH);
	if (ioctl(fd, VHOST_VSOCK_SET_GUEST_CID, &cid) == 0)
		return TAKE_FD(fd);
	int r = -errno;
	if (r != -EADDRINUSE)
		return err_set(e, r, "give the guest the CID %" PRIu64, cid);
	(void)err_say(e, r, "--vsock: another guest has the CID %" PRIu64, cid);
	err_hint(e, "give this one another: --vsock=%" PRIu64,
		cid < VSOCK_CID_MAX ? cid + 1 : VSOCK_CID_MIN);
	return r;
}
