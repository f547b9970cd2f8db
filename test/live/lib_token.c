/* SPDX-License-Identifier: MIT */
/*
 * lib_token PF: a physical function on vfio-pci makes a virtual one. A process that opens that must
 * give the token that the user of the PF has set. Needs module vfio-pci with enable_sriov.
 */
#include "facts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <linux/pci_regs.h>
#include <string.h>
#include <unistd.h>
#include <usher/region.h>

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

#define NVME_CC 0x14 /* NVMe 1.4 §3.1.5: 0 after a reset */
#define MARK 0x00460000u /* sizes of queue entries; not enabled */

static uint32_t register_of(struct usher_device *d)
{
	uint32_t v = UINT32_MAX;

	(void)usher_region_read(d, USHER_BAR(0), NVME_CC, &v, sizeof(v));
	return v;
}

/* The VF is in a group of its own on the same bus: a reset of it needs both groups. */
static void reset_bus(struct usher_device *pf, const char *vf)
{
	const uint32_t mark = MARK;
	struct usher_dependent list[8];
	uint32_t command = 0;
	char uri[128];
	int n = usher_device_dependents(pf, list, 8, &e), at = -1;

	for (int i = 0; i < n && i < 8; i++)
		if (strcmp(list[i].address, vf) == 0)
			at = i;
	fact(at >= 0 && !list[at].owned && list[at].group != usher_device_query(pf)->group,
		"a reset of its bus hits the VF, whose group is not ours");
	fact(usher_device_master_on(pf, &e) == 0 &&
			usher_region_write(pf, USHER_BAR(0), NVME_CC, &mark, sizeof(mark)) == 0,
		"the PF works");
	int r = usher_device_hot_reset(pf, &e);
	printf("%s\nhint: %s\n", e.msg, e.hint);
	fact(r == -EPERM && strstr(e.msg, vf) && strstr(e.hint, "attach group"),
		"refused: EPERM, and why");
	fact(usher_config_read(pf, PCI_COMMAND, 2, &command) == 0 && command & PCI_COMMAND_MASTER &&
			register_of(pf) == MARK,
		"and the PF works on");
	(void)snprintf(uri, sizeof(uri), "pci:%s,vf_token=" TOKEN, vf);
	struct usher_device *d = open_uri(uri, usher_device_space(pf));
	struct usher_device *again = NULL;
	char pf_uri[128];
	(void)snprintf(pf_uri, sizeof(pf_uri), "pci:%s", usher_device_query(pf)->name);
	fact(usher_device_open(pf_uri, usher_device_space(pf), &again, &e) == -EACCES,
		"the PF once more while a VF is open: EACCES without the token");
	e.msg[0] = '\0';
	n = usher_device_dependents(pf, list, 8, &e);
	fact(at < n && list[at].owned, "opened into the PF's space, the VF's group is ours too");
	/* vfio-pci refuses to reset a bus with a VF on it (Linux 6.12). */
	r = usher_device_hot_reset(pf, &e);
	fact(r == -EINVAL && strstr(e.hint, "virtual function"),
		"but the kernel resets no bus with a VF: EINVAL, and why");
	e.msg[0] = '\0';
	usher_device_close(d);
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
	if (vf[0])
		reset_bus(pf, vf);
	fact(set_vfs(argv[1], "0") == 0, "the VF goes");
	usher_device_close(pf);
	fact(1, "closed in order");
	return failed;
}
