/* SPDX-License-Identifier: MIT */
#include "host/host.h"

#include "base/err.h"
#include "base/file.h"
#include "base/num.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

/* A snapshot of the lines in @text, below the header. */
static int open_snapshot(const char *text, struct host **ret, struct err *e)
{
	char path[] = "/tmp/usher-host-XXXXXX";
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_gt(dprintf(fd, "usher-host 1\n%s", text), 0);
	(void)close(fd);
	int r = host_snapshot_open(path, ret, e);
	ck_assert_int_eq(unlink(path), 0);
	return r;
}

static struct host *replay_text(const char *text)
{
	struct host *h = NULL;
	struct err e = {0};

	ck_assert_msg(open_snapshot(text, &h, &e) == 0, "%s", e.msg);
	return h;
}

struct names {
	size_t count;
	char text[256];
};

static int collect_name(void *arg, const char *name)
{
	struct names *n = arg;

	n->count++;
	strncat(n->text, name, sizeof(n->text) - strlen(n->text) - 2);
	strcat(n->text, " ");
	return n->count == 100 ? 7 : 0;
}

START_TEST(reads_files_and_links)
{
	struct host *h = replay_text("at /sys/a\n"
				     "file vendor 0x10de\n"
				     "file odd one\\ntwo\\x00\\\\\n"
				     "# remark\n\n"
				     "link driver ../../bus/drivers/nvme\n"
				     "bytes config 8 0:de10 6:ff\n"
				     "file /sys/big 18446744073709551615\n"
				     "file /sys/minus -1\n"
				     "fail /sys/lost EIO\n");
	char text[64];
	uint64_t n;

	ck_assert_int_eq(host_read_text(h, "/sys/a/vendor", text, sizeof(text)), 6);
	ck_assert_str_eq(text, "0x10de");
	ck_assert_int_eq(host_read_text(h, "/sys/a/vendor", text, 6), -EFBIG);
	ck_assert_int_eq(h->ops->read(h, "/sys/a/odd", text, sizeof(text)), 10);
	ck_assert_mem_eq(text, "one\ntwo\0\\\n", 10);
	ck_assert_int_eq(h->ops->read(h, "/sys/a/config", text, sizeof(text)), 8);
	ck_assert_mem_eq(text, "\xde\x10\0\0\0\0\xff\0", 8);
	ck_assert_int_eq(host_read_number(h, "/sys/a/vendor", &n), 0);
	ck_assert_uint_eq(n, 0x10de);
	ck_assert_int_eq(host_read_number(h, "/sys/big", &n), 0);
	ck_assert_uint_eq(n, UINT64_MAX);
	ck_assert_int_eq(host_read_number(h, "/sys/minus", &n), -EINVAL);
	ck_assert_int_eq(host_read_number(h, "/sys/none", &n), -ENOENT);
	ck_assert_int_eq(host_read_number(h, "/sys/lost", &n), -EIO);
	ck_assert_int_eq(host_read_text(h, "/sys/a", text, sizeof(text)), -EISDIR);
	ck_assert_int_eq(host_link_name(h, "/sys/a/driver", text, sizeof(text)), 4);
	ck_assert_str_eq(text, "nvme");
	ck_assert_int_eq(host_link_name(h, "/sys/a/driver", text, 4), -ENAMETOOLONG);
	ck_assert_int_eq(host_link_name(h, "/sys/a/vendor", text, 4), -EINVAL);
	ck_assert_int_eq(host_link_name(h, "/sys/a/none", text, 4), -ENOENT);
	host_close(h);
}
END_TEST

