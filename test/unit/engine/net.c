/* SPDX-License-Identifier: MIT */
/* --net as a person writes it. */
#include "engine/net.h"

#include "base/err.h"
#include "base/file.h"
#include "base/num.h"
#include "suite.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct guest_spec spec;

static const struct guest_net *added(const char *text)
{
	struct err e = {0};

	spec = (struct guest_spec){.name = "guest"};
	ck_assert_msg(net_add(&spec, text, &e) == 0, "%s: %s", text, e.msg);
	ck_assert_uint_eq(spec.virtio_count, 1);
	ck_assert_int_eq(spec.virtio[0].type, GUEST_VIRTIO_NET);
	return &spec.virtio[0].net;
}

START_TEST(has_a_tap_or_a_user_network)
{
	const struct guest_net *n = added("tap=usher0,mac=02:00:5e:10:20:30,mtu=9000");
	char text[NET_MAC_TEXT];

	ck_assert_str_eq(n->tap, "usher0");
	ck_assert_str_eq(net_mac_text(n->mac, text), "02:00:5e:10:20:30");
	ck_assert_uint_eq(n->mtu, 9000);
	ck_assert(!n->no_offload);
	ck_assert(!net_is_user(n));
	ck_assert_str_eq(added("vhost-user,path=/run/s,mtu=1400")->backend, "/run/s");
	ck_assert(!net_is_user(&spec.virtio[0].net));
	ck_assert_int_eq(net_add(&spec, "vhost-user,path=/run/s", NULL), -EEXIST);
	ck_assert_int_eq(net_add(&spec, "vhost-user,path=/run/t", NULL), 0);
	ck_assert_int_eq(net_add(&spec, "user", NULL), 0);
	n = added("tap=usher0");
	ck_assert(!added("tap=a,offload=on")->no_offload);
	ck_assert(added("tap=a,offload=off")->no_offload);
	ck_assert(!added("tap=a,vhost=auto")->no_vhost);
	ck_assert(added("tap=a,vhost=off")->no_vhost);
	ck_assert_uint_eq(n->queues, 1);
	ck_assert_uint_eq(added("tap=a,queues=8")->queues, 8);
	n = added("user,forward=tcp:2222:22,forward=udp:2222:53,host-loopback=yes");
	ck_assert_str_eq(n->tap, "");
	ck_assert(n->host_loopback);
	ck_assert_uint_eq(n->forward_count, 2);
	ck_assert(!n->forwards[0].udp);
	ck_assert_uint_eq(n->forwards[0].host, 2222);
	ck_assert_uint_eq(n->forwards[0].guest, 22);
	ck_assert(n->forwards[1].udp);
	ck_assert(!added("user")->host_loopback);
	ck_assert(!added("user,host-loopback=no")->host_loopback);
}
END_TEST

