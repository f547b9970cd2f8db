/* SPDX-License-Identifier: MIT */
/* Which name servers a guest gets that does not reach the host's loopback. */
#include "engine/net/nameserver.h"

#include "base/num.h"
#include "suite.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/usher-nameserver-XXXXXX";

static const char *written(const char *name, const char *text)
{
	static char paths[4][64];
	static unsigned next;
	char *path = paths[next++ % COUNT(paths)];

	(void)snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
	(void)unlink(path);
	if (!text)
		return path;
	FILE *f = fopen(path, "we");
	ck_assert(f && fputs(text, f) >= 0 && fclose(f) == 0);
	return path;
}

static const char routes[] =
	"Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
	"eth0\t0000090A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
	"eth0\t00000000\tFE00090A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
	"eth1\t00000000\t0100A8C0\t0003\t0\t0\t9\t00000000\t0\t0\t0\n";

static const char *host_routes = routes;

static struct nameservers found(const char *own, const char *resolved, const char *manager)
{
	const struct nameserver_files files = {written("own", own),
		{written("resolved", resolved), written("manager", manager)},
		written("routes", host_routes)};
	struct nameservers ret;

	nameserver_find(&files, &ret);
	return ret;
}

START_TEST(leaves_servers_of_the_network_to_passt)
{
	struct nameservers n = found("nameserver 10.0.0.1\n", "nameserver 10.0.0.2\n", NULL);

	ck_assert_uint_eq(n.count, 0);
	ck_assert_str_eq(n.gateway, "");
	n = found("nameserver 127.0.0.1\nnameserver fd00::1\n", "nameserver 10.0.0.2\n", NULL);
	ck_assert_uint_eq(n.count, 0);
	ck_assert_str_eq(n.gateway, "");
	n = found(NULL, "nameserver 10.0.0.2\n", NULL);
	ck_assert_uint_eq(n.count, 0);
	n = found("# nameserver 127.0.0.1\n", "nameserver 10.0.0.2\n", NULL);
	ck_assert_uint_eq(n.count, 0);
}
END_TEST

START_TEST(finds_those_that_the_own_resolver_asks)
{
	struct nameservers n = found("nameserver 127.0.0.53\noptions edns0\n",
		"# of the link\nnameserver 10.0.0.2\nnameserver\tfd00::2\nnameserver ::1\n"
		"nameserver 10.0.0.3\nnameserver 10.0.0.4\nsearch lan\n",
		"nameserver 10.0.0.9\n");

	ck_assert_uint_eq(n.count, 3);
	ck_assert_str_eq(n.servers[0], "10.0.0.2");
	ck_assert_str_eq(n.servers[1], "fd00::2");
	ck_assert_str_eq(n.servers[2], "10.0.0.3");
	n = found("nameserver 127.0.0.1\n", NULL, "nameserver 10.0.0.9\n");
	ck_assert_uint_eq(n.count, 1);
	ck_assert_str_eq(n.servers[0], "10.0.0.9");
	ck_assert_str_eq(n.gateway, "");
	n = found("nameserver ::1\n", "nameserver 127.0.0.53\n", "nameserver 10.0.0.9\n");
	ck_assert_str_eq(n.servers[0], "10.0.0.9");
	/* An option of passt is none of a file. */
	n = found("nameserver ::1\n", "nameserver --no-dhcp\nnameserver 10.0.0.1x\n", NULL);
	ck_assert_uint_eq(n.count, 0);
}
END_TEST

START_TEST(has_a_resolver_at_the_gateway)
{
	struct nameservers n = found("nameserver 127.0.0.1\n", "nameserver 127.0.0.53\n", NULL);

	ck_assert_uint_eq(n.count, 0);
	ck_assert_str_eq(n.gateway, "10.9.0.254");
	/* passt asks 127.0.0.1 alone. */
	n = found("nameserver 127.0.0.53\n", NULL, NULL);
	ck_assert_str_eq(n.gateway, "");
}
END_TEST

/* The beginning counts of a file that is longer than there is room for, in whole lines. */
START_TEST(reads_files_of_any_length)
{
	char own[8192], many[16384];
	size_t len = (size_t)snprintf(own, sizeof(own), "nameserver 127.0.0.1\n");

	while (len < 6000)
		len += (size_t)snprintf(own + len, sizeof(own) - len, "# a long line\n");
	len = (size_t)snprintf(many, sizeof(many), "%s", routes);
	for (unsigned i = 0; i < 100; i++)
		len += (size_t)snprintf(many + len, sizeof(many) - len,
			"br%u\t%08X\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n", i,
			0x0000010a + i);
	host_routes = many;
	ck_assert_str_eq(found(own, NULL, NULL).gateway, "10.9.0.254");
	/* The end of the room cuts a mask in two. */
	(void)snprintf(many, sizeof(many), "%*s\n", 4095 - 1 - 36, "Iface");
	(void)strcat(many, "eth0\t00000000\tFE00090A\t0003\t0\t0\t0\t00FFFFFF\t0\t0\t0\n");
	ck_assert_str_eq(found(own, NULL, NULL).gateway, "");
	host_routes = routes;
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {leaves_servers_of_the_network_to_passt,
		finds_those_that_the_own_resolver_asks, has_a_resolver_at_the_gateway,
		reads_files_of_any_length};

	if (!mkdtemp(folder))
		return 1;
	int r = suite_run("nameserver", tests, COUNT(tests));
	static const char *const names[] = {"own", "resolved", "manager", "routes"};
	for (size_t i = 0; i < COUNT(names); i++)
		(void)unlink(written(names[i], NULL));
	(void)rmdir(folder);
	return r;
}
