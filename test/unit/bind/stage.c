/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "base/file.h"
#include "bind/bind.h"
#include "bind/kernel_ops.h"
#include "host/host.h"
#include "host/rtnl.h"
#include "stage.h"

#include <check.h>
#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <unistd.h>

struct stage *stage;
char stage_state[] = "/dev/shm/usher-bind-XXXXXX";

static struct stage_device *stage_find(const char *text)
{
	struct pci_address a;

	if (pci_address_parse(text, &a) == 0)
		for (size_t i = 0; i < stage->count; i++)
			if (pci_address_equal(stage->devices[i].d.address, a))
				return &stage->devices[i];
	return NULL;
}

/* Splits ".../devices/ADDRESS/attr", below the bus or below the target of its link. */
static struct stage_device *stage_split(const char *path, const char **attr)
{
	static const char *const roots[] = {
		"/sys/bus/pci/devices/", "/sys/devices/pci0000:00/0000:00:01.0/"};
	char address[PCI_ADDRESS_TEXT] = "";
	size_t skip = 0;

	for (size_t i = 0; i < 2; i++)
		if (strncmp(path, roots[i], strlen(roots[i])) == 0)
			skip = strlen(roots[i]);
	if (!skip)
		return NULL;
	path += skip;
	const char *slash = strchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) : strlen(path);
	if (n >= sizeof(address))
		return NULL;
	memcpy(address, path, n);
	*attr = slash ? slash + 1 : "";
	return stage_find(address);
}

static int stage_sriov(const struct stage_device *s, const char *attr, char *buf, size_t size)
{
	if (!s->total)
		return -1;
	if (strcmp(attr, "sriov_totalvfs") == 0)
		return snprintf(buf, size, "%u\n", s->total);
	if (strcmp(attr, "sriov_numvfs") == 0)
		return snprintf(buf, size, "%u\n", s->numvfs);
	if (strcmp(attr, "sriov_drivers_autoprobe") == 0)
		return snprintf(buf, size, "%d\n", s->autoprobe);
	return -1;
}

/* BAR 1, 64 bits wide, at 4 GiB; it can be resized to 256 MiB, 512 MiB and 1 GiB. */
static int stage_bar(const struct stage_device *s, const char *attr, char *buf, size_t size)
{
	if (!s->bar_mib)
		return -1;
	if (strcmp(attr, "resource1_resize") == 0)
		return snprintf(buf, size, "%016x\n", 0x700);
	if (strcmp(attr, "resource") == 0)
		return snprintf(buf, size, "0x0 0x0 0x0\n0x100000000 0x%" PRIx64 " 0x14220c\n",
			UINT64_C(0xffffffff) + ((uint64_t)s->bar_mib << 20));
	return -1;
}

static int stage_attribute(const struct stage_device *s, const char *attr, char *buf, size_t size)
{
	const struct pci_device *d = &s->d;
	int n = -1;

	if (strcmp(attr, "vendor") == 0)
		n = snprintf(buf, size, "0x%04x\n", d->vendor);
	else if (strcmp(attr, "device") == 0)
		n = snprintf(buf, size, "0x%04x\n", d->device);
	else if (strcmp(attr, "class") == 0)
		n = snprintf(buf, size, "0x%06x\n", d->class);
	else if (strcmp(attr, "driver_override") == 0)
		n = snprintf(
			buf, size, "%s\n", *d->driver_override ? d->driver_override : "(null)");
	else if (strcmp(attr, "reset_method") == 0 && d->reset_method[0])
		n = snprintf(buf, size, "%s\n", d->reset_method);
	else if (strcmp(attr, "power/control") == 0)
		n = snprintf(buf, size, "%s\n", s->control);
	if (n < 0)
		n = stage_sriov(s, attr, buf, size);
	if (n < 0)
		n = stage_bar(s, attr, buf, size);
	return n < 0 ? -ENOENT : n;
}

static ssize_t stage_read(struct host *h, const char *path, void *buf, size_t size)
{
	const char *attr = "";
	char text[256];
	int n;

	if (strncmp(path, "/proc/sys/kernel/random/boot_id", 31) == 0)
		n = snprintf(text, sizeof(text), "%s\n", stage->boot);
	else if (strcmp(path, "/proc/iomem") == 0)
		n = snprintf(text, sizeof(text),
			"100000000-10fffffff : 0000:02:00.1\n"
			"  100000000-1007e8fff : BOOTFB\n");
	else if (strncmp(path, stage_state, strlen(stage_state)) == 0 ||
		 strncmp(path, "/proc/", 6) == 0)
		return host_live()->ops->read(host_live(), path, buf, size);
	else if (strcmp(path, "/sys/class/vfio/7/dev") == 0)
		n = snprintf(text, sizeof(text), "240:7\n");
	else if (stage_split(path, &attr))
		n = stage_attribute(stage_split(path, &attr), attr, text, sizeof(text));
	else
		n = -ENOENT;
	if (n < 0)
		return n;
	size_t len = (size_t)n < size ? (size_t)n : size;
	memcpy(buf, text, len);
	return (ssize_t)len;
}

