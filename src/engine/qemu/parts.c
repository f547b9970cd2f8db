/* SPDX-License-Identifier: MIT */
#include "engine/qemu/parts.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "bind/bind.h"
#include "engine/defaults.h"
#include "engine/disk/image.h"
#include "engine/engine.h"
#include "engine/files.h"
#include "engine/firmware.h"
#include "engine/inherited.h"
#include "engine/net.h"
#include "engine/qemu/backend.h"
#include "engine/qemu/board.h"
#include "engine/qemu/console.h"
#include "engine/qemu/translator.h"
#include "engine/share.h"
#include "engine/usb.h"
#include "engine/vsock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES_MOST 96 /* of descriptors that QEMU inherits (PROCESS_FDS_MAX) */

void qemu_parts_init(struct qemu_parts *p)
{
	*p = (struct qemu_parts){.kernel = -1,
		.iommu = -1,
		.initrd = -1,
		.vsock = -1,
		.variables = -1,
		.tpm = -1,
		.monitor = -1,
		.console = -1,
		.console_orders = -1,
		.display = -1};
	for (size_t i = 0; i < COUNT(p->usb); i++)
		p->usb[i] = -1;
	for (size_t i = 0; i < COUNT(p->roms); i++)
		p->roms[i] = p->devices[i] = -1;
	for (size_t i = 0; i < COUNT(p->ports); i++)
		p->ports[i] = -1;
	for (size_t i = 0; i < COUNT(p->disks); i++) {
		p->disks[i].fd = -1;
		p->nets[i].passt = -1;
		p->shares[i] = -1;
	}
}

/* QEMU inherits @fd; engine_finish() closes it here. */
static int give_fd(struct engine_run *run, int fd)
{
	(void)inherited_add(run, fd);
	program_fd(&run->program, fd);
	return fd;
}

int qemu_parts_devices(const struct bind_env *env, const struct guest_spec *s,
	struct engine_run *run, struct qemu_parts *ret, struct err *e)
{
	int r = qemu_backend_open(env, s, &ret->iommu, ret->devices, e);

	if (r <= 0)
		return r;
	(void)give_fd(run, ret->iommu);
	for (size_t i = 0; i < s->device_count; i++)
		(void)give_fd(run, ret->devices[i]);
	return 0;
}

