/* SPDX-License-Identifier: MIT */
#include "base/clean.h"
#include "base/file.h"
#include "base/num.h"
#include "check/rule.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>

/* Rules about what a guest needs besides its device: memory, KVM, permissions. */

void check_lockdown(struct check_case *c)
{
	static const char path[] = "/sys/kernel/security/lockdown";
	static const char efi[] =
		"/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
	char text[64];
	uint8_t variable[5]; /* four bytes of attributes, then the value */

	if (host_read_text(c->host, path, text, sizeof(text)) > 0 && !strstr(text, "[none]")) {
		check_found(c, CHECK_INFO, "host",
			"kernel lockdown is on: only signed modules load, "
			"and nobody can write configuration space; VFIO works");
		check_seen(c, path, text);
		check_fix(c, "sign out-of-tree modules that you need (vendor-reset, igb_uio), "
			     "or disable Secure Boot");
	} else if (c->host->ops->read(c->host, efi, variable, sizeof(variable)) == 5 &&
		   variable[4] == 1) {
		check_found(c, CHECK_INFO, "host", "Secure Boot is on");
		check_seen(c, efi, "1");
	}
}

/* The rest of the line of @text that begins with @name; "" when there is none. */
static const char *rest_of_line(const char *text, const char *name, char *buf, size_t size)
{
	const char *line = text;
	size_t n = strlen(name);

	while (line && strncmp(line, name, n) != 0) {
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	(void)snprintf(
		buf, size, "%.*s", line ? (int)strcspn(line + n, "\n") : 0, line ? line + n : "");
	return buf;
}

struct self {
	bool known;
	unsigned uid;
	bool may_lock; /* CAP_IPC_LOCK: the limit does not apply */
	char groups[1024]; /* " 0 106 " */
};

static void read_self(struct check_case *c, struct self *s)
{
	char text[8192], line[1024];
	uint64_t caps;

	*s = (struct self){0};
	ssize_t n = c->host->ops->read(c->host, "/proc/self/status", text, sizeof(text) - 1);
	if (n <= 0)
		return;
	text[n] = '\0';
	rest_of_line(text, "Uid:\t", line, sizeof(line));
	s->known = sscanf(line, "%*u %u", &s->uid) == 1;
	rest_of_line(text, "CapEff:\t", line, sizeof(line));
	s->may_lock = num_parse(line, 16, UINT64_MAX, &caps) == 0 && caps >> CAP_IPC_LOCK & 1;
	rest_of_line(text, "Groups:\t", line, sizeof(line));
	(void)snprintf(s->groups, sizeof(s->groups), " %.*s ", (int)sizeof(s->groups) - 3, line);
}

void check_memlock(struct check_case *c)
{
	static const char path[] = "/proc/self/limits";
	char text[4096], line[128];
	unsigned long long limit;
	struct self self;

	read_self(c, &self);
	if (self.may_lock)
		return;
	int r = host_read_text(c->host, path, text, sizeof(text));
	if (r < 0) {
		check_blind(c, path, r);
		return;
	}
	rest_of_line(text, "Max locked memory", line, sizeof(line));
	if (sscanf(line, "%llu", &limit) != 1)
		return; /* unlimited */
	check_found(c, limit < MIB(512) ? CHECK_WARN : CHECK_INFO, "host",
		"this user can lock %llu MiB: a guest with a device locks all of its memory",
		limit >> 20);
	(void)snprintf(line, sizeof(line), "%llu", limit);
	check_seen(c, path, line);
	check_fix(c, "'USER hard memlock unlimited' and 'USER soft memlock unlimited' in "
		     "/etc/security/limits.d/, "
		     "LimitMEMLOCK=infinity in a unit");
}

struct pages {
	struct host *host;
	unsigned node;
	uint64_t all, free_; /* of every size */
};

static int add_pages(void *arg, const char *name)
{
	struct pages *p = arg;
	char path[FILE_PATH_MAX];
	uint64_t n;

	if (file_path(path, sizeof(path),
		    "/sys/devices/system/node/node%u/hugepages/%s/nr_hugepages", p->node,
		    name) == 0 &&
		host_read_number(p->host, path, &n) == 0)
		p->all += n;
	if (file_path(path, sizeof(path),
		    "/sys/devices/system/node/node%u/hugepages/%s/free_hugepages", p->node,
		    name) == 0 &&
		host_read_number(p->host, path, &n) == 0)
		p->free_ += n;
	return 0;
}

#define NODES_MAX 64

/* Return: false if the node does not exist. */
static bool read_pages(struct check_case *c, unsigned node, struct pages *ret)
{
	char path[FILE_PATH_MAX];

	*ret = (struct pages){.host = c->host, .node = node};
	(void)file_path(path, sizeof(path), "/sys/devices/system/node/node%u/hugepages", node);
	return c->host->ops->list(c->host, path, add_pages, ret) == 0;
}

static bool node_has_devices(const struct check_case *c, unsigned node)
{
	for (size_t i = 0; i < c->device_count; i++)
		if (c->devices[i].numa_node == (int)node && !c->devices[i].is_bridge)
			return true;
	return false;
}

void check_hugepages(struct check_case *c)
{
	struct pages nodes[NODES_MAX];
	uint64_t all = 0;
	unsigned count = 0;
	char path[FILE_PATH_MAX], value[64], object[16];

	while (count < NODES_MAX && read_pages(c, count, &nodes[count]))
		all += nodes[count++].all;
	for (unsigned i = 0; all && i < count; i++) {
		if (nodes[i].free_ || !node_has_devices(c, i))
			continue;
		(void)snprintf(object, sizeof(object), "node %u", i);
		if (nodes[i].all)
			check_found(c, CHECK_WARN, object,
				"all huge pages of this NUMA node are in use");
		else
			check_found(c, CHECK_WARN, object,
				"has devices but no huge pages, while other nodes have some");
		(void)file_path(path, sizeof(path), "/sys/devices/system/node/node%u/hugepages", i);
		(void)snprintf(value, sizeof(value), "%" PRIu64 " of %" PRIu64 " free",
			nodes[i].free_, nodes[i].all);
		check_seen(c, path, value);
		check_fix(c,
			"soon after boot, before memory fragments: "
			"echo PAGES > %s/hugepages-2048kB/nr_hugepages",
			path);
	}
	if (!all)
		return;
	cleanup_free char *mounts = NULL;
	if (host_read_all(c->host, "/proc/mounts", &mounts) < 0 || strstr(mounts, " hugetlbfs "))
		return;
	check_found(c, CHECK_WARN, "host", "huge pages are reserved, but no hugetlbfs is mounted");
	check_seen(c, "/proc/mounts", "no hugetlbfs");
	check_fix(c, "mount -t hugetlbfs hugetlbfs /dev/hugepages");
}

/* /dev/kvm is missing: why? */
static void explain_no_kvm(struct check_case *c)
{
	struct check_cpu cpu = check_cpu_read(c);
	const char *module = cpu.amd ? "kvm_amd" : "kvm_intel";

	check_found(c, CHECK_WARN, "host",
		"/dev/kvm does not exist: guests cannot run, or only by emulation");
	check_seen(c, "/dev/kvm", "does not exist");
	if (!cpu.known)
		return;
	const struct kernlog_event *x = kernlog_any(&c->log, KERNLOG_KVM);
	if (x) {
		check_logged_seen(c, x);
		check_logged_fix(c, x);
		return;
	}
	enum modprobe_presence p = modprobe_presence(c->host, &c->modprobe, module);
	if (cpu.has_virtualisation && p == MODPROBE_BUILTIN)
		check_fix(c, "look for kvm in dmesg: %s is built into this kernel", module);
	else if (cpu.has_virtualisation && p == MODPROBE_ABSENT)
		check_fix(c, "boot a kernel that has %s: this one has not", module);
	else if (cpu.has_virtualisation)
		check_fix(c, "modprobe %s", module);
	else if (cpu.is_guest)
		check_fix(c,
			"this host is a virtual machine: enable nested guests in its "
			"hypervisor (%s nested=1, -cpu host)",
			module);
	else
		check_fix(c, "enable %s in the firmware setup",
			cpu.amd ? "SVM" : "VT-x (Intel Virtualization Technology)");
}

void check_kvm(struct check_case *c)
{
	struct host_node n;
	struct self self;
	char value[64], gid[16];

	int r = c->host->ops->node(c->host, "/dev/kvm", &n);
	if (r == -ENOENT)
		explain_no_kvm(c);
	else if (r < 0)
		check_blind(c, "/dev/kvm", r);
	if (r < 0)
		return;
	read_self(c, &self);
	(void)snprintf(gid, sizeof(gid), " %u ", n.gid);
	if (!self.known || self.uid == 0 || (n.mode & 0006) == 0006 ||
		(n.uid == self.uid && (n.mode & 0600) == 0600) ||
		(strstr(self.groups, gid) && (n.mode & 0060) == 0060))
		return;
	check_found(c, CHECK_WARN, "/dev/kvm", "this user cannot open it");
	(void)snprintf(value, sizeof(value), "mode %04o, user %u, group %u", n.mode, n.uid, n.gid);
	check_seen(c, "/dev/kvm", value);
	if ((n.mode & 0060) == 0060 && n.gid)
		check_fix(c, "usermod -aG kvm USER, and log in again");
	else
		check_fix(c, "give a group access, as systemd's udev rules do, "
			     "and add this user to it: chgrp kvm /dev/kvm; chmod 0660 /dev/kvm");
}
