/* SPDX-License-Identifier: MIT */
#include "pci/upstream.h"

#include "base/num.h"
#include "host/locked.h"
#include "pci/device.h"
#include "pci/reset.h"
#include "pci/serial.h"
#include "pci/sleep.h"
#include "replay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct pci_address parse_address(const char *text)
{
	struct pci_address a;

	ck_assert_int_eq(pci_address_parse(text, &a), 0);
	return a;
}

/* The bridges above the device @name, of which there are @count. */
static struct pci_upstream walk_up(struct host *h, const char *name, size_t count)
{
	struct pci_upstream u;

	ck_assert_int_eq(pci_upstream_read(h, parse_address(name), &u), 0);
	ck_assert_uint_eq(u.count, count);
	return u;
}

START_TEST(walks_up_to_the_root)
{
	struct host *h = replay_fixture("bridge");
	struct pci_upstream u = walk_up(h, "02:01.0", 2);

	ck_assert(pci_address_equal(u.bridges[0], parse_address("00:04.0")));
	ck_assert(pci_address_equal(u.bridges[1], parse_address("01:00.0")));
	ck_assert(pci_upstream_has(&u, parse_address("01:00.0")));
	ck_assert(!pci_upstream_has(&u, parse_address("02:01.0")));
	(void)walk_up(h, "00:04.0", 0);
	ck_assert_int_eq(pci_upstream_read(h, parse_address("09:00.0"), &u), -ENODEV);
	host_close(h);
}
END_TEST

/* In sysfs, a VMD's devices are below the VMD, but on root buses of their own. */
START_TEST(begins_at_the_nearest_root_bus)
{
	struct host *h = replay_fixture("vmd");
	struct pci_upstream u = walk_up(h, "10000:01:00.0", 1);

	ck_assert(pci_address_equal(u.bridges[0], parse_address("10000:00:02.0")));
	host_close(h);
}
END_TEST

START_TEST(knows_what_a_hot_reset_takes_along)
{
	struct host *h = replay_fixture("bridge");
	const struct pci_device *all[8];
	struct pci_device *list;
	struct pci_hot_reset r;
	size_t count;

	ck_assert_int_eq(pci_device_list(h, &list, &count, NULL), 0);
	ck_assert_uint_le(count, 8);
	for (size_t i = 0; i < count; i++)
		all[i] = &list[i];
	ck_assert_int_eq(pci_hot_reset_read(h, parse_address("02:01.0"), all, count, &r), 0);
	ck_assert(r.possible);
	ck_assert(pci_address_equal(r.bridge, parse_address("01:00.0")));
	ck_assert_uint_eq(r.count, 1);
	ck_assert(pci_address_equal(r.along[0], parse_address("02:02.0")));
	pci_hot_reset_fini(&r);
	ck_assert_int_eq(pci_hot_reset_read(h, parse_address("00:04.0"), all, count, &r), 0);
	ck_assert(!r.possible);
	pci_hot_reset_fini(&r);
	free(list);
	host_close(h);
}
END_TEST

START_TEST(takes_reset_methods_apart)
{
	static const char *const words[] = {"flr", "bus"};
	const char *at = "flr  bus\n";
	char word[8];

	for (size_t i = 0; i < COUNT(words); i++) {
		ck_assert(pci_reset_next(&at, word, sizeof(word)));
		ck_assert_str_eq(word, words[i]);
	}
	ck_assert(!pci_reset_next(&at, word, sizeof(word)));
	at = "a_method_far_too_long";
	ck_assert(!pci_reset_next(&at, word, sizeof(word)));
	ck_assert_ptr_nonnull(pci_reset_name("pm"));
	ck_assert_ptr_null(pci_reset_name("prayer"));
}
END_TEST

START_TEST(reads_who_it_is_and_how_it_sleeps)
{
	struct host *h = replay_fixture("vmd");
	struct pci_config c = {0};
	struct pci_serials x;
	struct pci_sleep p;

	pci_serials_read(h, parse_address("10000:01:00.0"), &c, &x);
	ck_assert(!x.has_dsn);
	ck_assert_str_eq(x.nvme, "PHLN0123456789");
	pci_sleep_read(h, parse_address("10000:01:00.0"), &p);
	ck_assert_str_eq(p.state, "D3hot");
	ck_assert_str_eq(p.control, "auto");
	ck_assert_str_eq(p.status, "suspended");
	ck_assert_str_eq(p.cold, "1");
	pci_sleep_read(h, parse_address("10000:00:02.0"), &p);
	ck_assert_str_eq(p.state, "");
	host_close(h);
}
END_TEST

START_TEST(reads_locked_attributes_by_somebody_else)
{
	char buf[16], path[] = "/tmp/usher-locked-XXXXXX";
	int fd = mkstemp(path);

	ck_assert(locked_attribute("/sys/bus/pci/devices/0000:01:00.0/driver_override"));
	ck_assert(!locked_attribute("/sys/bus/pci/devices/0000:01:00.0/vendor"));
	ck_assert(!locked_attribute("/home/driver_override"));
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, "0123456789abcdefg", 17), 17);
	(void)close(fd);
	ck_assert_int_eq(locked_read(path, buf, 4), 4);
	ck_assert_mem_eq(buf, "0123", 4);
	ck_assert_int_eq(locked_read(path, buf, 16), 16);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(locked_read(path, buf, 4), -ENOENT);
	ck_assert_int_eq(locked_read("/tmp", buf, 4), -EISDIR);
	/* A read from a pipe without a writer blocks, as a lock does. usher tries it only once. */
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_int_eq(locked_read(path, buf, 4), -ETIMEDOUT);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(locked_read(path, buf, 4), -ETIMEDOUT);
}
END_TEST

SUITE("upstream", walks_up_to_the_root, begins_at_the_nearest_root_bus,
	knows_what_a_hot_reset_takes_along, takes_reset_methods_apart,
	reads_who_it_is_and_how_it_sleeps, reads_locked_attributes_by_somebody_else)
