/* SPDX-License-Identifier: MIT */
#include "engine/vsock.h"

#include "base/bits.h"
#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/vhost.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define VSOCK_PATH "/dev/vhost-vsock"
/* Set in each address that follows from a name: people choose small numbers. */
#define DERIVED BIT64(30)

int vsock_parse(struct guest_spec *s, const char *text, struct err *e)
{
	uint64_t cid = 0;

	if (text && (num_parse(text, 10, VSOCK_CID_MAX, &cid) < 0 || cid < VSOCK_CID_MIN))
		return err_say(e, -EINVAL, "--vsock: '%s' is not a number from %d to %" PRIu32,
			text, VSOCK_CID_MIN, VSOCK_CID_MAX);
	s->vsock = true;
	s->vsock_cid = cid;
	return 0;
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
	if (!s->vsock || access(VSOCK_PATH, R_OK | W_OK) == 0)
		return 0;
	int r = -errno;
	(void)err_say(
		e, r, "--vsock: this host has no " VSOCK_PATH "%s", r == -EACCES ? " for you" : "");
	err_hint(e, r == -EACCES ? "be root or a member of the group 'kvm'"
				 : "load its module: modprobe vhost_vsock");
	return r;
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
