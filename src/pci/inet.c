/* SPDX-License-Identifier: MIT */
#include "pci/inet.h"
#include "base/clean.h"
#include "base/file.h"
#include "pci/host.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define LIST_MAX (1 << 20) /* [bytes] of interfaces: some 26,000 */

static const struct in_addr *in_of(const struct sockaddr *a)
{
	return &((const struct sockaddr_in *)(const void *)a)->sin_addr;
}

/* All interfaces' IPv4 addresses; @c->ifc_buf is the caller's to free(). Ref: netdevice(7). */
static int list_interfaces(int fd, struct ifconf *c)
{
	/* The kernel says how much there is, but more may come until it is asked for that. */
	for (int size = 4096; size <= LIST_MAX; size *= 2) {
		char *buf = realloc(c->ifc_buf, (size_t)size);

		if (!buf)
			return -ENOMEM;
		*c = (struct ifconf){.ifc_len = size, .ifc_buf = buf};
		if (ioctl(fd, SIOCGIFCONF, c) < 0)
			return -errno;
		if (c->ifc_len <= size - (int)sizeof(struct ifreq))
			return 0;
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
	/* An interface has several addresses: the kernel looks for the one that is in there. */
	if (ioctl(fd, SIOCGIFNETMASK, i) < 0)
		return 0; /* gone meanwhile */
	a.prefix = (uint8_t)__builtin_popcount(in_of(&i->ifr_netmask)->s_addr);
	return each(arg, &a);
}

static int addresses_4(int (*each)(void *arg, const struct host_net_address *a), void *arg)
{
	cleanup_fd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifconf c = {0};

	if (fd < 0)
		return errno == EAFNOSUPPORT ? 0 : -errno;
	int r = list_interfaces(fd, &c);
	for (int n = 0; r == 0 && n < c.ifc_len / (int)sizeof(struct ifreq); n++)
		r = tell_4(fd, &c.ifc_req[n], each, arg);
	free(c.ifc_buf);
	return r;
}

/* "fe80000000000000505400fffe000001 02 40 20 80     eth0": address, index, prefix, scope, flags. */
static int tell_6(
	const char *line, int (*each)(void *arg, const struct host_net_address *a), void *arg)
{
	struct host_net_address a = {.family = AF_INET6};
	unsigned prefix, byte;
	int n = 0;

	for (size_t i = 0; i < sizeof(a.bytes); i++, line += 2) {
		if (sscanf(line, "%2x", &byte) != 1)
			return 0;
		a.bytes[i] = (uint8_t)byte;
	}
	if (sscanf(line, " %*x %x %*x %*x %15s%n", &prefix, a.interface, &n) != 2 || !n)
		return 0;
	a.prefix = (uint8_t)prefix;
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