static int stage_list(
	struct host *h, const char *path, int (*each)(void *arg, const char *name), void *arg)
{
	char address[PCI_ADDRESS_TEXT];
	int group = -1, r = 0;

	if (strncmp(path, stage_state, strlen(stage_state)) == 0)
		return host_live()->ops->list(host_live(), path, each, arg);
	if (strcmp(path, "/sys/bus/pci/drivers/vfio-pci") == 0)
		return stage->no_vfio ? -ENOENT : each(arg, "bind");
	if (strcmp(path, "/sys/class/vfio") == 0)
		return each(arg, "7");
	if (strcmp(path, "/sys/bus/platform/drivers/efi-framebuffer") == 0)
		return stage->framebuffer_on ? each(arg, STAGE_FRAMEBUFFER) : each(arg, "bind");
	if (strcmp(path, "/sys/class/vfio") == 0)
		return each(arg, "7");
	if (strcmp(path, "/sys/bus/pci/drivers/e1000") == 0 ||
		strcmp(path, "/sys/bus/pci/drivers/nvme") == 0 ||
		strcmp(path, "/sys/bus/pci/drivers/sib") == 0)
		return each(arg, "bind");
	if (strcmp(path, "/sys/class/block") == 0)
		return stage->disk ? each(arg, "sda") : -ENOENT;
	if (strcmp(path, "/sys/bus/pci/devices/0000:02:00.1/net") == 0)
		return stage->net ? each(arg, "eth0") : -ENOENT;
	if (sscanf(path, "/sys/kernel/iommu_groups/%d/devices", &group) != 1 &&
		strcmp(path, "/sys/bus/pci/devices") != 0)
		return -ENOENT;
	for (size_t i = 0; r == 0 && i < stage->count; i++)
		if (group < 0 || stage->devices[i].d.group == group)
			r = each(arg, pci_address_format(stage->devices[i].d.address, address));
	return r;
}

static int stage_seen(void *arg, const char *name)
{
	return 1;
}

static ssize_t stage_link(struct host *h, const char *path, char *buf, size_t size)
{
	const char *attr = "";
	const struct stage_device *s = stage_split(path, &attr);
	char address[PCI_ADDRESS_TEXT];
	unsigned vf = 0;
	int n;

	if (strncmp(path, "/sys/bus/platform/devices/" STAGE_FRAMEBUFFER, 43) == 0) {
		bool there = path[43] ? stage->framebuffer_on : stage->framebuffer;
		return there ? snprintf(buf, size, "../efi-framebuffer") : -ENOENT;
	}
	if (strcmp(path, "/sys/class/block/sda") == 0 && stage->disk)
		return snprintf(buf, size,
			"../../devices/pci0000:00/0000:00:01.0/0000:02:00.1/ata1/block/sda");
	if (!s)
		return stage_list(h, path, stage_seen, NULL) == -ENOENT ? -ENOENT : -EINVAL;
	if (!*attr)
		n = snprintf(buf, size, "../../../devices/pci0000:00/0000:00:01.0/%s",
			pci_address_format(s->d.address, address));
	else if (strcmp(attr, "driver") == 0 && s->d.driver[0])
		n = snprintf(buf, size, "../../bus/pci/drivers/%s", s->d.driver);
	else if (strcmp(attr, "iommu_group") == 0 && s->d.group >= 0)
		n = snprintf(buf, size, "../../kernel/iommu_groups/%d", s->d.group);
	else if (sscanf(attr, "virtfn%u", &vf) == 1 && vf < s->numvfs)
		n = snprintf(buf, size, "../0000:02:01.%u", vf);
	else if (strcmp(attr, "physfn") == 0 && s->d.address.dev == 1)
		n = snprintf(buf, size, "../0000:02:00.1");
	else if (strcmp(attr, "pci_bus") == 0 && s->d.is_bridge)
		return -EINVAL;
	else
		return -ENOENT;
	return n;
}

static int64_t stage_changed(struct host *h, const char *path)
{
	return 0;
}