START_TEST(walks_links_and_dots)
{
	struct host *h = replay_text("link /sys/bus/dev/x ../../devices/pci/x\n"
				     "file /sys/devices/pci/x/id 7\n"
				     "link /sys/devices/pci/x/abs /sys/devices/pci\n"
				     "link /sys/loop /sys/loop\n"
				     "link /sys/up ../../../../sys/devices\n");
	uint64_t n = 0;

	ck_assert_int_eq(host_read_number(h, "/sys/bus/dev/x/id", &n), 0);
	ck_assert_uint_eq(n, 7);
	ck_assert_int_eq(host_read_number(h, "/sys/bus/dev/x/abs/x/./../x/id", &n), 0);
	ck_assert_int_eq(host_read_number(h, "/sys/up/pci/x/id", &n), 0);
	ck_assert_int_eq(host_read_number(h, "/sys/loop/id", &n), -ELOOP);
	ck_assert_int_eq(host_read_number(h, "/sys/bus/dev/x/none", &n), -ENOENT);
	host_close(h);
}
END_TEST

START_TEST(lists_each_name_once)
{
	struct host *h = replay_text("file /d/b/1 x\nfile /d/b/2 x\nfile /d/b-c x\nfile /d/a x\n"
				     "dir /d/e\nlink /l d\nfile /dd x\n");
	struct names n = {0}, empty = {0}, root = {0}, same = {0};

	ck_assert_int_eq(h->ops->list(h, "/d", collect_name, &n), 0);
	ck_assert_str_eq(n.text, "a b b-c e ");
	ck_assert_int_eq(h->ops->list(h, "/l", collect_name, &same), 0);
	ck_assert_str_eq(same.text, "a b b-c e ");
	ck_assert_int_eq(h->ops->list(h, "/d/e", collect_name, &empty), 0);
	ck_assert_uint_eq(empty.count, 0);
	ck_assert_int_eq(h->ops->list(h, "/", collect_name, &root), 0);
	ck_assert_str_eq(root.text, "d dd l ");
	ck_assert_int_eq(h->ops->list(h, "/d/a", collect_name, &n), -ENOTDIR);
	ck_assert_int_eq(h->ops->list(h, "/x", collect_name, &n), -ENOENT);
	n.count = 99;
	ck_assert_int_eq(
		h->ops->list(h, "/d", collect_name, &n), 7); /* the callback ends the walk */
	host_close(h);
}
END_TEST

static int first_holder(void *arg, const struct host_holder *o)
{
	*(struct host_holder *)arg = *o;
	return 0;
}

static int first_address(void *arg, const struct host_net_address *a)
{
	*(struct host_net_address *)arg = *a;
	return 0;
}

static int find_loopback(void *arg, const struct host_net_address *a)
{
	static const uint8_t loopback[] = {127, 0, 0, 1};

	if (a->family == AF_INET && memcmp(a->bytes, loopback, 4) == 0) {
		ck_assert_str_eq(a->interface, "lo");
		ck_assert_uint_eq(a->prefix, 8);
		*(int *)arg += 1;
	}
	return 0;
}

START_TEST(replays_blocks_and_holders)
{
	struct host *h = replay_text("busy sda1\ndir /sys/class/block/sdb\n"
				     "holder 42 1000 b226:1 X\\x1b[2Jorg\n"
				     "address eth0 fd00::7/64\n");
	struct host *blind = replay_text("blind\n");
	struct host_holder o = {0};
	struct host_net_address a = {0};

	ck_assert_int_eq(h->ops->block_busy(h, "sda1"), 1);
	ck_assert_int_eq(h->ops->block_busy(h, "sdb"), 0);
	ck_assert_int_eq(h->ops->block_busy(h, "sdc"), -ENOENT);
	ck_assert_int_eq(h->ops->holders(h, HOST_LOOK_DESCRIPTORS, first_holder, &o), 0);
	ck_assert_int_eq(o.pid, 42);
	ck_assert_uint_eq(o.uid, 1000);
	ck_assert(o.is_block);
	ck_assert_int_eq(h->ops->addresses(h, first_address, &a), 0);
	ck_assert_str_eq(a.interface, "eth0");
	ck_assert_int_eq(a.family, AF_INET6);
	ck_assert_uint_eq(a.prefix, 64);
	ck_assert_uint_eq(a.bytes[15], 7);
	ck_assert_str_eq(o.comm, "X\x1b[2Jorg");
	ck_assert_int_eq(
		blind->ops->holders(blind, HOST_LOOK_EVERYWHERE, first_holder, &o), -EACCES);
	host_close(h);
	host_close(blind);
}
END_TEST

