/* SPDX-License-Identifier: MIT */
/* Which way packets leave, as this machine's kernel answers in a network namespace of the test. */
#include "host/way.h"

#include "suite.h"

#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>

static const uint8_t server[16] = {198, 51, 100, 1};
static const uint8_t server6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 9};

/* Without the right to a namespace, or without ip(8), there is nothing to ask. */
static bool net_make(void)
{
	return unshare(CLONE_NEWNET) == 0 && system("ip link set lo up 2>/dev/null") == 0;
}

START_TEST(follows_rules_and_tables)
{
	char name[16] = "";

	if (!net_make())
		return;
	ck_assert_int_eq(way_find(AF_INET, server, name), -ENETUNREACH);
	ck_assert_int_eq(system("ip route add 198.51.100.0/24 dev lo table 77"), 0);
	ck_assert_int_eq(way_find(AF_INET, server, name), -ENETUNREACH);
	ck_assert_int_eq(system("ip rule add to 198.51.100.0/24 lookup 77"), 0);
	ck_assert_int_eq(way_find(AF_INET, server, name), 0);
	ck_assert_str_eq(name, "lo");
	/* An address of our own is no way out. */
	ck_assert_int_eq(system("ip addr add 198.51.100.1/32 dev lo"), 0);
	ck_assert_int_eq(way_find(AF_INET, server, name), -ENOENT);
}
END_TEST

START_TEST(knows_both_families)
{
	char name[16] = "";

	if (!net_make() || system("ip -6 route add 2001:db8::/32 dev lo 2>/dev/null") != 0)
		return;
	ck_assert_int_eq(way_find(AF_INET6, server6, name), 0);
	ck_assert_str_eq(name, "lo");
}
END_TEST

SUITE("host_way", follows_rules_and_tables, knows_both_families)
