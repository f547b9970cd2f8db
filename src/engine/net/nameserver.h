/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_NET_NAMESERVER_H
#define ENGINE_NET_NAMESERVER_H

#include <netinet/in.h>

/*
 * Name servers for a guest that does not reach the host's loopback.
 *
 * passt names those of /etc/resolv.conf to the guest, but for those of the loopback. Of a host
 * with systemd-resolved, or another resolver of its own, nothing is left. Then a guest gets the
 * servers that this resolver asks, if they are written down. If they are not, passt leads what the
 * guest sends to the gateway's port 53 to the resolver, and nothing else.
 */
#define NAMESERVERS_MAX 3 /* as many as the C library asks */

struct nameservers {
	unsigned count; /* 0: passt finds them itself, or there are none */
	char servers[NAMESERVERS_MAX][INET6_ADDRSTRLEN];
	char gateway[INET_ADDRSTRLEN]; /* a resolver at 127.0.0.1 answers there; "": not */
};

/* Where a host has them; tests have others. */
struct nameserver_files {
	const char *resolv_conf;
	const char *upstream[2]; /* the same of its resolver, if it writes one; NULL: none */
	const char *routes; /* as /proc/net/route */
};

#define NAMESERVER_HOST                                                                          \
	((struct nameserver_files){"/etc/resolv.conf",                                           \
		{"/run/systemd/resolve/resolv.conf", "/run/NetworkManager/no-stub-resolv.conf"}, \
		"/proc/net/route"})

void nameserver_find(const struct nameserver_files *f, struct nameservers *ret);

#endif
