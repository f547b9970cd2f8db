/* SPDX-License-Identifier: MIT */
#include "host/recorder.h"

#include "base/err.h"
#include "base/file.h"
#include "suite.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static struct host *replay_manifest(const char *text)
{
	char path[] = "/tmp/usher-recorder-XXXXXX";
	struct host *h = NULL;
	struct err e = {0};
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_ge(write(fd, text, strlen(text)), 0);
	(void)close(fd);
	ck_assert_msg(host_snapshot_open(path, &h, &e) == 0, "%s in\n%s", e.msg, text);
	ck_assert_int_eq(unlink(path), 0);
	return h;
}

static const char house[] =
	"usher-host 1\n"
	"at /sys/devices/pci0000:00/0000:00:01.0\n"
	"file vendor 0x8086\n"
	"file odd one\\ntwo\\x1b\\\\\n"
	"file none \n"
	"bytes config 64 0:86801234 20:ff\n"
	"bytes raw 3 0:616263\n"
	"file unread secret\n"
	"fail broken ETIMEDOUT\n"
	"dir pci_bus\n"
	"link driver ../../../bus/pci/drivers/nvme\n"
	"link /sys/bus/pci/devices/0000:00:01.0 ../../../devices/pci0000:00/0000:00:01.0\n"
	"link /sys/bus/pci/devices/0000:00:02.0 ../../../devices/nowhere\n"
	"link /sys/loop loop\n"
	"node /dev/kvm 660 0:104\n"
	"busy nvme0n1\n"
	"busy sdb EACCES\n"
	"link /sys/class/block/sda ../../devices/sda\n"
	"holder 12 1000 226:0 X\\x1b[m\n"
	"holder 12 1000 226:0 X\\x1b[m\n"
	"holder 13 0 b8:1 dd\n"
	"holder 13 0 1:3 null\n"
	"mapped 13 0 b8:1 dd\n"
	"mapped 14 0 0000:00:01.0/resource0 flashrom\n"
	"ring 15 7 b8:1 fio\n"
	"ring 15 7 ? fio\n"
	"upper eth0 mv0 4711 1000 my\\x0anginx\n"
	"upper eth0 vl0 0 0 /run/netns/c1\n"
	"away 0000:00:01.0 p1 7 0 run\\x20c\n"
	"use eth0 upper vx0\n"
	"use eth0 filter u32\n"
	"use eth0 route 198.18.0.0/15 in table 77\n"
	"namespaces\n"
	"socket 41523 812 1000 dh\\x20cp\n"
	"unseen ETIMEDOUT\n"
	"number b259:1 /dev/disk/by-id/a\\x20b\n"
	"number c10:3 /dev/nvme0\n"
	"number f8:17 /srv/image\n"
	"loop f8:17 loop0\n"
	"time 1700000000 /boot/initrd.img-6.1\n"
	"address eth0 192.0.2.7/24\n"
	"address eth0 2001:db8::1/64\n"
	"blind EPERM\n";

#define DEVICE "/sys/bus/pci/devices/0000:00:01.0/"

struct told {
	size_t count;
	char text[512];
};

static int tell_name(void *arg, const char *name)
{
	struct told *t = arg;

	t->count++;
	strcat(strcat(t->text, name), " ");
	return 0;
}

static int tell_holder(void *arg, const struct host_holder *o)
{
	struct told *t = arg;

	t->count++;
	if (o->way != HOST_HOLDER_OPEN)
		sprintf(t->text + strlen(t->text), "%s%s ",
			o->way == HOST_HOLDER_RING ? "ring" : "mapped", o->resource);
	sprintf(t->text + strlen(t->text), "%d %u %d %lx %s;", o->pid, o->uid, o->is_block,
		(unsigned long)o->rdev, o->comm);
	return 0;
}

static int tell_address(void *arg, const struct host_net_address *a)
{
	struct told *t = arg;

	t->count++;
	sprintf(t->text + strlen(t->text), "%s %d %d;", a->interface, a->family, a->prefix);
	return 0;
}

static int tell_upper(void *arg, const struct host_net_use *u)
{
	struct told *t = arg;

	t->count++;
	sprintf(t->text + strlen(t->text), "%d %s %s %s %d %u %s;", (int)u->kind, u->lower, u->name,
		u->detail, u->pid, u->uid, u->owner);
	return 0;
}

static int stop_at_first(void *arg, const char *name)
{
	return 1;
}

static void ask_number(int (*op)(struct host *h, const char *name, struct host_number *ret),
	struct host *h, const char *name, enum host_number_kind kind, dev_t dev)
{
	struct host_number n;

