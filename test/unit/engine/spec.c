/* SPDX-License-Identifier: MIT */
#include "engine/spec.h"

#include "base/err.h"
#include "base/num.h"
#include "program/listen.h"
#include "suite.h"
#include "vmm/machine.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct guest_spec spec_good(void)
{
	return (struct guest_spec){.name = "guest", .memory = MIB(512), .cpus = 1};
}

START_TEST(devices_have_addresses_and_keys)
{
	struct guest_spec s = spec_good();
	struct err e = {0};

	ck_assert_int_eq(spec_add_device(&s, "0000:01:00.0", &e), 0);
	ck_assert_int_eq(spec_add_device(&s, "02:00.1,id=8086:10d3", &e), 0);
	ck_assert_uint_eq(s.device_count, 2);
	ck_assert_uint_eq(s.devices[0].vendor, 0);
	ck_assert_uint_eq(s.devices[1].address.bus, 2);
	ck_assert_uint_eq(s.devices[1].vendor, 0x8086);
	ck_assert_uint_eq(s.devices[1].device, 0x10d3);
}
END_TEST

START_TEST(bad_devices_change_nothing)
{
	static const char *const bad[] = {"", "nvme0", "0000:01:00.8", "0000:01:00.0,",
		"01:00.0,id=1", "01:00.0,id=8086:10d3x", "01:00.0,id=8086 10d3",
		"01:00.0,rom=", "01:00.0,gone=1"};
	struct guest_spec s = spec_good();

	for (size_t i = 0; i < COUNT(bad); i++) {
		struct err e = {0};
		ck_assert_int_eq(spec_add_device(&s, bad[i], &e), -EINVAL);
		ck_assert_ptr_nonnull(strstr(e.msg, "--device: "));
	}
	ck_assert_uint_eq(s.device_count, 0);
}
END_TEST

START_TEST(roms_and_traces)
{
	static const char *const bad[] = {
		"01:00.0", "01:00.0:6", "01:00.0:", "nvme:0", "02:00.0:0", ":0", "01:00.0:-1"};
	struct guest_spec s = spec_good();
	struct err e = {0};

	ck_assert_int_eq(spec_add_device(&s, "01:00.0,rom=/proc/self/exe", &e), 0);
	ck_assert_int_eq(spec_add_device(&s, "01:00.1,rom=off,id=8086:10d3", &e), 0);
	ck_assert_str_eq(s.devices[0].rom, "/proc/self/exe");
	ck_assert(!s.devices[0].rom_off);
	ck_assert(s.devices[1].rom_off);
	ck_assert_str_eq(s.devices[1].rom, "");
	ck_assert_int_eq(spec_add_trace(&s, "0000:01:00.1:4", &e), 0);
	ck_assert_int_eq(spec_add_trace(&s, "01:00.1:0", &e), 0);
	ck_assert_uint_eq(s.devices[0].trace, 0);
	ck_assert_uint_eq(s.devices[1].trace, 0x11);
	for (size_t i = 0; i < COUNT(bad); i++)
		ck_assert_int_eq(spec_add_trace(&s, bad[i], NULL), -EINVAL);
	ck_assert_int_eq(spec_check(&s, &e), 0);
	ck_assert_int_eq(spec_add_device(&s, "02:00.0,rom=/nowhere/rom", &e), 0);
	ck_assert_int_eq(spec_check(&s, &e), -EINVAL);
}
END_TEST

START_TEST(refuses_a_device_twice)
{
	struct guest_spec s = spec_good();
	struct err e = {0};

	ck_assert_int_eq(spec_add_device(&s, "0000:01:00.0", &e), 0);
	ck_assert_int_eq(spec_add_device(&s, "01:00.0", &e), -EEXIST);
	ck_assert_str_eq(e.msg, "--device: 01:00.0 is named twice");
}
END_TEST

/* What a plan accepts, usher-vmm accepts. */
static_assert(SPEC_DEVICES_MAX == MACHINE_DEVICES_MAX, "usher-vmm takes another number");

START_TEST(refuses_too_many_devices)
{
	struct guest_spec s = spec_good();
	char text[32];

	for (unsigned i = 0; i < SPEC_DEVICES_MAX; i++) {
		(void)snprintf(text, sizeof(text), "%02x:00.0", i);
		ck_assert_int_eq(spec_add_device(&s, text, NULL), 0);
	}
	ck_assert_int_eq(spec_add_device(&s, "ff:00.0", NULL), -E2BIG);
}
END_TEST

START_TEST(names_become_file_names)
{
	static const char *const bad[] = {"", ".", "..", ".x", "-x", "a/b", "a b", "a\n",
		"0123456789012345678901234567890123456789012345678"};
	struct guest_spec s = spec_good();

	ck_assert_int_eq(spec_check(&s, NULL), 0);
	for (size_t i = 0; i < COUNT(bad); i++) {
		s.name = bad[i];
		ck_assert_int_eq(spec_check(&s, NULL), -EINVAL);
	}
}
END_TEST

