/* SPDX-License-Identifier: MIT */
/*
 * lib_token PF: a physical function on vfio-pci makes a virtual one, and who opens that has to know
 * the token that the PF's user has set. Module vfio-pci with enable_sriov.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <string.h>
#include <unistd.h>

#include "facts.h"

static const uint8_t token[16] = {0x8b, 0x1c, 0x3d, 0x5e, 0x21, 0x43, 0x4a, 0x65, 0x87, 0xa9, 0xcb,
	0xed, 0x0f, 0x21, 0x43, 0x65};
#define TOKEN "8b1c3d5e-2143-4a65-87a9-cbed0f214365"
#define WRONG "8b1c3d5e-2143-4a65-87a9-cbed0f214366"

static int set_vfs(const char *pf, const char *count)
{
	char path[96];

	(void)snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/sriov_numvfs", pf);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int r = fd < 0 || write(fd, count, strlen(count)) < 0 ? -errno : 0;
	if (fd >= 0)
		(void)close(fd);
	return r;
}

static int find_vf(const char *pf, char ret[32])
{
	char path[96], target[PATH_MAX];

	(void)snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/virtfn0", pf);
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return -errno;
	target[n] = '\0';
	const char *name = strrchr(target, '/');
	(void)snprintf(ret, 32, "%.31s", name ? name + 1 : target);
	return 0;
}

static void open_vf(const char *vf)
{
	struct usher_device *d = NULL;
	char uri[128];

	(void)snprintf(uri, sizeof(uri), "pci:%s", vf);
	fact(usher_device_open(uri, NULL, &d, &e) == -EACCES, "the VF without the token: EACCES");
	(void)snprintf(uri, sizeof(uri), "pci:%s,vf_token=" WRONG, vf);
	fact(usher_device_open(uri, NULL, &d, &e) == -EACCES, "with another token: EACCES");
	fact(e.msg[0] || !d, "nothing was opened");
	(void)snprintf(uri, sizeof(uri), "pci:%s,vf_token=" TOKEN, vf);
	d = open_uri(uri, NULL);
	fact(!usher_device_can(d, USHER_CAN_VF_TOKEN), "a VF has no tokens to set");
	usher_device_close(d);
}

int main(int argc, char **argv)
{
	char vf[32] = "";

	if (argc != 2)
		return 2;
	struct usher_device *pf = open_device(argv[1], NULL);
	fact(usher_device_can(pf, USHER_CAN_VF_TOKEN), "the PF can protect its VFs");
	fact(usher_device_set_vf_token(pf, token, &e) == 0, "by a token");
	fact(set_vfs(argv[1], "1") == 0 && find_vf(argv[1], vf) == 0, "it has a VF");
	if (vf[0])
		open_vf(vf);
	fact(set_vfs(argv[1], "0") == 0, "the VF goes");
	usher_device_close(pf);
	fact(1, "closed in order");
	return failed;
}