/* QEMU opens the file anew, by /proc/self/fd, and its user may not read that of the caller. */
static int file_copy(int from, struct err *e)
{
	cleanup_fd int to = memfd_create("usher", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct stat st;
	off_t at = 0;

	if (to < 0 || fstat(from, &st) < 0)
		return err_set(e, -errno, "copy a file of the guest");
	while (at < st.st_size) {
		ssize_t n = sendfile(to, from, &at, (size_t)(st.st_size - at));
		if (n == 0 || (n < 0 && errno != EINTR))
			return err_set(e, n ? -errno : -EIO, "copy a file of the guest");
	}
	if (fcntl(to, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
		return err_set(e, -errno, "seal a file of the guest");
	return TAKE_FD(to);
}

/* *@fd: open for usher; -1: QEMU finds no such file, or opens its path. */
static int give_file(struct engine_run *run, int *fd, int *ret, struct err *e)
{
	struct stat st;

	if (*fd < 0)
		return 0;
	if (fstat(*fd, &st) < 0)
		return err_set(e, -errno, "read a file of the guest");
	int to = st.st_mode & S_IROTH ? TAKE_FD(*fd) : file_copy(*fd, e);
	if (to < 0)
		return to;
	*ret = give_fd(run, to);
	return 0;
}

static int open_files(
	const struct guest_spec *s, struct engine_run *run, struct qemu_parts *parts, struct err *e)
{
	struct guest_files *f = s->files;

	if (!f)
		return 0;
	int r = give_file(run, &f->kernel.fd, &parts->kernel, e);
	if (r == 0)
		r = give_file(run, &f->initrd, &parts->initrd, e);
	for (size_t i = 0; r == 0 && i < s->device_count; i++)
		r = give_file(run, &f->roms[i], &parts->roms[i], e);
	return r;
}

/* The claims stay open in QEMU. */
static int open_image(const char *path, struct disk_image *image, struct engine_run *run,
	struct qemu_disk *ret, struct err *e)
{
	const struct image_chain *c = &image->chain;
	struct stat st;

	*ret = (struct qemu_disk){.fd = -1};
	if (run->given_count + c->count > FILES_MOST)
		return err_say(
			e, -E2BIG, "--disk: '%s': the guest's images have too many files", path);
	for (size_t n = 0; n < c->count; n++) {
		const struct image_format *known = image_format_find(c->parts[n].format);
		struct qemu_file *f = &ret->files[ret->file_count++];
		f->is_block = fstat(image->claims[n], &st) == 0 && S_ISBLK(st.st_mode);
		f->direct = image->direct[n];
		f->has_backing = known && known->has_backing;
		(void)snprintf(f->format, sizeof(f->format), "%s", c->parts[n].format);
		f->fd = give_fd(run, TAKE_FD(image->claims[n]));
	}
	return 0;
}

static int open_disk(const struct guest_spec *s, size_t i, struct engine_run *run,
	struct qemu_disk *ret, struct err *e)
{
	struct disk own = DISK_NONE, *d = s->files ? &s->files->disks[i] : &own;
	struct stat st;

	int r = d->fd < 0 ? disk_open(&s->virtio[i].disk, d, e) : 0;
	if (r < 0)
		return r;
	if (d->image) {
		r = open_image(s->virtio[i].disk.path, d->image, run, ret, e);
		disk_close(d);
		return r;
	}
	if (fstat(d->fd, &st) < 0) {
		r = err_set(e, -errno, "--disk: '%s'", s->virtio[i].disk.path);
		disk_close(d);
		return r;
	}
	*ret = (struct qemu_disk){.direct = d->direct, .is_block = S_ISBLK(st.st_mode)};
	ret->fd = give_fd(run, TAKE_FD(d->fd));
	return 0;
}

static int open_tap(
	const struct guest_net *n, struct engine_run *run, struct qemu_net *ret, struct err *e)
{
	while (ret->count < n->queues) {
		int fd = net_open_tap(n, ret->count == 0, e);
		if (fd < 0)
			return fd;
		ret->vhosts[ret->count] = -1;
		ret->fds[ret->count] = give_fd(run, fd);
		if (net_wants_vhost(n)) {
			fd = net_open_vhost(e);
			if (fd < 0)
				return fd;
			ret->vhosts[ret->count] = give_fd(run, fd);
		}
		ret->count++;
	}
	return 0;
}

static int open_net(const struct bind_env *env, const struct guest_net *n, struct engine_run *run,
	struct qemu_net *ret, struct err *e)
{
	if (n->tap[0])
		return open_tap(n, run, ret, e);
	cleanup_fd int fd = passt_start(&run->passt, n, env->state, e);
	if (fd < 0)
		return fd;
	int r = passt_await(&run->passt, e);
	if (r < 0)
		return r;
	ret->passt = give_fd(run, TAKE_FD(fd));
	return 0;
}

static int open_vsock(uint64_t cid, struct engine_run *run, struct qemu_parts *ret, struct err *e)
{
	int fd = vsock_open(cid, e);

	if (fd < 0)
		return fd;
	ret->vsock = give_fd(run, fd);
	return 0;
}

/* backend_await() asks whether it serves. */
static int open_share(const struct bind_env *env, const struct guest_share *s,
	struct engine_run *run, int *ret, struct err *e)
{
	struct backend *b = &run->backends.list[run->backends.count++];

	int r = share_start(b, s, env->state, &run->cgroup, e);
	if (r == 0)
		*ret = give_fd(run, b->end);
	return r;
}

/* A default never prevents a guest that runs without it. */
static void net_leave_out(struct engine_run *run, struct qemu_net *ret, struct err *e)
{
	err_say(&run->missing, e->code, "the guest has no network: %s", e->msg);
	err_hint(&run->missing, "leave it out with --net none");
	*e = (struct err){0};
	passt_stop(&run->passt);
	ret->left_out = true;
}

static int open_virtio(const struct bind_env *env, const struct guest_spec *s, size_t i,
	struct engine_run *run, struct qemu_parts *ret, struct err *e)
{
	const struct guest_virtio *v = &s->virtio[i];

	if (v->type == GUEST_VIRTIO_BLK)
		return open_disk(s, i, run, &ret->disks[i], e);
	if (v->type == GUEST_VIRTIO_VSOCK)
		return open_vsock(v->cid, run, ret, e);
	if (v->type == GUEST_VIRTIO_FS)
		return open_share(env, &v->share, run, &ret->shares[i], e);
	int r = v->type == GUEST_VIRTIO_NET ? open_net(env, &v->net, run, &ret->nets[i], e) : 0;
	if (r == 0 || !v->net.is_default)
		return r;
	net_leave_out(run, &ret->nets[i], e);
	return 0;
}

/* A pseudo terminal is QEMU's own. What is made at a path here goes in engine_ended(). */
static int open_port(const struct bind_env *env, const struct guest_spec *s, size_t i,
	struct engine_run *run, struct qemu_parts *parts, struct err *e)
{
	struct port *o = &run->ports[i];
	char path[PORT_PATH_MAX];

	run->port_count++;
	*o = PORT_OPEN_NONE;
	if (s->ports[i].kind == GUEST_PORT_PTY)
		return 0;
	if (port_path(&s->ports[i], env->state, s->name, path, sizeof(path)) < 0)
		return err_say(e, -EINVAL, "--port: '%s': its path is too long", s->ports[i].name);
	int r = port_open(&s->ports[i], path, o, e);
	if (r == 0 && o->fd >= 0)
		parts->ports[i] = give_fd(run, TAKE_FD(o->fd));
	return r;
}

static int open_firmware(
	const struct guest_spec *s, struct engine_run *run, struct qemu_parts *ret, struct err *e)
{
	struct firmware f;

	int r = firmware_open(s->firmware, s->name, &f, e);
	if (r < 0 || f.variables < 0)
		return r;
	ret->firmware = f.code;
	ret->variables = give_fd(run, f.variables);
	return 0;
}

static int open_tpm(const struct bind_env *env, const struct guest_spec *s, struct engine_run *run,
	struct qemu_parts *ret, struct err *e)
{
	int fd = s->tpm ? tpm_start(&run->tpm, s->name, env->state, e) : -1;

	if (!s->tpm || fd < 0)
		return s->tpm ? fd : 0;
	ret->tpm = give_fd(run, fd);
	return 0;
}

/* What not each guest has. */
static int open_extras(const struct bind_env *env, const struct guest_spec *s,
	struct engine_run *run, struct qemu_parts *ret, struct err *e)
{
	int r = open_firmware(s, run, ret, e);
	if (r < 0)
		return r;
	r = open_tpm(env, s, run, ret, e);
	if (r < 0)
		return r;
	if (s->display.kind != GUEST_DISPLAY_NONE) {
		r = display_open(env->state, s->name, run->uid.uid, &run->display, e);
		if (r < 0)
			return r;
		ret->display = give_fd(run, TAKE_FD(run->display.fd));
	}
	for (size_t i = 0; i < s->usb_count; i++) {
		int fd = usb_open(&s->usb[i], &run->usb, e);
		if (fd < 0)
			return fd;
		ret->usb[i] = give_fd(run, fd);
	}
	return 0;
}

/* With a machine of its own, a caller's words say where the console is, too. */
static int open_console(
	const struct guest_spec *s, struct engine_run *run, struct qemu_parts *ret, struct err *e)
{
	if (!qemu_board_has_console(s))
		return 0;
	int fd = console_start(run, &ret->console_orders, e);
	if (fd < 0)
		return fd;
	ret->console = give_fd(run, fd);
	return 0;
}

/* The words of a caller's own machine are the caller's: usher adds none to a kernel's. */
static int describe_cmdline(const struct guest_spec *s, struct qemu_parts *parts, struct err *e)
{
	if (qemu_board_is_ours(s))
		return defaults_cmdline(s, s->files, parts->cmdline, sizeof(parts->cmdline), e);
	(void)snprintf(parts->cmdline, sizeof(parts->cmdline), "%s", s->cmdline ? s->cmdline : "");
	return 0;
}

int qemu_parts_open(const struct bind_env *env, const struct guest_spec *s, struct engine_run *run,
	struct qemu_parts *ret, struct err *e)
{
	int r = describe_cmdline(s, ret, e);
	if (r < 0)
		return r;
	r = open_extras(env, s, run, ret, e);
	if (r < 0)
		return r;
	r = open_files(s, run, ret, e);
	for (size_t i = 0; r == 0 && i < s->virtio_count; i++)
		r = open_virtio(env, s, i, run, ret, e);
	for (size_t i = 0; r == 0 && i < s->port_count; i++)
		r = open_port(env, s, i, run, ret, e);
	for (size_t i = 0; r == 0 && i < run->backends.count; i++)
		r = backend_await(&run->backends.list[i], e);
	if (r < 0)
		return r;
	r = open_console(s, run, ret, e);
	if (r < 0)
		return r;
	r = translator_start(run, s, ret, e);
	fd_close(&ret->console_orders);
	if (r < 0)
		return r;
	ret->monitor = give_fd(run, r);
	return 0;
}