START_TEST(sizes_have_bounds)
{
	struct guest_spec s = spec_good();
	struct err e = {0};

	s.memory = MIB(31);
	ck_assert_int_eq(spec_check(&s, NULL), -EINVAL);
	s.memory = MIB(64) + 4096;
	ck_assert_int_eq(spec_check(&s, NULL), -EINVAL);
	s = spec_good();
	s.cpus = 0;
	ck_assert_int_eq(spec_check(&s, NULL), -EINVAL);
	s.cpus = 240;
	ck_assert_int_eq(spec_check(&s, NULL), 0);
	s.cpus = 241;
	ck_assert_int_eq(spec_check(&s, &e), -EINVAL);
	ck_assert_ptr_nonnull(strstr(e.hint, "x2APIC"));
}
END_TEST

START_TEST(files_must_be_readable)
{
	struct guest_spec s = spec_good();
	struct err e = {0};

	s.kernel = "/nowhere/vmlinuz";
	ck_assert_int_eq(spec_check(&s, &e), -EINVAL);
	ck_assert_str_eq(e.msg, "--kernel: open '/nowhere/vmlinuz': No such file or directory");
}
END_TEST

/*
 * The check comes before a device is taken. The FIFO has no writer, and the check must not wait for
 * one.
 */
START_TEST(files_must_be_regular)
{
	char folder[] = "/tmp/usher-spec-XXXXXX", fifo[64];
	const char *const special[] = {"/dev/null", folder, fifo};
	struct err e = {0};

	ck_assert_ptr_nonnull(mkdtemp(folder));
	(void)snprintf(fifo, sizeof(fifo), "%s/fifo", folder);
	ck_assert_int_eq(mkfifo(fifo, 0600), 0);
	for (size_t i = 0; i < COUNT(special); i++) {
		struct guest_spec s = spec_good();
		s.initrd = special[i];
		ck_assert_int_eq(spec_check(&s, &e), -EINVAL);
		ck_assert_ptr_nonnull(strstr(e.msg, "is not a regular file"));
		s.kernel = special[i];
		ck_assert_int_eq(spec_check(&s, &e), -EINVAL);
	}
	(void)unlink(fifo);
	(void)rmdir(folder);
}
END_TEST

START_TEST(command_lines_fit_into_a_kernel)
{
	static char text[SPEC_CMDLINE_MAX + 2];
	struct guest_spec s = spec_good();
	struct err e = {0};

	memset(text, 'x', SPEC_CMDLINE_MAX);
	s.cmdline = text;
	ck_assert_int_eq(spec_check(&s, &e), 0);
	text[SPEC_CMDLINE_MAX] = 'x';
	ck_assert_int_eq(spec_check(&s, &e), -EINVAL);
	ck_assert_str_eq(e.msg, "--cmdline: 2048 bytes; a kernel takes at most 2047");
}
END_TEST

START_TEST(a_balloon_wants_memory_that_nobody_pins)
{
	struct guest_spec s = spec_good();
	struct err e = {0};

	s.balloon = true;
	ck_assert_int_eq(spec_check(&s, &e), 0);
	s.hugepages = true;
	ck_assert_int_eq(spec_check(&s, &e), -EINVAL);
	ck_assert_ptr_nonnull(strstr(e.msg, "--hugepages"));
	s.hugepages = false;
	ck_assert_int_eq(spec_add_device(&s, "01:00.0", NULL), 0);
	ck_assert_int_eq(spec_check(&s, &e), -EINVAL);
	ck_assert_ptr_nonnull(strstr(e.msg, "pinned"));
}
END_TEST

START_TEST(cards_and_virtio_devices_share_the_slots)
{
	const struct guest_virtio rng = {.type = GUEST_VIRTIO_RNG};
	struct guest_spec s = spec_good();
	struct err e = {0};
	char address[16];

	/* 16 cards, the last with two functions: 16 slots. */
	for (unsigned i = 0; i < 17; i++) {
		(void)snprintf(address, sizeof(address), "%02x:00.%u", 1 + i - i / 16, i / 16);
		ck_assert_int_eq(spec_add_device(&s, address, &e), 0);
	}
	for (unsigned i = 0; i < 15; i++)
		ck_assert_int_eq(spec_add_virtio(&s, &rng, &e), 0);
	ck_assert_msg(spec_check(&s, &e) == 0, "%s", e.msg);
	ck_assert_int_eq(spec_add_virtio(&s, &rng, &e), 0);
	ck_assert_int_eq(spec_check(&s, &e), -EINVAL);
	ck_assert_str_eq(e.msg, "16 lent cards and 16 virtio devices: a guest has 31 slots");
	ck_assert_int_eq(spec_add_virtio(&s, &rng, &e), -E2BIG);
	/* A console is one more, and all ports together are another. */
	s.virtio_count = 13;
	s.console = GUEST_CONSOLE_VIRTIO;
	ck_assert_int_eq(spec_add_port(&s, "one", &e), 0);
	ck_assert_int_eq(spec_add_port(&s, "two,socket", &e), 0);
	ck_assert_msg(spec_check(&s, &e) == 0, "%s", e.msg);
	s.virtio_count++;
	ck_assert_int_eq(spec_check(&s, &e), -EINVAL);
	ck_assert_str_eq(e.msg, "16 lent cards and 16 virtio devices: a guest has 31 slots");
}
END_TEST

