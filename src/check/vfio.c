/* SPDX-License-Identifier: MIT */
#include "base/clean.h"
#include "base/file.h"
#include "base/num.h"
#include "bind/module.h"
#include "check/bootadvice.h"
#include "check/rule.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Rules about VFIO itself: its modules, their options, its nodes. */

/* A line of modprobe's configuration that prevents loading a module. */
static bool modprobe_prevents(struct check_case *c, const char *module)
{
	static const char *const verbs[] = {"blacklist", "install"};
	char path[200], text[200];

	for (size_t i = 0; i < COUNT(verbs); i++) {
		size_t at = 0;
		const struct modprobe_line *l = modprobe_next(&c->modprobe, &at, verbs[i], module);

		/* `install M /sbin/modprobe -i M && …` still loads the module. */
		if (!l ||
			(i == 1 && !strstr(l->rest, "/bin/false") && !strstr(l->rest, "/bin/true")))
			continue;
		check_found(c, i ? CHECK_FAIL : CHECK_WARN, module,
			i ? "modprobe is configured not to load it" : "is on modprobe's blacklist");
		(void)snprintf(path, sizeof(path), "%s:%u", l->file, l->number);
		(void)snprintf(text, sizeof(text), "%s %s %s", l->verb, l->module, l->rest);
		check_seen(c, path, text);
		check_fix(c, "remove line %u of %s", l->number, l->file);
		return true;
	}
	return false;
}

static int note_folder(void *arg, const char *name)
{
	char *buf = arg;

	(void)snprintf(buf, 128, "%s", name);
	return 1;
}

/* An upgrade may have removed the modules of the kernel that still runs. */
static void explain_no_lists(struct check_case *c)
{
	char release[128], other[128];

	if (host_read_text(c->host, "/proc/sys/kernel/osrelease", release, sizeof(release)) < 0 ||
		c->host->ops->list(c->host, "/lib/modules", note_folder, other) != 1) {
		check_blind(c, "/lib/modules", -ENOENT);
		return;
	}
	check_found(c, CHECK_FAIL, "vfio_pci",
		"cannot be loaded: the modules of the running kernel, %s, are not there", release);
	check_seen(c, "/lib/modules", other);
	check_fix(c, "if an upgrade replaced that kernel, reboot");
}

void check_modules(struct check_case *c)
{
	static const char *const modules[] = {"vfio_pci", "vfio_iommu_type1"};

	if (bind_driver_present(c->host, "vfio-pci"))
		return;
	for (size_t i = 0; i < COUNT(modules); i++) {
		if (modprobe_prevents(c, modules[i]))
			continue;
		switch (modprobe_presence(c->host, &c->modprobe, modules[i])) {
		case MODPROBE_ABSENT:
			check_found(c, CHECK_FAIL, modules[i], "this kernel has no such module");
			check_seen(c, c->modprobe.folder,
				"it is neither in modules.builtin nor in modules.dep");
			check_fix(c, "install the modules of the running kernel, or boot one with "
				     "CONFIG_VFIO_PCI");
			break;
		case MODPROBE_LOADABLE:
			if (i)
				break;
			check_found(
				c, CHECK_INFO, modules[i], "is not loaded; 'usher bind' loads it");
			check_seen(c, "/sys/bus/pci/drivers/vfio-pci", "does not exist");
			break;
		case MODPROBE_BUILTIN:
			break;
		case MODPROBE_UNKNOWN:
			explain_no_lists(c);
			return;
		}
	}
}

void check_iommufd(struct check_case *c)
{
	struct host_node n;

	int r = c->host->ops->node(c->host, "/dev/iommu", &n);
	if (r == 0)
		check_found(
			c, CHECK_INFO, "host", "iommufd is available in addition to VFIO groups");
	else if (r == -ENOENT)
		check_found(
			c, CHECK_INFO, "host", "iommufd is not available; usher uses VFIO groups");
	else {
		check_blind(c, "/dev/iommu", r);
		return;
	}
	check_seen(c, "/dev/iommu", r == 0 ? "exists" : "does not exist");
}

#define TAINT_USER 6 /* TAINT_USER, include/linux/panic.h: user space used an unsafe option */

void check_noiommu(struct check_case *c)
{
	static const char path[] = "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode";
	uint64_t taint = 0;

	if (!check_flag_set(c, path))
		return;
	(void)host_read_number(c->host, "/proc/sys/kernel/tainted", &taint);
	check_found(c, CHECK_WARN, "host",
		"VFIO's no-IOMMU mode is on: devices can reach all memory%s",
		taint >> TAINT_USER & 1 ? ", and it was used since the boot" : "");
	check_seen(c, path, "Y");
	check_fix(c, "write N to it: it is not needed on a host with an IOMMU");
}