START_TEST(refuses_hostile_text)
{
	static const char *const bad[] = {
		"file /a/../etc/shadow x\n",
		"file /a//b x\n",
		"file a x\n",
		"file /a/. x\n",
		"file /a x\nfile /a y\n",
		"file /a x\nfile /a/b y\n",
		"link /a /x\nfile /a/b y\n",
		"link /a \n",
		"nonsense\n",
		"file /a \\q\n",
		"file /a \\x0\n",
		"bytes /a 4 0:0011223344\n",
		"bytes /a 99999999\n",
		"bytes /a 4 0:1\n",
		"bytes /a 4 5:11\n",
		"bytes /a 4 11\n",
		"holder 1 0 8:0 averyveryverylongname\n",
		"holder x 0 8:0 a\n",
		"holder 1 0 8 a\n",
		"address eth0 1.2.3.4/33\n",
		"address eth0 1.2.3/8\n",
		"address eth0 ::1\n",
		"address averylonginterface 1.2.3.4/8\n",
		"number 259:1 /dev/x\n",
		"number b259 /dev/x\n",
		"loop b259:1 \n",
		"upper eth0 mv0 x 0 a\n",
		"upper eth0 averylonginterface 1 0 a\n",
		"away 0000:00:01.0 eth0 x 0 a\n",
		"use eth0\n",
		"use eth0 nonsense x\n",
		"use averylonginterface xdp x\n",
		"namespaces 2\n",
		"socket x 1 0 a\n",
		"socket 1 1 0 averylongprocessname\n",
		"unseen EWHAT\n",
		"busy ../sda\n",
		"busy \n",
		"fail /a EWHAT\n",
		"at relative\n",
		"at /a/..\n",
		"dir /a b\n",
		"file /a\x01 x\nfile /a x\nfile /a/b x\n",
		"file\n",
		"file \n",
		" file /a x\n",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct host *h = NULL;
		struct err e = {0};

		ck_assert_msg(open_snapshot(bad[i], &h, &e) == -EINVAL, "taken: %s", bad[i]);
		ck_assert_ptr_null(h);
		ck_assert_ptr_nonnull(strstr(e.msg, "read snapshot"));
	}
}
END_TEST

START_TEST(stops_at_its_memory_budget)
{
	size_t lines = 4000, used = 0, size = lines * 32;
	char *text = malloc(size);
	struct host *h = NULL;
	struct err e = {0};

	/* 100 kB that would expand to 250 MB. */
	for (size_t i = 0; i < lines; i++)
		used += (size_t)snprintf(text + used, size - used, "bytes /%zu 65536\n", i);
	ck_assert_int_eq(open_snapshot(text, &h, &e), -EFBIG);
	ck_assert_ptr_nonnull(strstr(e.msg, "memory"));
	free(text);
}
END_TEST

START_TEST(refuses_what_is_no_snapshot)
{
	struct host *h = NULL;
	struct err e = {0};

	ck_assert_int_eq(host_snapshot_open("/nonexistent", &h, &e), -ENOENT);
	ck_assert_int_eq(host_snapshot_open("/tmp", &h, &e), -EINVAL);
	ck_assert_int_eq(host_snapshot_open("/proc/self/exe", &h, &e), -EINVAL);
	ck_assert_ptr_null(h);
}
END_TEST

static int find_self(void *arg, const struct host_holder *o)
{
	struct stat st;

	ck_assert_int_eq(stat("/dev/ptmx", &st), 0);
	ck_assert_uint_ne(major(o->rdev), 1); /* /dev/null and its like are nobody's */
	if (o->pid != getpid() || o->rdev != st.st_rdev)
		return 0;
	ck_assert_uint_eq(o->uid, geteuid());
	ck_assert_str_eq(o->comm, "test_host_host");
	*(int *)arg += 1;
	return 0;
}