	ck_assert_int_eq(op(h, name, &n), 0);
	ck_assert_int_eq(n.kind, kind);
	ck_assert_uint_eq(n.dev, dev);
}

/* Reads everything on the host, and compares it with what is expected. */
static void ask_all(struct host *h)
{
	struct told names = {0}, holders = {0}, addresses = {0}, uppers = {0};
	struct host_node node;
	char buf[512];

	ck_assert_int_eq(host_read_text(h, DEVICE "vendor", buf, sizeof(buf)), 6);
	ck_assert_str_eq(buf, "0x8086");
	ck_assert_int_eq(h->ops->read(h, DEVICE "odd", buf, 2), 2);
	ck_assert_int_eq(host_read_text(h, DEVICE "odd", buf, sizeof(buf)), 9);
	ck_assert_str_eq(buf, "one\ntwo\x1b\\");
	ck_assert_int_eq(host_read_text(h, DEVICE "none", buf, sizeof(buf)), 0);
	ck_assert_int_eq(h->ops->read(h, DEVICE "config", buf, sizeof(buf)), 64);
	ck_assert_mem_eq(buf, "\x86\x80\x12\x34\0", 5);
	ck_assert_int_eq((unsigned char)buf[0x20], 0xff);
	ck_assert_int_eq(h->ops->read(h, DEVICE "raw", buf, sizeof(buf)), 3);
	ck_assert_mem_eq(buf, "abc", 3);
	ck_assert_int_eq(h->ops->read(h, DEVICE "broken", buf, sizeof(buf)), -ETIMEDOUT);
	ck_assert_int_eq(h->ops->read(h, DEVICE "absent", buf, sizeof(buf)), -ENOENT);
	ck_assert_int_eq(h->ops->read(h, DEVICE, buf, sizeof(buf)), -EISDIR);
	ck_assert_int_eq(h->ops->read(h, "/sys/loop/x", buf, sizeof(buf)), -ELOOP);
	ck_assert_int_eq(
		h->ops->read(h, "/sys/bus/pci/devices/0000:00:02.0/vendor", buf, sizeof(buf)),
		-ENOENT);
	ck_assert_int_eq(h->ops->link(h, DEVICE "pci_bus", buf, sizeof(buf)), -EINVAL);
	ck_assert_int_eq(h->ops->link(h, DEVICE "vendor", buf, sizeof(buf)), -EINVAL);
	ck_assert_int_eq(h->ops->link(h, DEVICE "unread", buf, sizeof(buf)), -EINVAL);
	ck_assert_int_gt(host_link_name(h, DEVICE "driver", buf, sizeof(buf)), 0);
	ck_assert_str_eq(buf, "nvme");
	ck_assert_int_eq(h->ops->list(h, "/sys/bus/pci/devices", stop_at_first, NULL), 1);
	ck_assert_int_eq(h->ops->list(h, "/sys/bus/pci/devices", tell_name, &names), 0);
	ck_assert_str_eq(names.text, "0000:00:01.0 0000:00:02.0 ");
	ck_assert_int_eq(h->ops->list(h, DEVICE "vendor", tell_name, &names), -ENOTDIR);
	ck_assert_int_eq(h->ops->node(h, "/dev/kvm", &node), 0);
	ck_assert_uint_eq(node.mode, 0660);
	ck_assert_uint_eq(node.gid, 104);
	ck_assert_int_eq(h->ops->block_busy(h, "nvme0n1"), 1);
	ck_assert_int_eq(h->ops->block_busy(h, "sda"), 0);
	ck_assert_int_eq(h->ops->block_busy(h, "sdb"), -EACCES);
	ck_assert_int_eq(h->ops->block_busy(h, "sdz"), -ENOENT);
	ck_assert_int_eq(host_net_uses(h, tell_upper, &uppers), -ETIMEDOUT);
	ck_assert_str_eq(uppers.text,
		"0 eth0 mv0  4711 1000 my\nnginx;0 eth0 vl0  0 0 /run/netns/c1;"
		"1  p1 0000:00:01.0 7 0 run c;0 eth0 vx0  0 0 ;3 eth0  u32 0 0 ;"
		"5 eth0  198.18.0.0/15 in table 77 0 0 ;");
	ck_assert_int_eq(host_other_nets(h), 1);
	struct host_holder socket = {0};
	ck_assert_int_eq(host_socket(h, 41523, &socket), 0);
	ck_assert_str_eq(socket.comm, "dh cp");
	ck_assert_int_eq(socket.pid, 812);
	ck_assert_int_eq(host_socket(h, 41524, &socket), -ENOENT);
	ask_number(h->ops->number, h, "/dev/disk/by-id/a b", HOST_NUMBER_BLOCK, makedev(259, 1));
	ask_number(h->ops->number, h, "/dev/nvme0", HOST_NUMBER_CHAR, makedev(10, 3));
	ask_number(h->ops->number, h, "/srv/image", HOST_NUMBER_FILE, makedev(8, 17));
	ask_number(h->ops->loop, h, "loop0", HOST_NUMBER_FILE, makedev(8, 17));
	ck_assert_int_eq(h->ops->number(h, "loop0", &(struct host_number){0}), -ENOENT);
	ck_assert_int_eq(host_modified(h, "/boot/initrd.img-6.1"), 1700000000);
	ck_assert_int_eq(host_modified(h, "/boot/other"), 0);
	ck_assert_int_eq(h->ops->loop(h, "loop1", &(struct host_number){0}), -ENOENT);
	ck_assert_int_eq(h->ops->holders(h, HOST_LOOK_EVERYWHERE, tell_holder, &holders), -EPERM);
	ck_assert_ptr_nonnull(strstr(holders.text, "12 1000 0 e200 X\x1b[m;13 0 1 801 dd;"));
	ck_assert_ptr_nonnull(strstr(holders.text,
		"mapped 13 0 1 801 dd;mapped0000:00:01.0/resource0 14 0 0 0 flashrom;"
		"ring 15 7 1 801 fio;ring 15 7 0 0 fio;"));
	ck_assert_int_eq(h->ops->addresses(h, tell_address, &addresses), 0);
	ck_assert_str_eq(addresses.text, "eth0 2 24;eth0 10 64;");
}

