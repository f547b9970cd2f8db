/* SPDX-License-Identifier: MIT */
#include "engine/defaults.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/num.h"
#include "engine/files.h"
#include "engine/net.h"
#include "engine/port.h"
#include "engine/vsock.h"
#include "suite.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char image[] = "disk.raw";

static struct guest_spec spec_of_disks(size_t count)
{
	struct guest_spec s = {.name = "guest", .memory = MIB(512), .cpus = 1};
	struct guest_virtio disk = {.type = GUEST_VIRTIO_BLK};

	for (size_t i = 0; i < count; i++) {
		(void)snprintf(disk.disk.path, sizeof(disk.disk.path), "%s%zu", image, i);
		ck_assert_int_eq(spec_add_virtio(&s, &disk, NULL), 0);
	}
	return s;
}

static bool has_rng(const struct guest_spec *s)
{
	for (size_t i = 0; i < s->virtio_count; i++)
		if (s->virtio[i].type == GUEST_VIRTIO_RNG)
			return true;
	return false;
}

/* The last of its devices: one that starts without it has the others at the same places. */
static bool has_default_net(const struct guest_spec *s)
{
	const struct guest_virtio *last = &s->virtio[s->virtio_count - 1];

	return last->type == GUEST_VIRTIO_NET && last->net.is_default;
}

START_TEST(a_guest_gets_an_rng)
{
	struct guest_spec s = spec_of_disks(1), off = s, none = s, on = s;

	ck_assert_int_eq(defaults_add(&s, NULL, NULL), 0);
	ck_assert(has_rng(&s));
	off.rng = GUEST_WISH_OFF;
	ck_assert_int_eq(defaults_add(&off, NULL, NULL), 0);
	ck_assert(!has_rng(&off));
	none.no_defaults = true;
	ck_assert_int_eq(defaults_add(&none, NULL, NULL), 0);
	ck_assert(!has_rng(&none));
	on.no_defaults = true;
	on.rng = GUEST_WISH_ON;
	ck_assert_int_eq(defaults_add(&on, NULL, NULL), 0);
	ck_assert(has_rng(&on));
}
END_TEST

START_TEST(a_guest_gets_a_network)
{
	struct guest_spec s = spec_of_disks(1), none = s, off = s, own = s, missing = s;

	ck_assert_int_eq(defaults_add(&s, NULL, NULL), 0);
	ck_assert(has_default_net(&s));
	ck_assert_str_eq(s.virtio[2].net.tap, "");
	ck_assert_uint_eq(s.virtio[2].net.queues, 1);
	ck_assert_uint_eq(s.virtio[2].net.mac[0], 2);
	ck_assert_ptr_null(s.net_missing);
	none.no_defaults = true;
	ck_assert_int_eq(defaults_add(&none, "x", NULL), 0);
	ck_assert(!has_default_net(&none));
	ck_assert_ptr_null(none.net_missing);
	off.no_net = true;
	ck_assert_int_eq(defaults_add(&off, "x", NULL), 0);
	ck_assert(!has_default_net(&off));
	ck_assert_ptr_null(off.net_missing);
	ck_assert_int_eq(net_add(&own, "tap=a", NULL), 0);
	ck_assert_int_eq(defaults_add(&own, "x", NULL), 0);
	ck_assert_uint_eq(own.virtio_count, 3);
	ck_assert(!has_default_net(&own));
	ck_assert_ptr_null(own.net_missing);
	ck_assert_int_eq(defaults_add(&missing, "it is not there", NULL), 0);
	ck_assert(!has_default_net(&missing));
	ck_assert_str_eq(missing.net_missing, "it is not there");
}
END_TEST