static int stage_busy(struct host *h, const char *disk)
{
	return stage->disk ? stage->disk_busy : -ENOENT;
}

/* No path of a mount leads to the disk. */
static int stage_number(struct host *h, const char *path, struct host_number *ret)
{
	return -ENOENT;
}

static int stage_disk_claim(const char *disk)
{
	ck_assert_str_eq(disk, "sda");
	stage->disk_busy = stage->disk_busy || stage->disk_mounted;
	if (stage->disk_busy)
		return -EBUSY;
	return stage->claims++;
}

static void stage_disk_release(int claim)
{
	ck_assert_int_eq(claim, 0);
	stage->claims--;
}

static int stage_holders(struct host *h, enum host_look look,
	int (*each)(void *arg, const struct host_holder *o), void *arg)
{
	const struct host_holder o = {.pid = 4711, .rdev = makedev(240, 7), .comm = "qemu"};
	const struct host_holder bar = {.pid = 4712,
		.way = HOST_HOLDER_MAPPED,
		.resource = "0000:02:00.1/resource0",
		.comm = "poke"};

	stage->looks |= 1u << look;
	if (stage->mapped)
		return each(arg, &bar);
	return stage->held ? each(arg, &o) : 0;
}

static int stage_addresses(
	struct host *h, int (*each)(void *arg, const struct host_net_address *a), void *arg)
{
	return 0;
}

static int stage_functions(struct host *h, const char *interface,
	int (*each)(void *arg, const struct host_vf *vf), void *arg)
{
	int r = 0;

	ck_assert_str_eq(interface, "eth0");
	if (stage->vf_silent)
		return -EMSGSIZE;
	for (unsigned i = 0; r == 0 && i < stage->devices[1].numvfs; i++)
		r = each(arg, &stage->vf[i]);
	return r;
}

static int stage_set_vf(const char *interface, int setting, const struct host_vf *vf)
{
	struct host_vf *now = &stage->vf[vf->index];

	ck_assert_str_eq(interface, "eth0");
	if (setting == stage->vf_refuses)
		return -EOPNOTSUPP;
	stage->vf_changes++;
	if (setting == RTNL_MAC)
		memcpy(now->mac, vf->mac, sizeof(now->mac));
	else if (setting == RTNL_VLAN)
		now->vlan = vf->vlan;
	else
		ck_abort_msg("setting %d", setting);
	return 0;
}

static int stage_bind(struct stage_device *s, const char *driver)
{
	const char *over = s->d.driver_override;

	if (s->d.driver[0])
		return -EBUSY;
	/* vfio-pci matches by override only, other drivers by their table. */
	if (*over ? strcmp(over, driver) != 0 : strcmp(s->native, driver) != 0)
		return -ENODEV;
	if (!stage->lies)
		(void)snprintf(s->d.driver, sizeof(s->d.driver), "%s", driver);
	if (strcmp(driver, "vfio-pci") == 0)
		(void)snprintf(s->control, sizeof(s->control), "auto");
	return 0;
}

static void stage_add_vf(unsigned fn, const char *driver)
{
	struct stage_device *s = &stage->devices[stage->count++];

	ck_assert_uint_le(stage->count, STAGE_DEVICES);
	*s = (struct stage_device){.d = {.address = {0, 2, 1, (uint8_t)fn}, .vendor = 0x1234}};
	s->d.device = 0x11ff;
	s->d.class = 0x020000;
	s->d.group = 20 + (int)fn;
	(void)snprintf(s->native, PCI_NAME_MAX, "vfdrv");
	(void)snprintf(s->d.driver, PCI_NAME_MAX, "%s", driver);
	(void)snprintf(s->d.reset_method, PCI_NAME_MAX, "flr");
	(void)snprintf(s->control, sizeof(s->control), "on");
}

int stage_numvfs(struct stage_device *s, unsigned count)
{
	if (count > s->total)
		return -ERANGE;
	if (count == s->numvfs)
		return 0;
	if (!s->d.driver[0])
		return -ENOENT;
	if (count && s->numvfs)
		return -EBUSY;
	if (stage->no_room && count > 2)
		return -ENOMEM;
	stage->count -= s->numvfs;
	s->numvfs = count;
	/* The settings of the former virtual functions are lost. */
	for (unsigned i = 0; i < 4; i++)
		stage->vf[i] =
			(struct host_vf){.index = i, .proto = 0x8100, .trust = HOST_VF_UNTOLD};
	for (unsigned i = 0; i < count; i++)
		stage_add_vf(i, s->autoprobe ? "vfdrv" : "");
	stage->hosted += s->autoprobe ? count : 0;
	return 0;
}

