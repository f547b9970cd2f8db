/* SPDX-License-Identifier: MIT */
#include "engine/net/nameserver.h"

#include "base/clean.h"
#include "base/num.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX 4096 /* [bytes] what is behind is not looked at */

/* What a file names. */
struct named {
	struct nameservers remote;
	bool any, at_127; /* one at all; one at 127.0.0.1 */
};

/* Reads whole lines from its beginning on: a host with many bridges has many routes. */
static bool lines_read(const char *path, char text[FILE_MAX])
{
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t count = 1;

	if (fd < 0)
		return false;
	while (len < FILE_MAX - 1 && count) {
		count = read(fd, text + len, FILE_MAX - 1 - len);
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return false;
		len += (size_t)count;
	}
	text[len] = '\0';
	char *end = len == FILE_MAX - 1 ? strrchr(text, '\n') : NULL;
	if (end)
		*end = '\0';
	return true;
}

static bool address_is_loopback(const char *text)
{
	struct in6_addr v6;
	struct in_addr v4;

	if (inet_pton(AF_INET, text, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == IN_LOOPBACKNET || v4.s_addr == INADDR_ANY;
	return inet_pton(AF_INET6, text, &v6) != 1 || IN6_IS_ADDR_LOOPBACK(&v6) ||
	       IN6_IS_ADDR_UNSPECIFIED(&v6);
}

static void named_add(struct named *n, const char *address)
{
	n->any = true;
	n->at_127 |= strcmp(address, "127.0.0.1") == 0;
	if (!address_is_loopback(address) && n->remote.count < NAMESERVERS_MAX)
		(void)snprintf(
			n->remote.servers[n->remote.count++], INET6_ADDRSTRLEN, "%s", address);
}

/* Ref: resolv.conf(5) */
static void named_read(const char *path, struct named *ret)
{
	char text[FILE_MAX], *rest = text, address[INET6_ADDRSTRLEN];

	*ret = (struct named){0};
	if (!path || !lines_read(path, text))
		return;
	for (char *line; (line = strsep(&rest, "\n"));)
		if (sscanf(line, "nameserver %45s", address) == 1)
			named_add(ret, address);
}

/* The first one is the one that passt takes. Ref: proc(5), /proc/net/route */
static void gateway_read(const char *path, char ret[INET_ADDRSTRLEN])
{
	char text[FILE_MAX], *rest = text;
	unsigned target, gateway, mask;

	if (!lines_read(path, text))
		return;
	for (char *line; (line = strsep(&rest, "\n"));) {
		if (sscanf(line, "%*s %8x %8x %*x %*u %*u %*u %8x", &target, &gateway, &mask) !=
				3 ||
			target || mask || !gateway)
			continue;
		(void)inet_ntop(AF_INET, &(struct in_addr){gateway}, ret, INET_ADDRSTRLEN);
		return;
	}
}

void nameserver_find(const struct nameserver_files *f, struct nameservers *ret)
{
	struct named own, more;

	*ret = (struct nameservers){0};
	named_read(f->resolv_conf, &own);
	if (!own.any || own.remote.count)
		return;
	for (unsigned i = 0; i < COUNT(f->upstream); i++) {
		named_read(f->upstream[i], &more);
		if (more.remote.count) {
			*ret = more.remote;
			return;
		}
	}
	if (own.at_127)
		gateway_read(f->routes, ret->gateway);
}