START_TEST(refuses_all_else)
{
	static const char *const texts[] = {"", "tap", "tap=", "tap=a/b", "tap=..", "tap=a b",
		"tap=sixteen-letters1", "bridge=br0", "user,", "user,x=y",
		"user,mac=02:00:00:00:00", "user,mac=03:00:00:00:00:00",
		"user,mac=02:00:00:00:00:0g", "user,mac=00:00:00:00:00:00",
		"user,mac=+2:00:00:00:00:01", "user,mac=02: 0:00:00:00:01",
		"user,mac=0x:00:00:00:00:01", "user,mac=02-00-00-00-00-01", "user,mtu=67",
		"user,mtu=65536", "user,mtu=", "user,forward=", "user,forward=tcp",
		"user,forward=tcp:22", "user,forward=tcp:0:22", "user,forward=tcp:22:65536",
		"user,forward=sctp:22:22", "user,forward=tcp:1:2:3",
		"user,forward=tcp:1:2,forward=tcp:1:3", "user,host-loopback=maybe",
		"tap=a,forward=tcp:1:2", "tap=a,offload=", "tap=a,queues=0", "tap=a,queues=9",
		"user,queues=2", "tap=a,vhost=yes", "user,vhost=off", "tap=a,offload=maybe",
		"user,offload=off", "tap=a,host-loopback=yes", "none,mtu=1500", "vhost-user",
		"vhost-user,path=", "vhost-user,path=relative", "vhost-user,path=/s,queues=2",
		"user,path=/s", "vhost-user,path=/s,forward=tcp:1:2", "tap=a,path=/s"};
	struct err e;

	for (size_t i = 0; i < COUNT(texts); i++) {
		e = (struct err){0};
		spec = (struct guest_spec){.name = "guest"};
		ck_assert_msg(net_add(&spec, texts[i], &e) == -EINVAL, "'%s'", texts[i]);
		ck_assert_msg(strncmp(e.msg, "--net: ", 7) == 0, "'%s': %s", texts[i], e.msg);
		ck_assert_uint_eq(spec.virtio_count, 0);
	}
	spec = (struct guest_spec){.name = "guest"};
	ck_assert_int_eq(net_add(&spec, "none", &e), 0);
	ck_assert(spec.no_net);
	ck_assert_uint_eq(spec.virtio_count, 0);
	ck_assert_int_eq(net_add(&spec, "user", &e), -EINVAL);
	ck_assert_str_eq(e.msg, "--net: 'none' and a card exclude each other");
	spec = (struct guest_spec){.name = "guest"};
	ck_assert_int_eq(net_add(&spec, "none,mtu=1500", &e), -EINVAL);
	ck_assert_str_eq(e.msg, "--net: 'none' takes no keys");
	(void)added("user");
	ck_assert_int_eq(net_add(&spec, "none", &e), -EINVAL);
	ck_assert_int_eq(net_add(&spec, "tap=a", &e), 0);
	ck_assert_int_eq(net_add(&spec, "tap=b", &e), 0);
	ck_assert_int_eq(net_add(&spec, "tap=a", &e), -EEXIST);
	ck_assert_int_eq(net_add(&spec, "user", &e), -EEXIST);
	ck_assert_int_eq(net_add(&spec, "tap=c,queues=8", &e), 0);
	ck_assert_int_eq(net_add(&spec, "tap=d,queues=8", &e), 0);
	ck_assert_int_eq(net_add(&spec, "tap=e,queues=6", &e), -E2BIG);
	ck_assert_str_eq(e.msg, "--net: more than 24 pairs of queues");
}
END_TEST

/* A key that another card has, a value that none has, and a word that is no key. */
START_TEST(says_what_is_wrong_with_a_key)
{
	static const char *const texts[][2] = {
		{"user,queues=2", "--net: queues=2: this is a key of tap=NAME, not of user"},
		{"tap=a,path=/s", "--net: path=/s: this is a key of vhost-user, not of tap=NAME"},
		{"vhost-user,host-loopback=no",
			"--net: host-loopback=no: this is a key of user, not of vhost-user"},
		{"user,host-loopback=on", "--net: host-loopback=on: neither yes nor no"},
		{"tap=a,vhost=on", "--net: vhost=on: neither auto nor off"},
		{"tap=a,offload=no", "--net: offload=no: neither on nor off"},
		{"user,bridge=a", "--net: unknown key 'bridge=a'"},
	};
	struct err e;

	for (size_t i = 0; i < COUNT(texts); i++) {
		e = (struct err){0};
		spec = (struct guest_spec){.name = "guest"};
		ck_assert_int_eq(net_add(&spec, texts[i][0], &e), -EINVAL);
		ck_assert_str_eq(e.msg, texts[i][1]);
	}
}
END_TEST

START_TEST(two_cards_have_two_addresses)
{
	struct err e = {0};

	(void)added("user,mac=02:00:00:00:00:01");
	ck_assert_int_eq(net_add(&spec, "tap=a,mac=02:00:00:00:00:01", &e), -EEXIST);
	ck_assert_str_eq(e.msg, "--net: two cards have the address 02:00:00:00:00:01");
	ck_assert_int_eq(net_add(&spec, "tap=a,mac=02:00:00:00:00:02", &e), 0);
	ck_assert_int_eq(net_add(&spec, "tap=b", &e), 0);
}
END_TEST