/* Asked for last is what counts; the address is the same at each start. */
START_TEST(an_address_for_sockets_follows_from_the_name)
{
	static const char *const wrong[] = {"2", "4294967295", "x", "-3", "", "0x10"};
	struct guest_spec s = spec_of_disks(0), again = s, other = s, chosen = s;
	struct err e = {0};

	other.name = "other";
	ck_assert_int_eq(vsock_parse(&s, NULL, NULL), 0);
	again.vsock = other.vsock = true;
	ck_assert_int_eq(vsock_add(&s, NULL), 0);
	ck_assert_int_eq(vsock_add(&again, NULL), 0);
	ck_assert_int_eq(vsock_add(&other, NULL), 0);
	ck_assert_uint_eq(s.virtio[0].type, GUEST_VIRTIO_VSOCK);
	ck_assert_uint_eq(s.virtio[0].cid, again.virtio[0].cid);
	ck_assert_uint_ne(s.virtio[0].cid, other.virtio[0].cid);
	ck_assert(s.virtio[0].cid >= BIT64(30) && s.virtio[0].cid < BIT64(31));
	ck_assert_int_eq(vsock_parse(&chosen, NULL, NULL), 0);
	ck_assert_int_eq(vsock_parse(&chosen, "4294967294", NULL), 0);
	ck_assert_int_eq(vsock_add(&chosen, NULL), 0);
	ck_assert_uint_eq(chosen.virtio[0].cid, UINT32_MAX - 1);
	for (size_t i = 0; i < COUNT(wrong); i++)
		ck_assert_int_eq(vsock_parse(&chosen, wrong[i], &e), -EINVAL);
	chosen = spec_of_disks(0);
	ck_assert_int_eq(vsock_add(&chosen, NULL), 0);
	ck_assert_uint_eq(chosen.virtio_count, 0);
}
END_TEST

/* By unix sockets, with an address or without one. */
START_TEST(sockets_have_a_path)
{
	static const char *const wrong[] = {
		"socket=", "sockets", "5,", ",socket", "socket=/a,x", "socket=/a,b", "5 ,socket"};
	struct guest_spec s = spec_of_disks(0);
	char path[SPEC_SOCKET_MAX], text[2 * SPEC_SOCKET_MAX];
	struct err e = {0};

	ck_assert_int_eq(vsock_parse(&s, "socket", NULL), 0);
	ck_assert(s.vsock_listens);
	ck_assert_int_eq(vsock_path(&s, "/run/usher", path, sizeof(path)), 0);
	ck_assert_str_eq(path, "/run/usher/vm/guest/vsock");
	ck_assert_int_eq(vsock_parse(&s, "5,socket=/tmp/a", NULL), 0);
	ck_assert_uint_eq(s.vsock_cid, 5);
	ck_assert_int_eq(vsock_path(&s, "/run/usher", path, sizeof(path)), 0);
	ck_assert_str_eq(path, "/tmp/a");
	/* With the number of a port behind it, it still is the path of a socket. */
	(void)snprintf(text, sizeof(text), "socket=/%095d", 0);
	ck_assert_int_eq(vsock_parse(&s, text, NULL), 0);
	(void)snprintf(text, sizeof(text), "socket=/%096d", 0);
	ck_assert_int_eq(vsock_parse(&s, text, &e), -EINVAL);
	ck_assert_ptr_nonnull(strstr(e.msg, "more than 96 bytes"));
	for (size_t i = 0; i < COUNT(wrong); i++)
		ck_assert_msg(vsock_parse(&s, wrong[i], &e) == -EINVAL, "%s", wrong[i]);
	ck_assert_int_eq(vsock_parse(&s, "7", NULL), 0);
	ck_assert(!s.vsock_listens);
	ck_assert_int_eq(vsock_dial(&VSOCK_PORTS_NONE, 5), -ENODEV);
}
END_TEST

/*
 * The guest's port 5000 is a socket beside the path. Nobody waits for a full one, and a link, or
 * another folder in the place of this one, leads nowhere.
 */