START_TEST(sees_the_live_machine)
{
	struct host *h = host_live();
	char text[64];
	int found = 0;
	int fd = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_gt(host_read_text(h, "/proc/sys/kernel/ostype", text, sizeof(text)), 0);
	ck_assert_str_eq(text, "Linux");
	ck_assert_int_eq(host_read_text(h, "/proc/none", text, sizeof(text)), -ENOENT);
	ck_assert_int_eq(h->ops->link(h, "/proc/self/exe", text, 2), -ENAMETOOLONG);
	ck_assert_int_eq(h->ops->block_busy(h, "no-such-disk"), -ENOENT);
	ck_assert_int_eq(h->ops->block_busy(h, "../etc/passwd"), -EINVAL);
	int r = h->ops->holders(h, HOST_LOOK_DESCRIPTORS, find_self, &found);
	ck_assert(r == 0 || r == -EACCES);
	ck_assert_int_eq(found, 1);
	found = 0;
	ck_assert_int_eq(h->ops->addresses(h, find_loopback, &found), 0);
	ck_assert_int_le(found, 1); /* in a sandbox the loopback may be down */
	char *all;
	ssize_t n = host_read_all(h, "/proc/self/mountinfo", &all);
	ck_assert_int_gt(n, 0);
	ck_assert_uint_eq(strlen(all), n);
	free(all);
	(void)close(fd);
	host_close(h);
	host_close(NULL);
}
END_TEST

static unsigned read_count;

static ssize_t read_counted(struct host *h, const char *path, void *buf, size_t size)
{
	const size_t len = KIB(strcmp(path, "large") == 0 ? 100 : 40);

	read_count++;
	memset(buf, 'x', len < size ? len : size);
	return (ssize_t)(len < size ? len : size);
}

/* What is larger is read anew. */
START_TEST(reads_all_of_a_file_once)
{
	const struct host_ops ops = {.read = read_counted};
	struct host h = {&ops};
	char *all;

	ck_assert_int_eq(host_read_all(&h, "small", &all), KIB(40));
	ck_assert_uint_eq(read_count, 1);
	free(all);
	ck_assert_int_eq(host_read_all(&h, "large", &all), KIB(100));
	ck_assert_uint_eq(read_count, 3);
	ck_assert_uint_eq(strlen(all), KIB(100));
	free(all);
}
END_TEST

START_TEST(replays_nodes)
{
	struct host *h = replay_text("node /dev/kvm 0660 0:106\nfile /dev/text x\n");
	struct host_node n;

	ck_assert_int_eq(h->ops->node(h, "/dev/kvm", &n), 0);
	ck_assert_uint_eq(n.mode, 0660);
	ck_assert_uint_eq(n.uid, 0);
	ck_assert_uint_eq(n.gid, 106);
	ck_assert_int_eq(h->ops->node(h, "/dev/text", &n), -ENODEV);
	ck_assert_int_eq(h->ops->node(h, "/dev/none", &n), -ENOENT);
	host_close(h);
	ck_assert_int_eq(host_live()->ops->node(host_live(), "/dev/null", &n), 0);
	ck_assert_int_eq(host_live()->ops->node(host_live(), "/etc/passwd", &n), -ENODEV);
	struct host_number x;
	ck_assert_int_eq(host_live()->ops->number(host_live(), "/dev/null", &x), 0);
	ck_assert(x.kind == HOST_NUMBER_CHAR && x.dev == makedev(1, 3));
	ck_assert_int_eq(host_live()->ops->number(host_live(), "/proc/self/stat", &x), 0);
	ck_assert(x.kind == HOST_NUMBER_FILE && major(x.dev) == 0);
	ck_assert_int_eq(host_live()->ops->number(host_live(), "/dev/none", &x), -ENOENT);
	ck_assert_int_lt(host_live()->ops->loop(host_live(), "null", &x), 0);
	struct err e = {0};
	ck_assert_int_eq(open_snapshot("node /dev/kvm 0888 0:1\n", &h, &e), -EINVAL);
	ck_assert_int_eq(open_snapshot("node /dev/kvm 0660 0\n", &h, &e), -EINVAL);
}
END_TEST

