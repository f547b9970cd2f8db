/* SPDX-License-Identifier: MIT */
#include "monitor/uevent_filter.h"

#include "monitor/uevent.h"
#include "suite.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The kernel's message begins with the path, which other lines follow. */
static bool passes(const char *head)
{
	static const char rest[] = "ACTION=x\0SUBSYSTEM=y\0SEQNUM=1";
	char message[1024], got[1024];
	int ends[2];
	const size_t len = strlen(head) + 1;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, ends), 0);
	ck_assert_int_eq(uevent_filter(ends[0]), 0);
	memcpy(message, head, len);
	memcpy(message + len, rest, sizeof(rest));
	ck_assert_int_eq(
		send(ends[1], message, len + sizeof(rest), 0), (ssize_t)(len + sizeof(rest)));
	const ssize_t n = recv(ends[0], got, sizeof(got), 0);
	(void)close(ends[0]);
	(void)close(ends[1]);
	ck_assert(
		n < 0 || ((size_t)n == len + sizeof(rest) && memcmp(got, message, (size_t)n) == 0));
	return n >= 0;
}

#define CARD "/devices/pci0000:00/0000:00:1c.4/0000:01:00.0"

START_TEST(functions_pass)
{
	static const char *const actions[] = {
		"add@", "bind@", "move@", "remove@", "change@", "unbind@", "online@", "offline@"};
	char text[256];

	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		(void)snprintf(text, sizeof(text), "%s" CARD, actions[i]);
		ck_assert_msg(passes(text), "%s", text);
	}
	ck_assert(passes("bind@/devices/pci0000:00/0000:00:02.0"));
}
END_TEST

START_TEST(functions_behind_many_bridges_pass)
{
	char text[512] = "add@/devices/pci0000:00";

	for (unsigned depth = 0; depth < 30; depth++) {
		strcat(text, "/0000:00:1c.4");
		ck_assert_msg(passes(text), "%u", depth);
	}
}
END_TEST

START_TEST(functions_in_unusual_places_pass)
{
	ck_assert(passes("add@/devices/pci10000:e0/10000:e0:01.0"));
	ck_assert(passes("add@/devices/pci0000:00/0000:00:0e.0/pci10000:e0/10000:e0:06.0"));
	ck_assert(passes("add@/devices/platform/30000000.pci/pci0000:00/0000:00:01.0"));
	ck_assert(
		passes("add@/devices/LNXSYSTM:00/LNXSYBUS:00/PNP0A08:00/pci0000:00/0000:00:01.0"));
	ck_assert(passes("add@/devices/pci-0/pci0000:00/0000:00:01.0"));
	ck_assert(passes("something else"));
}
END_TEST

START_TEST(what_is_on_a_function_is_dropped)
{
	ck_assert(!passes("add@" CARD "/nvme/nvme0"));
	ck_assert(!passes("remove@" CARD "/nvme/nvme0/nvme0n1/nvme0n1p1"));
	ck_assert(!passes("bind@" CARD "/net/eth0"));
	ck_assert(!passes("add@/devices/virtual/bdi/259:0"));
	ck_assert(!passes("add@/devices/virtual/vfio/6"));
}
END_TEST

/* Without it all events would pass, and nothing else would show it. */
START_TEST(the_socket_for_events_has_the_filter)
{
	const int fd = uevent_open();
	socklen_t count = 0; /* instructions */

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, NULL, &count), 0);
	ck_assert_uint_gt(count, 0);
	(void)close(fd);
}
END_TEST

SUITE("uevent_filter", functions_pass, functions_behind_many_bridges_pass,
	functions_in_unusual_places_pass, what_is_on_a_function_is_dropped,
	the_socket_for_events_has_the_filter)