static int stage_resize(struct stage_device *s, unsigned bit)
{
	if (s->d.driver[0])
		return -EBUSY;
	if (!(0x700u >> bit & 1))
		return -EINVAL;
	s->bar_mib = 1u << bit;
	return 0;
}

static int stage_framebuffer(const char *verb, const char *text)
{
	bool on = strcmp(verb, "bind") == 0;

	ck_assert_str_eq(text, STAGE_FRAMEBUFFER);
	if (!stage->framebuffer || stage->framebuffer_on == on)
		return -ENODEV;
	stage->framebuffer_on = on;
	return 0;
}

static int stage_store(const char *path, const char *text)
{
	const char *attr = "";
	char driver[PCI_NAME_MAX], verb[8];
	struct stage_device *s = stage_split(path, &attr);

	if (s && strcmp(attr, "driver_override") == 0) {
		bool clear = strcmp(text, "\n") == 0;
		ck_assert_msg(*text, "a write of no bytes reaches nobody");
		(void)snprintf(s->d.driver_override, PCI_NAME_MAX, "%s", clear ? "" : text);
		return 0;
	}
	if (s && strcmp(attr, "power/control") == 0) {
		(void)snprintf(s->control, sizeof(s->control), "%s", text);
		return 0;
	}
	/* As in the kernel: an unknown name changes nothing. */
	if (s && strcmp(attr, "reset_method") == 0) {
		if (strcmp(text, "flr") != 0 && strcmp(text, "bus") != 0 &&
			strcmp(text, "flr bus") != 0)
			return -EINVAL;
		(void)snprintf(s->d.reset_method, PCI_NAME_MAX, "%s", text);
		return 0;
	}
	if (s && strcmp(attr, "sriov_numvfs") == 0)
		return stage_numvfs(s, (unsigned)atoi(text));
	if (s && strcmp(attr, "sriov_drivers_autoprobe") == 0) {
		s->autoprobe = atoi(text);
		return 0;
	}
	if (s && strcmp(attr, "resource1_resize") == 0)
		return stage_resize(s, (unsigned)atoi(text));
	if (sscanf(path, "/sys/bus/platform/drivers/efi-framebuffer/%7s", verb) == 1)
		return stage_framebuffer(verb, text);
	s = stage_find(text);
	ck_assert_msg(s, "%s <- %s", path, text);
	if (strcmp(path, "/sys/bus/pci/drivers_probe") == 0)
		return stage_bind(s, *s->d.driver_override ? s->d.driver_override : s->native) ? 0
											       : 0;
	ck_assert_int_eq(sscanf(path, "/sys/bus/pci/drivers/%63[^/]/%7s", driver, verb), 2);
	if (strcmp(verb, "bind") == 0)
		return stage_bind(s, driver);
	ck_assert_str_eq(verb, "unbind");
	if (strcmp(s->d.driver, driver) != 0)
		return -ENODEV;
	s->d.driver[0] = '\0';
	(void)snprintf(s->control, sizeof(s->control), "on");
	return 0;
}

/* A writer of the stage writes at once, and answers later. */
struct bind_writer {
	bool asked;
	int result;
	struct err why;
};

static int stage_writer_start(struct bind_writer **ret)
{
	*ret = calloc(1, sizeof(**ret));
	ck_assert_ptr_nonnull(*ret);
	return 0;
}

static pid_t stage_writer_pid(const struct bind_writer *w)
{
	return 0;
}

static int stage_ask(struct bind_writer *w, const char *path, const char *text, struct err *e)
{
	ck_assert_msg(w && !w->asked, "one write at a time");
	w->asked = true;
	stage->writes++;
	if (strcmp(file_base(path), "unbind") == 0 && strcmp(text, "0000:02:00.1") == 0)
		stage->claims_at_unbind = stage->claims;
	if (stage->writes == stage->fail_at)
		w->result = -EIO;
	else if (stage->writes == stage->hang_at)
		w->result = -ETIMEDOUT;
	else if (stage->writes == stage->gone_at)
		w->result = -EPIPE;
	else
		w->result = stage_store(path, text);
	if (w->result < 0)
		(void)err_set(&w->why, w->result, "write '%s' to %s", text, path);
	stage->under_way++;
	stage->most = stage->most < stage->under_way ? stage->under_way : stage->most;
	return 0;
}