START_TEST(a_port_is_a_socket_beside_the_path)
{
	char home[] = "/tmp/usher-vsock-XXXXXX", path[2 * SPEC_SOCKET_MAX],
	     link[2 * SPEC_SOCKET_MAX];
	struct vsock_ports ports = VSOCK_PORTS_NONE, none = VSOCK_PORTS_NONE;
	struct port door, other;
	struct guest_spec s = spec_of_disks(0);
	struct err e = {0};
	struct stat st;

	ck_assert_ptr_nonnull(mkdtemp(home));
	(void)snprintf(s.vsock_path, sizeof(s.vsock_path), "%s/v", home);
	s.vsock = s.vsock_listens = true;
	ck_assert_int_eq(vsock_check(&s, &e), 0);
	int fd = vsock_listen(&s, "/run/usher", &door, &ports, &e);
	ck_assert_msg(fd >= 0, "%s", e.msg);
	ck_assert_int_eq(stat(s.vsock_path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	ck_assert_int_eq(vsock_check(&s, &e), -EINVAL);
	ck_assert_int_eq(vsock_listen(&s, "/run/usher", &other, &none, &e), -EEXIST);
	ck_assert_int_eq(vsock_dial(&ports, 5000), -ENOENT);
	(void)snprintf(path, sizeof(path), "%s_5000", s.vsock_path);
	ck_assert_int_ge(port_listen("test", path, 0, &other, &e), 0);
	int line = vsock_dial(&ports, 5000);
	ck_assert_int_ge(line, 0);
	ck_assert_int_eq(vsock_dial(&ports, 5000), -EAGAIN);
	(void)close(line);
	(void)snprintf(link, sizeof(link), "%s_5001", s.vsock_path);
	ck_assert_int_eq(symlink(path, link), 0);
	ck_assert_int_eq(vsock_dial(&ports, 5001), -ELOOP);
	ck_assert_int_eq(unlink(link), 0);
	(void)snprintf(link, sizeof(link), "%s.link", home);
	ck_assert_int_eq(rename(home, link), 0);
	ck_assert_int_eq(mkdir(home, 0700), 0);
	ck_assert_int_eq(vsock_dial(&ports, 5001), -ENOENT);
	ck_assert_int_eq(vsock_dial(&ports, 5000), -EAGAIN);
	ck_assert_int_eq(rmdir(home), 0);
	ck_assert_int_eq(rename(link, home), 0);
	vsock_ports_close(&ports);
	port_close(&other);
	(void)close(fd);
	port_close(&door);
	ck_assert_int_lt(stat(s.vsock_path, &st), 0);
	ck_assert_int_eq(rmdir(home), 0);
}
END_TEST

START_TEST(a_default_device_gives_way)
{
	struct guest_spec s = spec_of_disks(SPEC_VIRTIO_MAX), on = s;

	ck_assert_int_eq(defaults_add(&s, NULL, NULL), 0);
	ck_assert_uint_eq(s.virtio_count, SPEC_VIRTIO_MAX);
	ck_assert_str_eq(s.net_missing, "no slot is left for it");
	on.rng = GUEST_WISH_ON;
	ck_assert_int_eq(defaults_add(&on, NULL, NULL), -E2BIG);

	struct guest_spec cards = spec_of_disks(1);
	for (unsigned i = 0; i < SPEC_DEVICES_MAX - 1; i++) {
		char text[32];
		(void)snprintf(text, sizeof(text), "%02x:00.0", i + 1);
		ck_assert_int_eq(spec_add_device(&cards, text, NULL), 0);
	}
	ck_assert_int_eq(defaults_add(&cards, NULL, NULL), 0);
	ck_assert(!has_rng(&cards));
	ck_assert(!has_default_net(&cards));
}
END_TEST

START_TEST(a_disk_brings_the_kernel)
{
	struct guest_spec s = spec_of_disks(2), none = spec_of_disks(0), named = s, bare = s;

	ck_assert_int_eq(defaults_add(&s, NULL, NULL), 0);
	ck_assert_str_eq(s.kernel_from, "disk.raw0");
	ck_assert_int_eq(defaults_add(&none, NULL, NULL), 0);
	ck_assert_ptr_null(none.kernel_from);
	named.kernel = "vmlinux";
	ck_assert_int_eq(defaults_add(&named, NULL, NULL), 0);
	ck_assert_ptr_null(named.kernel_from);
	bare.no_defaults = true;
	ck_assert_int_eq(defaults_add(&bare, NULL, NULL), 0);
	ck_assert_ptr_null(bare.kernel_from);
}
END_TEST

static char line[SPEC_CMDLINE_MAX + 1];

static void expect_line(const struct guest_spec *s, const struct guest_files *f, const char *text)
{
	struct err e = {0};

	ck_assert_msg(defaults_cmdline(s, f, line, sizeof(line), &e) == 0, "%s", e.msg);
	ck_assert_str_eq(line, text);
}

START_TEST(a_named_kernel_gets_a_console_and_ends_by_a_panic)
{
	struct guest_spec s = {0};

	expect_line(&s, NULL, "console=ttyS0 panic=-1");
	s.cmdline = "quiet";
	expect_line(&s, NULL, "quiet panic=-1");
	s.cmdline = "";
	expect_line(&s, NULL, "panic=-1");
	s.cmdline = "panic=0 quiet";
	expect_line(&s, NULL, "panic=0 quiet");
	s.cmdline = "nopanic=1";
	expect_line(&s, NULL, "nopanic=1 panic=-1");
}
END_TEST

static struct guest_files *files_with(const char *options, const char *root)
{
	static struct guest_files f;

	f = FILES_NONE;
	(void)snprintf(f.boot.found.options, sizeof(f.boot.found.options), "%s", options);
	(void)snprintf(f.boot.found.root, sizeof(f.boot.found.root), "%s", root);
	return &f;
}

START_TEST(an_image_brings_its_line)
{
	struct guest_spec s = spec_of_disks(2);

	s.kernel_from = "disk.raw1";
	expect_line(&s, files_with("root=UUID=7 ro quiet", "PARTUUID=8"),
		"root=UUID=7 ro quiet console=ttyS0 panic=-1");
	expect_line(&s, files_with("root=LABEL=x ro console=tty0 console=ttyS0,115200", ""),
		"root=LABEL=x ro console=tty0 console=ttyS0,115200 panic=-1");
	/* A console of a screen that this guest does not have. */
	expect_line(&s, files_with("root=LABEL=x console=tty0", ""),
		"root=LABEL=x console=tty0 console=ttyS0 panic=-1");
	expect_line(&s, files_with("", "PARTUUID=8"), "root=PARTUUID=8 rw console=ttyS0 panic=-1");
	expect_line(&s, files_with("ro quiet", "PARTUUID=8"),
		"root=PARTUUID=8 ro quiet console=ttyS0 panic=-1");
	expect_line(&s, files_with("", ""), "root=/dev/vdb rw console=ttyS0 panic=-1");
	s.virtio[1].disk.readonly = true;
	expect_line(&s, files_with("", ""), "root=/dev/vdb ro console=ttyS0 panic=-1");
}
END_TEST

/* The driver of a virtio console is a module there, and the ramdisk's init needs a console. */
START_TEST(an_image_keeps_the_serial_console)
{
	struct guest_spec s = spec_of_disks(1);

	s.kernel_from = "disk.raw0";
	s.console = GUEST_CONSOLE_VIRTIO;
	expect_line(&s, files_with("root=UUID=7 ro console=tty0", ""),
		"root=UUID=7 ro console=tty0 console=ttyS0 "
		"systemd.wants=serial-getty@hvc0.service panic=-1");
	expect_line(&s, files_with("root=UUID=7 ro console=ttyS0,115200n8", ""),
		"root=UUID=7 ro console=ttyS0,115200n8 "
		"systemd.wants=serial-getty@hvc0.service panic=-1");
	expect_line(&s, files_with("root=UUID=7 ro console=hvc0", ""),
		"root=UUID=7 ro console=hvc0 panic=-1");
	s.cmdline = "console=hvc0";
	expect_line(&s, files_with("root=UUID=7 ro", ""), "root=UUID=7 ro console=hvc0 panic=-1");
	/* Who names a kernel knows what is built into it. */
	s = (struct guest_spec){.console = GUEST_CONSOLE_VIRTIO};
	expect_line(&s, NULL, "earlycon=uart8250,io,0x3f8 console=hvc0 panic=-1");
}
END_TEST

/* Of a parameter that comes twice, the kernel takes the last one. */
START_TEST(words_of_the_user_come_last)
{
	struct guest_spec s = spec_of_disks(1);

	s.kernel_from = "disk.raw0";
	s.cmdline = "root=/dev/vdb1 single console=hvc0 panic=5";
	expect_line(&s, files_with("root=UUID=7 ro panic=1", ""),
		"root=UUID=7 ro panic=1 root=/dev/vdb1 single console=hvc0 panic=5");
	expect_line(&s, files_with("quiet", "UUID=7"),
		"quiet root=/dev/vdb1 single console=hvc0 panic=5");
}
END_TEST

/* The kernel takes no parameter behind "--", and init is not to get one. */
START_TEST(words_for_init_stay_behind_the_kernels)
{
	struct guest_spec s = spec_of_disks(1);

	s.cmdline = "init=/bin/sh -- /dev/vdb";
	expect_line(&s, NULL, "init=/bin/sh panic=-1 -- /dev/vdb");
	s.cmdline = "panic=5 --opt init=/x -- panic=7 --";
	expect_line(&s, NULL, "panic=5 --opt init=/x -- panic=7 --");
	s.cmdline = "-- panic=7";
	expect_line(&s, NULL, "panic=-1 -- panic=7");
	s.kernel_from = "disk.raw0";
	s.cmdline = "quiet -- root=/x console=hvc0";
	expect_line(&s, files_with("root=UUID=7 ro", ""),
		"root=UUID=7 ro console=ttyS0 quiet panic=-1 -- root=/x console=hvc0");
}
END_TEST

START_TEST(a_line_that_is_too_long_is_refused)
{
	static char words[SPEC_CMDLINE_MAX + 1];
	struct guest_spec s = spec_of_disks(1);
	struct err e = {0};

	memset(words, 'x', SPEC_CMDLINE_MAX);
	s.cmdline = words;
	ck_assert_int_eq(defaults_cmdline(&s, NULL, line, sizeof(line), &e), -EINVAL);
	ck_assert_str_eq(e.msg,
		"--cmdline: 2047 bytes; a kernel takes at most 2047, and usher adds 9 (panic=-1)");
	words[2010] = '\0';
	s.kernel_from = "disk.raw0";
	ck_assert_int_eq(defaults_cmdline(&s, files_with("root=UUID=7 ro quiet", ""), line,
				 sizeof(line), &e),
		-EINVAL);
	ck_assert_ptr_nonnull(strstr(e.msg, "2054 bytes, 34 of them from the image"));
}
END_TEST

SUITE("defaults", a_guest_gets_an_rng, a_guest_gets_a_network, a_default_device_gives_way,
	an_address_for_sockets_follows_from_the_name, sockets_have_a_path,
	a_port_is_a_socket_beside_the_path, a_disk_brings_the_kernel,
	a_named_kernel_gets_a_console_and_ends_by_a_panic, an_image_brings_its_line,
	an_image_keeps_the_serial_console, words_of_the_user_come_last,
	words_for_init_stay_behind_the_kernels, a_line_that_is_too_long_is_refused)