START_TEST(ports_have_one_name_and_one_input)
{
	struct guest_spec s = spec_good();
	struct err e = {0};
	char name[16];

	ck_assert_int_eq(spec_add_port(&s, "one,socket=/tmp/a", &e), 0);
	ck_assert_int_eq(spec_add_port(&s, "one,socket=/tmp/b", &e), -EEXIST);
	ck_assert_int_eq(spec_add_port(&s, "two,pty=/tmp/a", &e), -EEXIST);
	ck_assert_int_eq(spec_add_port(&s, "two,stdio", &e), 0);
	ck_assert_int_eq(spec_check(&s, &e), -EINVAL);
	ck_assert_str_eq(e.msg, "--port: 'two': standard input and output are the console's");
	s.console = GUEST_CONSOLE_NONE;
	ck_assert_msg(spec_check(&s, &e) == 0, "%s", e.msg);
	ck_assert_int_eq(spec_add_port(&s, "three,stdio", &e), 0);
	ck_assert_int_eq(spec_check(&s, &e), -EINVAL);
	for (unsigned i = 3; i < SPEC_PORTS_MAX; i++) {
		(void)snprintf(name, sizeof(name), "port%u", i);
		ck_assert_int_eq(spec_add_port(&s, name, &e), 0);
	}
	ck_assert_int_eq(spec_add_port(&s, "more", &e), -E2BIG);
}
END_TEST

START_TEST(devices_by_descriptors_come_together)
{
	struct guest_spec s = {.name = "g", .memory = MIB(512), .cpus = 1};
	char text[64], other[64];
	struct err e = {0};

	const int fd = dup(0), container = dup(0);
	(void)snprintf(text, sizeof(text), "01:00.0,fd=%d,container=%d", fd, container);
	ck_assert_msg(spec_add_device(&s, text, &e) == 0, "%s", e.msg);
	ck_assert(spec_is_handed(&s));
	ck_assert_int_eq(s.devices[0].fd, fd);
	ck_assert_int_eq(s.devices[0].container, container);
	(void)snprintf(other, sizeof(other), "02:00.0,fd=%d,container=%d", container, fd);
	ck_assert_int_eq(spec_add_device(&s, other, &e), 0);
	ck_assert_int_eq(spec_check(&s, &e), -EINVAL);
	ck_assert_ptr_nonnull(strstr(e.msg, "share one container"));
	s.device_count = 1;
	ck_assert_int_eq(spec_add_device(&s, "02:00.0", &e), 0);
	ck_assert_int_eq(spec_check(&s, &e), -EINVAL);
	ck_assert_str_eq(e.msg, "--device: fd= is for all devices of a guest, or for none");
	(void)close(fd);
	(void)close(container);
}
END_TEST

START_TEST(a_descriptor_that_is_not_there_is_refused)
{
	static const char *const bad[] = {"01:00.0,fd=0,container=0", "01:00.0,fd=3",
		"01:00.0,container=3", "01:00.0,fd=,container=", "01:00.0,fd=-1,container=-1",
		"01:00.0,fd=99999,container=99998", "01:00.0,fd=none,container=none"};
	struct guest_spec s = {.name = "g"};
	struct err e = {0};

	for (size_t i = 0; i < COUNT(bad); i++)
		ck_assert_int_eq(spec_add_device(&s, bad[i], &e), -EINVAL);
	ck_assert_uint_eq(s.device_count, 0);
}
END_TEST

/* As sd_listen_fds(3) has it: numbers from 3 on, for one process alone. */
START_TEST(a_service_manager_names_descriptors)
{
	char pid[16];

	(void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
	(void)setenv("LISTEN_PID", pid, 1);
	(void)setenv("LISTEN_FDS", "4", 1);
	(void)setenv("LISTEN_FDNAMES", "card:space:twice:twice:more", 1);
	ck_assert_int_eq(listen_find("card"), 3);
	ck_assert_int_eq(listen_find("space"), 4);
	ck_assert_int_eq(listen_find("twice"), -ENOENT);
	ck_assert_int_eq(listen_find("more"), -ENOENT);
	ck_assert_int_eq(listen_find("car"), -ENOENT);
	ck_assert_int_eq(listen_find(""), -ENOENT);
	(void)setenv("LISTEN_PID", "1", 1);
	ck_assert_int_eq(listen_find("card"), -ENOENT);
	(void)unsetenv("LISTEN_PID");
	ck_assert_int_eq(listen_find("card"), -ENOENT);
}
END_TEST

SUITE("spec", roms_and_traces, devices_have_addresses_and_keys, bad_devices_change_nothing,
	refuses_a_device_twice, refuses_too_many_devices, names_become_file_names,
	sizes_have_bounds, files_must_be_readable, files_must_be_regular,
	command_lines_fit_into_a_kernel, a_balloon_wants_memory_that_nobody_pins,
	cards_and_virtio_devices_share_the_slots, devices_by_descriptors_come_together,
	a_descriptor_that_is_not_there_is_refused, a_service_manager_names_descriptors,
	ports_have_one_name_and_one_input)
