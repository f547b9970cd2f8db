/* SPDX-License-Identifier: MIT */
/* Whether a host has what a user-mode network needs. */
#include "engine/uplink.h"

#include "base/err.h"
#include "base/num.h"
#include "engine/spec.h"
#include "host/host.h"
#include "suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define T "\\x09"
#define TITLES \
	"Iface" T "Destination" T "Gateway" T "Flags" T "RefCnt" T "Use" T "Metric" T "Mask\\n"
#define ROUTES "file /proc/net/route " TITLES
#define NEAR "eth0" T "0000000A" T "00000000" T "0001" T "0" T "0" T "0" T "00FFFFFF\\n"
#define OUT(FLAGS) "eth0" T "00000000" T "0102000A" T FLAGS T "0" T "0" T "0" T "00000000\\n"
#define NOWHERE "00000000000000000000000000000000"
#define SIXES "file /proc/net/ipv6_route "
#define SIX(LENGTH, REST) NOWHERE " " LENGTH " " NOWHERE " 00 " NOWHERE " 400 1 0 " REST "\\n"

static const char *missing(const char *text, const struct guest_spec *s)
{
	char path[] = "/tmp/usher-uplink-XXXXXX";
	struct host *h = NULL;
	struct err e = {0};
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_gt(dprintf(fd, "usher-host 1\n%s\n", text), 0);
	(void)close(fd);
	int r = host_snapshot_open(path, &h, &e);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_msg(r == 0, "%s", e.msg);
	const char *why = uplink_missing(h, s);
	host_close(h);
	return why;
}

START_TEST(needs_a_default_route)
{
	static const char *const without[] = {"", ROUTES, ROUTES NEAR, ROUTES OUT("0000"),
		ROUTES OUT("0201"), SIXES SIX("40", "00000001 eth0"),
		SIXES SIX("00", "00200200 lo"), SIXES SIX("00", "00000201 eth0")};
	static const char *const with[] = {ROUTES OUT("0003"), ROUTES NEAR OUT("0001"),
		SIXES SIX("00", "00200200 lo") SIX("00", "00450003 eth0")};
	const struct guest_spec s = {.name = "guest"};

	for (size_t i = 0; i < COUNT(without); i++) {
		const char *why = missing(without[i], &s);
		ck_assert_msg(why && strcmp(why, "this host has no default route") == 0, "%zu", i);
	}
	for (size_t i = 0; i < COUNT(with); i++)
		ck_assert_msg(!missing(with[i], &s), "%zu", i);
}
END_TEST

START_TEST(a_lent_card_is_the_network)
{
	const char *host = ROUTES OUT("0003") "\nfile /sys/bus/pci/devices/0000:02:00.0/class "
					      "0x020000\nfile "
					      "/sys/bus/pci/devices/0000:03:00.0/class 0x010802";
	struct guest_spec s = {.name = "guest"};

	ck_assert_int_eq(spec_add_device(&s, "0000:03:00.0", NULL), 0);
	ck_assert_ptr_null(missing(host, &s));
	ck_assert_int_eq(spec_add_device(&s, "0000:02:00.0", NULL), 0);
	ck_assert_str_eq(missing(host, &s), "the guest has a lent network card");
}
END_TEST

SUITE("uplink", needs_a_default_route, a_lent_card_is_the_network)
