/* SPDX-License-Identifier: MIT */
/*
 * A virtio console behind its registers. The driver is this test: it sets it up as a guest does,
 * and then does what no driver may.
 */
#include "console_rig.h"
#include "vmm/stats/stats.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>

static void figure_is(const char *part)
{
	static char text[WIRE_FIGURES_MAX + 1];
	const int interrupts = open("/proc/interrupts", O_RDONLY);
	uint32_t len = 0;

	ck_assert_int_eq(stats_tell(&machine, interrupts, text, WIRE_FIGURES_MAX, &len), 0);
	(void)close(interrupts);
	text[len] = '\0';
	ck_assert_msg(strstr(text, part) != NULL, "no %s in %s", part, text);
}

START_TEST(console_carries_both_ways)
{
	spec_prepare();
	start();
	choose(CONSOLE);
	set_up(0);
	send_text(1, "one\n");
	ck_assert_str_eq(from(from_guest), "one\n");
	ck_assert_uint_eq(used_index(1), 1);
	/* Keys wait for a buffer. */
	ck_assert_int_eq((int)write(to_guest, "keys", 4), 4);
	serve();
	ck_assert_uint_eq(used_index(0), 0);
	buffer_list(0, 64, true);
	serve();
	ck_assert_uint_eq(used_index(0), 1);
	ck_assert_str_eq(received(0), "keys");
	/* Both have been counted, and a reset forgets nothing. */
	figure_is("\"virtio-console-0\": {");
	figure_is("\"queue0\": {\n        \"chains\": 1,\n        \"interrupts\": 1\n");
	send_text(1, "two\n");
	figure_is("\"queue1\": {\n        \"chains\": 2,\n        \"interrupts\": 2\n");
	set_up(0);
	send_text(1, "three\n");
	figure_is("\"queue1\": {\n        \"chains\": 3,\n        \"interrupts\": 3\n");
	/* A buffer of one byte gets one byte, and the next one the rest. */
	buffer_list(0, 1, true);
	ck_assert_int_eq((int)write(to_guest, "more", 4), 4);
	serve();
	ck_assert_str_eq(received(0), "m");
	buffer_list(0, 64, true);
	serve();
	ck_assert_str_eq(received(0), "ore");
	finish();
}
END_TEST

START_TEST(console_speaks_in_an_emergency)
{
	spec_prepare();
	start();
	choose(CONSOLE);
	/* Of a driver that has not even reset it. */
	for (const char *c = "help\n"; *c; c++)
		reg_put(VIRTIO_PCI_CAP_DEVICE_CFG, CONFIG(emerg_wr), 4, (uint8_t)*c);
	reg_put(VIRTIO_PCI_CAP_DEVICE_CFG, CONFIG(cols), 4, 'x');
	reg_put(VIRTIO_PCI_CAP_DEVICE_CFG, CONFIG(emerg_wr) + 4, 4, 'x');
	serve();
	ck_assert_str_eq(from(from_guest), "help\n");
	/* Far more than anybody reads: bounded, and the guest goes on. */
	for (int i = 0; i < 100000; i++)
		reg_put(VIRTIO_PCI_CAP_DEVICE_CFG, CONFIG(emerg_wr), 4, '.');
	serve();
	finish();
}
END_TEST

START_TEST(console_has_the_size_of_its_terminal)
{
	const struct winsize first = {.ws_row = 30, .ws_col = 100},
			     then = {.ws_row = 50, .ws_col = 132};
	char name[64];

	spec_prepare();
	const int master = posix_openpt(O_RDWR | O_NOCTTY);
	ck_assert_int_eq(unlockpt(master), 0);
	ck_assert_int_eq(ptsname_r(master, name, sizeof(name)), 0);
	const int slave = open(name, O_RDWR | O_NOCTTY);
	ck_assert_int_eq(dup2(slave, STDIN_FILENO), STDIN_FILENO);
	ck_assert_int_eq(ioctl(master, TIOCSWINSZ, &first), 0);
	machine_start();
	choose(CONSOLE);
	set_up(BIT64(VIRTIO_CONSOLE_F_SIZE));
	ck_assert_uint_eq(reg_get(VIRTIO_PCI_CAP_DEVICE_CFG, CONFIG(cols), 2), 100);
	ck_assert_uint_eq(reg_get(VIRTIO_PCI_CAP_DEVICE_CFG, CONFIG(rows), 2), 30);
	const uint64_t generation = common_get(COMMON(config_generation), 1);
	ck_assert_int_eq(ioctl(master, TIOCSWINSZ, &then), 0);
	ck_assert_int_eq(raise(SIGWINCH), 0);
	serve();
	ck_assert_uint_eq(reg_get(VIRTIO_PCI_CAP_DEVICE_CFG, CONFIG(cols), 4), 132 | 50 << 16);
	ck_assert_uint_ne(common_get(COMMON(config_generation), 1), generation);
	ck_assert_uint_eq(reg_get(VIRTIO_PCI_CAP_ISR_CFG, 0, 1) & 2, 2);
	/* The same size again is no news. */
	ck_assert_int_eq(raise(SIGWINCH), 0);
	serve();
	ck_assert_uint_eq(reg_get(VIRTIO_PCI_CAP_ISR_CFG, 0, 1), 0);
	finish();
}
END_TEST

START_TEST(console_gives_keys_back_to_the_serial_port)
{
	spec_prepare();
	start();
	choose(CONSOLE);
	set_up(0);
	serve();
	ck_assert(machine.console.diverted);
	common_put(COMMON(device_status), 1, 0);
	serve();
	ck_assert(!machine.console.diverted);
	ck_assert_int_eq((int)write(to_guest, "k", 1), 1);
	serve();
	ck_assert_uint_eq(bus_read(&machine.vm.ports, CONSOLE_PORT, 1), 'k');
	finish();
}
END_TEST

/* Nobody reads standard output: the guest's chains are taken all the same. */
START_TEST(console_does_not_wait_for_its_reader)
{
	static char noise[STEP];

	spec_prepare();
	start();
	choose(CONSOLE);
	set_up(0);
	for (int i = 0; i < 200; i++) {
		send_bytes(1, noise, sizeof(noise));
		ck_assert_uint_eq(used_index(1), (unsigned)i + 1);
	}
	ck_assert_uint_gt(machine.console.outbox.dropped, 0);
	/* It is read at last, so that the end does not take its time. */
	(void)close(from_guest);
	finish();
}
END_TEST

RIG_SUITE("virtio_console", console_carries_both_ways, console_speaks_in_an_emergency,
	console_has_the_size_of_its_terminal, console_gives_keys_back_to_the_serial_port,
	console_does_not_wait_for_its_reader)