struct addresses {
	size_t count;
	struct host_net_address list[256];
};

static int add_address(void *arg, const struct host_net_address *a)
{
	struct addresses *l = arg;

	if (l->count < 256)
		l->list[l->count++] = *a;
	return 0;
}

/* An address as getifaddrs() returns it, and its prefix length. */
static bool has_address(const struct addresses *l, const struct ifaddrs *i)
{
	bool is_4 = i->ifa_addr->sa_family == AF_INET;
	size_t off = is_4 ? offsetof(struct sockaddr_in, sin_addr)
			  : offsetof(struct sockaddr_in6, sin6_addr);
	const char *bytes = (const char *)i->ifa_addr + off;
	const unsigned char *mask = (const unsigned char *)i->ifa_netmask + off;
	unsigned prefix = 0;

	for (size_t n = 0; n < (is_4 ? 4 : 16); n++)
		prefix += (unsigned)__builtin_popcount(mask[n]);
	for (size_t n = 0; n < l->count; n++)
		if (l->list[n].family == i->ifa_addr->sa_family && l->list[n].prefix == prefix &&
			memcmp(l->list[n].bytes, bytes, is_4 ? 4 : 16) == 0 &&
			strncmp(l->list[n].interface, i->ifa_name, strcspn(i->ifa_name, ":")) == 0)
			return true;
	return false;
}

START_TEST(knows_the_addresses_of_interfaces)
{
	struct addresses found = {0};
	struct ifaddrs *all;
	size_t count = 0;

	ck_assert_int_eq(getifaddrs(&all), 0);
	ck_assert_int_eq(host_live()->ops->addresses(host_live(), add_address, &found), 0);
	for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
		if (!i->ifa_addr || !i->ifa_netmask ||
			(i->ifa_addr->sa_family != AF_INET && i->ifa_addr->sa_family != AF_INET6))
			continue;
		ck_assert_msg(has_address(&found, i), "an address of %s is missing", i->ifa_name);
		count++;
	}
	freeifaddrs(all);
	ck_assert_uint_eq(found.count, count);
}
END_TEST

static int ignore_holder(void *arg, const struct host_holder *o)
{
	return 0;
}

/*
 * Root in a container may list all descriptors but follow none of them: usher must report processes
 * that it cannot inspect. The child has dropped a capability that its parent has, so it may not
 * inspect the parent without CAP_SYS_PTRACE.
 */
START_TEST(tells_of_processes_that_it_cannot_look_at)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct caps[2];
	int status = -1;

	if (geteuid() != 0)
		return;
	pid_t child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0) {
		if (syscall(SYS_capget, &head, caps) < 0)
			_exit(3);
		uint32_t gone = 1U << CAP_SYS_PTRACE | 1U << CAP_CHOWN;
		caps[0].effective &= ~gone;
		caps[0].permitted &= ~gone;
		if (syscall(SYS_capset, &head, caps) < 0)
			_exit(4);
		int r = host_live()->ops->holders(
			host_live(), HOST_LOOK_DESCRIPTORS, ignore_holder, NULL);
		_exit(r == -EACCES || r == -EPERM ? 0 : 5);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
}
END_TEST

SUITE("host", knows_the_addresses_of_interfaces, tells_of_processes_that_it_cannot_look_at,
	replays_nodes, reads_files_and_links, walks_links_and_dots, lists_each_name_once,
	replays_blocks_and_holders, refuses_hostile_text, stops_at_its_memory_budget,
	refuses_what_is_no_snapshot, reads_all_of_a_file_once, sees_the_live_machine)
