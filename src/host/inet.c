/* SPDX-License-Identifier: MIT */
#include "host/inet.h"

#include "base/clean.h"
#include "base/file.h"
#include "base/num.h"
#include "host/host.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define LIST_MAX (1 << 20) /* [bytes], of some 26,000 interfaces */

static const struct in_addr *in_of(const struct sockaddr *a)
{
	return &((const struct sockaddr_in *)(const void *)a)->sin_addr;
}

/* Lists all IPv4 addresses; the caller frees *@ret. Return: how many, -errno. */
static int list_interfaces(int fd, struct ifreq **ret)
{
	/*
	 * The kernel fills what fits and does not say that there is more: grow until some is left.
	 */
	for (int size = 4096; size <= LIST_MAX; size *= 2) {
		cleanup_free char *buf = malloc((size_t)size);
		struct ifconf c = {.ifc_len = size, .ifc_buf = buf};

		if (!buf)
			return -ENOMEM;
		if (ioctl(fd, SIOCGIFCONF, &c) < 0)
			return -errno; /* NOLINT(clang-analyzer-unix.Malloc): cleanup_free */
		if (c.ifc_len > size - (int)sizeof(struct ifreq))
			continue;
		*ret = c.ifc_req;
		buf = NULL;
		return c.ifc_len / (int)sizeof(struct ifreq);
	}
	return -E2BIG;
}

static int tell_4(int fd, struct ifreq *i, int (*each)(void *arg, const struct host_net_address *a),
	void *arg)
{
	struct host_net_address a = {.family = AF_INET};

	if (i->ifr_addr.sa_family != AF_INET)
		return 0;
	memcpy(a.bytes, in_of(&i->ifr_addr), 4);
	/* A second address may have a label, "eth0:1"; no interface's name has a colon. */
	(void)snprintf(a.interface, sizeof(a.interface), "%.*s", (int)strcspn(i->ifr_name, ":"),
		i->ifr_name);
	/* An interface may have several addresses: the kernel takes the mask of the one in @i. */
	if (ioctl(fd, SIOCGIFNETMASK, i) < 0)
		return 0; /* gone meanwhile */
	a.prefix = (uint8_t)__builtin_popcount(in_of(&i->ifr_netmask)->s_addr);
	return each(arg, &a);
}

static int addresses_4(int (*each)(void *arg, const struct host_net_address *a), void *arg)
{
	cleanup_fd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	cleanup_free struct ifreq *list = NULL;
	int r = 0;

	if (fd < 0)
		return errno == EAFNOSUPPORT ? 0 : -errno;
	int count = list_interfaces(fd, &list);
	if (!list)
		return count;
	for (int n = 0; r == 0 && n < count; n++)
		r = tell_4(fd, &list[n], each, arg);
	return r;
}

/* Takes the next word off a line, and changes the line. */
static bool next_hex(char **line, uint64_t max, uint64_t *ret)
{
	char *word = strsep(line, " ");

	return word && num_parse(word, 16, max, ret) == 0;
}

/* "fe80000000000000505400fffe000001 02 40 20 80     eth0": address, index, prefix, scope, flags. */
static int tell_6(char *line, int (*each)(void *arg, const struct host_net_address *a), void *arg)
{
	struct host_net_address a = {.family = AF_INET6};
	uint64_t prefix, other;
	char digits[3] = "";

	for (size_t i = 0; i < sizeof(a.bytes); i++, line += 2) {
		uint64_t byte;

		memcpy(digits, line, strnlen(line, 2));
		if (strnlen(line, 2) < 2 || num_parse(digits, 16, UINT8_MAX, &byte) < 0)
			return 0;
		a.bytes[i] = (uint8_t)byte;
	}
	line += *line == ' ';
	if (!next_hex(&line, UINT32_MAX, &other) || !next_hex(&line, 128, &prefix) ||
		!next_hex(&line, UINT32_MAX, &other) || !next_hex(&line, UINT32_MAX, &other) ||
		!line)
		return 0;
	a.prefix = (uint8_t)prefix;
	(void)snprintf(a.interface, sizeof(a.interface), "%s", line + strspn(line, " "));
	return each(arg, &a);
}

static int addresses_6(
	struct host *live, int (*each)(void *arg, const struct host_net_address *a), void *arg)
{
	cleanup_free char *text = NULL;
	char *save = NULL;
	ssize_t n = host_read_all(live, "/proc/net/if_inet6", &text);
	int r = 0;

	if (n < 0)
		return n == -ENOENT ? 0 : (int)n; /* a kernel without IPv6 */
	for (char *l = strtok_r(text, "\n", &save); r == 0 && l; l = strtok_r(NULL, "\n", &save))
		r = tell_6(l, each, arg);
	return r;
}

int inet_addresses(
	struct host *live, int (*each)(void *arg, const struct host_net_address *a), void *arg)
{
	int r = addresses_4(each, arg);

	return r ? r : addresses_6(live, each, arg);
}