START_TEST(answers_as_the_host_does_and_replays)
{
	struct host *inner = replay_manifest(house), *recorder = NULL;
	struct manifest m;
	char *text = NULL;

	ask_all(inner);
	ck_assert_int_eq(host_recorder_new(inner, &recorder), 0);
	ask_all(recorder);
	ask_all(recorder); /* from what it remembers */
	host_close(recorder); /* a change by a reader, which must not change the record */
	ck_assert_int_eq(host_recorder_manifest(recorder, &m), 0);
	host_recorder_free(recorder);
	host_recorder_free(NULL);
	host_close(inner);
	ck_assert_int_gt(manifest_format(&m, &text), 0);
	manifest_fini(&m);
	/* A file that was not read has its name only; files that everybody has open are missing. */
	ck_assert_ptr_nonnull(strstr(text, "\nbytes unread 0\n"));
	ck_assert_ptr_null(strstr(text, "secret"));
	ck_assert_ptr_null(strstr(text, "null"));
	struct host *again = replay_manifest(text);
	ask_all(again);
	host_close(again);
	free(text);
}
END_TEST

/* A folder that cannot be listed, but a file in it was read. */
START_TEST(prefers_what_is_in_a_folder)
{
	struct host *inner = replay_manifest("usher-host 1\nfile /etc/a/b x\n"), *recorder = NULL;
	struct manifest m;
	char buf[8];

	ck_assert_int_eq(host_recorder_new(inner, &recorder), 0);
	ck_assert_int_eq(recorder->ops->link(recorder, "/etc/a", buf, 8), -EINVAL);
	ck_assert_int_eq(recorder->ops->read(recorder, "/etc/a/b", buf, 8), 2);
	ck_assert_int_eq(host_recorder_manifest(recorder, &m), 0);
	ck_assert_uint_eq(m.entry_count, 1);
	ck_assert_str_eq(m.entries[0].path, "/etc/a/b");
	manifest_fini(&m);
	host_recorder_free(recorder);
	host_close(inner);
}
END_TEST

START_TEST(leaves_out_what_the_form_cannot_say)
{
	static char a[] = "/sys/a b", b[] = "/sys/a\nfile", c[] = "/sys/c", target[] = "x\ny",
		    data[] = "1\n";
	struct manifest_entry entries[] = {
		{a, data, 2, MANIFEST_FILE, 0},
		{b, data, 2, MANIFEST_FILE, 0},
		{c, target, 3, MANIFEST_LINK, 0},
	};
	struct manifest m = {.entry_count = 3, .entries = entries};
	char *text = NULL;

	ck_assert_int_gt(manifest_format(&m, &text), 0);
	ck_assert_str_eq(text, "usher-host 1\n\n");
	free(text);
}
END_TEST

SUITE("recorder", answers_as_the_host_does_and_replays, prefers_what_is_in_a_folder,
	leaves_out_what_the_form_cannot_say)