struct option {
	const char *module;
	const char *name;
	enum check_severity severity;
	const char *text;
};

static const struct option options[] = {
	{"vfio_iommu_type1", "allow_unsafe_interrupts", CHECK_WARN,
		"a guest can forge host interrupts"},
	{"vfio_pci", "disable_denylist", CHECK_WARN,
		"devices that the kernel lists as unsafe can be passed through"},
	{"vfio_pci", "enable_sriov", CHECK_WARN,
		"a guest with a physical function can create virtual ones and read their data"},
	{"vfio_pci", "disable_idle_d3", CHECK_INFO, "idle devices on vfio-pci stay awake"},
};

/* Reports where an option is set. */
static void option_source(struct check_case *c, const struct option *o, char *buf, size_t size)
{
	char key[96], value[64];
	const struct modprobe_line *l;
	size_t at = 0;

	(void)snprintf(key, sizeof(key), "%s.%s", o->module, o->name);
	(void)snprintf(buf, size, "it was set by hand: it is gone after a reboot");
	if (c->boot.booted && modprobe_value(c->boot.booted, key, value, sizeof(value))) {
		(void)snprintf(key, sizeof(key), "%s.%s=%s", o->module, o->name, value);
		boot_how_to_drop(&c->boot, key, buf, size);
	}
	/* modprobe does not read its configuration for what is built in. */
	if (modprobe_presence(c->host, &c->modprobe, o->module) == MODPROBE_BUILTIN)
		return;
	while ((l = modprobe_next(&c->modprobe, &at, "options", o->module)))
		if (modprobe_value(l->rest, o->name, value, sizeof(value)))
			(void)snprintf(
				buf, size, "remove it from line %u of %s", l->number, l->file);
}

void check_unsafe(struct check_case *c)
{
	char path[FILE_PATH_MAX], fix[256];

	for (size_t i = 0; i < COUNT(options); i++) {
		const struct option *o = &options[i];

		if (file_path(path, sizeof(path), "/sys/module/%s/parameters/%s", o->module,
			    o->name) < 0 ||
			!check_flag_set(c, path))
			continue;
		if (i == 0 && check_remaps_interrupts(c))
			check_found(c, CHECK_INFO, "host",
				"%s=1 does nothing on this host, whose interrupts are remapped",
				o->name);
		else
			check_found(c, o->severity, "host", "%s=1: %s", o->name, o->text);
		check_seen(c, path, "Y");
		option_source(c, o, fix, sizeof(fix));
		check_fix(c, "%s", fix);
	}
}

static void seen_mode(struct check_case *c, const char *path, const struct host_node *n)
{
	char value[64];

	(void)snprintf(
		value, sizeof(value), "mode %04o, user %u, group %u", n->mode, n->uid, n->gid);
	check_seen(c, path, value);
}

/* Nodes of groups: who can open this device. */
static int check_group_node(void *arg, const char *name)
{
	struct check_case *c = arg;
	char path[FILE_PATH_MAX];
	struct host_node n;

	if (name[strspn(name, "0123456789")] ||
		file_path(path, sizeof(path), "/dev/vfio/%s", name) < 0)
		return 0;
	int r = c->host->ops->node(c->host, path, &n);
	if (r == -ENOENT) {
		check_found(c, CHECK_WARN, path,
			"the group exists but its node does not: "
			"udev did not create it, or this container was started earlier");
		check_seen(c, path, "does not exist");
		check_fix(c, "udevadm trigger --subsystem-match=vfio; "
			     "in a container, pass the node again");
	} else if (r == 0 && n.mode & 0006) {
		check_found(c, CHECK_WARN, path, "every user can open this group");
		seen_mode(c, path, &n);
		check_fix(c, "give it to one user: usher bind --user NAME ADDRESS");
	}
	return 0;
}

void check_nodes(struct check_case *c)
{
	struct host_node n;

	int r = c->host->ops->node(c->host, "/dev/vfio/vfio", &n);
	if (r < 0 && r != -ENOENT)
		check_blind(c, "/dev/vfio/vfio", r);
	if (r == 0 && (n.mode & 0666) != 0666) {
		check_found(c, CHECK_WARN, "/dev/vfio/vfio",
			"only root can open the container; access for all users is safe, "
			"because the groups are protected");
		seen_mode(c, "/dev/vfio/vfio", &n);
		check_fix(c, "chmod 0666 /dev/vfio/vfio; systemd 254 has a rule that removes the "
			     "access: update systemd");
	}
	(void)c->host->ops->list(c->host, "/sys/class/vfio", check_group_node, c);
}