/* In reverse order, because callers must not rely on one. A writer that hangs never answers. */
static int stage_wait(struct bind_writer *const *list, size_t count, int timeout_ms)
{
	for (size_t i = count; i--;)
		if (list[i] && list[i]->asked && list[i]->result != -ETIMEDOUT)
			return (int)i;
	if (timeout_ms > 0)
		(void)usleep((useconds_t)timeout_ms * 1000);
	return -ETIMEDOUT;
}

static int stage_answer(struct bind_writer *w, int timeout_ms, struct err *e)
{
	ck_assert(w->asked);
	w->asked = false;
	stage->under_way--;
	if (w->result == -ETIMEDOUT)
		stage->claims_at_hang = stage->claims;
	if (w->result < 0 && e)
		*e = w->why;
	return w->result;
}

static void stage_writer_stop(struct bind_writer *w)
{
	free(w);
}

static int stage_load(const char *module, int timeout_ms, struct err *e)
{
	if (strcmp(module, "vfio-pci") != 0)
		return err_say(e, -ENOENT, "module %s: load: there is none", module);
	stage->no_vfio = false;
	return 0;
}

static int stage_wait_node(const char *path, int timeout_ms)
{
	return stage->no_node ? -ETIMEDOUT : 0;
}

static int stage_chown_node(const char *path, const struct bind_access *a)
{
	stage->node = *a;
	return 0;
}

static int stage_rule(int group, const char *text)
{
	if (text && stage->no_rule)
		return -ENOSPC;
	(void)snprintf(stage->rule, sizeof(stage->rule), "%s", text ? text : "");
	return 0;
}

static const struct host_ops stage_host_ops = {
	.read = stage_read,
	.link = stage_link,
	.list = stage_list,
	.changed = stage_changed,
	.block_busy = stage_busy,
	.number = stage_number,
	.loop = stage_number,
	.holders = stage_holders,
	.addresses = stage_addresses,
	.functions = stage_functions,
};
struct host stage_host = {&stage_host_ops};
static bool stage_group_held(int group)
{
	return stage->hidden;
}

static bool stage_group_unopened(int group)
{
	return !stage->held && !stage->hidden;
}

static const struct bind_kernel_ops stage_kernel = {
	.writer_start = stage_writer_start,
	.writer_pid = stage_writer_pid,
	.ask = stage_ask,
	.wait = stage_wait,
	.answer = stage_answer,
	.writer_stop = stage_writer_stop,
	.disk_claim = stage_disk_claim,
	.disk_release = stage_disk_release,
	.load = stage_load,
	.wait_node = stage_wait_node,
	.chown_node = stage_chown_node,
	.group_held = stage_group_held,
	.group_unopened = stage_group_unopened,
	.rule = stage_rule,
	.set_vf = stage_set_vf,
};

void stage_add(uint8_t fn, const char *driver, const char *native, const char *override)
{
	struct stage_device *s = &stage->devices[stage->count++];

	*s = (struct stage_device){.d = {.address = {0, 2, 0, fn}, .vendor = 0x1234}};
	s->d.device = (uint16_t)(0x11e0 + fn);
	s->d.class = 0xff0000;
	s->d.group = 7;
	(void)snprintf(s->d.driver, PCI_NAME_MAX, "%s", driver);
	(void)snprintf(s->native, PCI_NAME_MAX, "%s", native);
	(void)snprintf(s->d.driver_override, PCI_NAME_MAX, "%s", override);
	(void)snprintf(s->d.reset_method, PCI_NAME_MAX, "flr bus");
	(void)snprintf(s->control, sizeof(s->control), "on");
}

static int stage_remove(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	return remove(path);
}

/*
 * Removes the folder at the end of the test's own process; killed children and _exit() skip this.
 */
static void stage_strike(void)
{
	(void)nftw(stage_state, stage_remove, 8, FTW_DEPTH | FTW_PHYS);
}

struct bind_env stage_set(void)
{
	if (!stage) {
		stage = mmap(NULL, sizeof(*stage), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		ck_assert_ptr_ne(stage, MAP_FAILED);
		ck_assert_ptr_nonnull(mkdtemp(stage_state));
		ck_assert_int_eq(atexit(stage_strike), 0);
	}
	*stage = (struct stage){.boot = "11111111-2222-3333-4444-555555555555", .vf_refuses = -1};
	stage_add(0, "pcieport", "pcieport", "");
	stage->devices[0].d.is_bridge = true;
	stage->devices[0].d.class = 0x060400;
	stage_add(1, "e1000", "e1000", "");
	stage_add(2, "sib", "other", "sib");
	stage_add(3, "", "e1000", "");
	return (struct bind_env){&stage_host, &stage_kernel, stage_state, 100};
}