START_TEST(an_address_follows_from_the_name)
{
	uint8_t first[6], other[6];

	(void)added("user");
	ck_assert_int_eq(net_add(&spec, "tap=a,mac=02:00:00:00:00:01", NULL), 0);
	ck_assert_int_eq(net_add(&spec, "tap=b", NULL), 0);
	net_settle(&spec);
	memcpy(first, spec.virtio[0].net.mac, sizeof(first));
	ck_assert_uint_eq(first[0], 2);
	ck_assert_uint_eq(spec.virtio[1].net.mac[5], 1);
	ck_assert_mem_ne(first, spec.virtio[2].net.mac, sizeof(first));
	memset(spec.virtio[0].net.mac, 0, sizeof(first));
	net_settle(&spec);
	ck_assert_mem_eq(first, spec.virtio[0].net.mac, sizeof(first));
	spec.name = "guest2";
	net_settle(&spec);
	memcpy(other, spec.virtio[0].net.mac, sizeof(other));
	ck_assert_mem_ne(first, other, sizeof(first));
}
END_TEST

START_TEST(only_a_tap_will_do)
{
	struct err e = {0};

	(void)added("tap=lo");
	ck_assert_int_eq(net_check(&spec, &e), -EINVAL);
	ck_assert_str_eq(e.msg, "--net: interface 'lo' is neither a tap nor a macvtap");
	(void)added("tap=usher-none");
	ck_assert_int_eq(net_check(&spec, &e), -EINVAL);
	ck_assert_str_eq(e.msg, "--net: this host has no interface 'usher-none'");
	ck_assert_str_eq(e.hint, "make it: ip tuntap add usher-none mode tap");
}
END_TEST

/* A server that has IPv4 alone: passt would take the port of IPv6, and be content. */
START_TEST(a_forwarded_port_is_free)
{
	char folder[] = "/tmp/usher-net-XXXXXX", link[64], text[64];
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct err e = {0};

	ck_assert_ptr_nonnull(mkdtemp(folder));
	(void)snprintf(link, sizeof(link), "%s/passt", folder);
	ck_assert_int_eq(symlink("/bin/true", link), 0);
	ck_assert_int_eq(setenv("PATH", folder, 1), 0);
	for (unsigned udp = 0; udp < 2; udp++) {
		socklen_t size = sizeof(at);
		int fd = socket(AF_INET, udp ? SOCK_DGRAM : SOCK_STREAM, 0);
		at.sin_port = 0;
		ck_assert_int_eq(bind(fd, (const struct sockaddr *)&at, size), 0);
		ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &size), 0);
		ck_assert(udp || listen(fd, 1) == 0);
		(void)snprintf(text, sizeof(text), "user,forward=%s:%u:22", udp ? "udp" : "tcp",
			ntohs(at.sin_port));
		(void)added(text);
		ck_assert_int_eq(net_check(&spec, &e), -EADDRINUSE);
		ck_assert_ptr_nonnull(strstr(e.msg, "another program of the host uses port "));
		(void)close(fd);
		ck_assert_msg(net_check(&spec, &e) == 0, "%s", e.msg);
	}
	(void)unlink(link);
	(void)rmdir(folder);
}
END_TEST

static int low_port_check(void)
{
	struct err e = {0};

	(void)added("user,forward=tcp:1:22");
	if (geteuid() == 0 && setresuid(65534, 65534, 65534) < 0)
		return 2;
	return net_check(&spec, &e) == -EINVAL &&
			       strstr(e.msg, "tcp:1:22: only root may use port 1 of the host")
		       ? 0
		       : 1;
}

/* passt would say that it cannot bind it, when the guest's devices are taken. */
START_TEST(a_low_port_is_for_root)
{
	char folder[] = "/tmp/usher-net-XXXXXX", link[64], first[16];
	int status = 0;

	if (file_read("/proc/sys/net/ipv4/ip_unprivileged_port_start", first, sizeof(first)) < 0 ||
		atoi(first) <= 1)
		return; /* as in a container: it is for all */
	ck_assert_ptr_nonnull(mkdtemp(folder));
	ck_assert_int_eq(chmod(folder, 0755), 0);
	(void)snprintf(link, sizeof(link), "%s/passt", folder);
	ck_assert_int_eq(symlink("/bin/true", link), 0);
	ck_assert_int_eq(setenv("PATH", folder, 1), 0);
	const pid_t child = fork();
	if (child == 0)
		_exit(low_port_check());
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	(void)unlink(link);
	(void)rmdir(folder);
}
END_TEST

SUITE("net", has_a_tap_or_a_user_network, refuses_all_else, says_what_is_wrong_with_a_key,
	two_cards_have_two_addresses, an_address_follows_from_the_name, only_a_tap_will_do,
	a_forwarded_port_is_free, a_low_port_is_for_root)
