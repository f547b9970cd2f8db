/* SPDX-License-Identifier: MIT */
/*
 * net_knock INTERFACE OWN-ADDRESS ADDRESS PORT: sends TCP's SYN to the port, past the kernel, which
 * sends nothing to addresses of a loopback. Prints 'answered' if SYN,ACK comes within three
 * seconds, and 'silent' if not.
 */
#include <arpa/inet.h>
#include <err.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define OWN_PORT 40000
#define WAIT_S 3

static uint8_t frame[2048];

static int line_open(const char *interface)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	struct ifreq q = {0};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));

	(void)snprintf(q.ifr_name, sizeof(q.ifr_name), "%s", interface);
	if (fd < 0 || ioctl(fd, SIOCGIFINDEX, &q) < 0)
		err(1, "%s", interface);
	at.sll_ifindex = q.ifr_ifindex;
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || ioctl(fd, SIOCGIFHWADDR, &q) < 0)
		err(1, "%s", interface);
	memset(frame, 0xff, ETH_ALEN);
	memcpy(frame + ETH_ALEN, q.ifr_hwaddr.sa_data, ETH_ALEN);
	return fd;
}

/* Return: where TCP begins. */
static size_t header_put(const char *own, const char *address)
{
	struct ip6_hdr v6 = {.ip6_plen = htons(sizeof(struct tcphdr)), .ip6_nxt = IPPROTO_TCP};
	struct iphdr v4 = {.version = 4,
		.ihl = 5,
		.ttl = 64,
		.protocol = IPPROTO_TCP,
		.tot_len = htons(sizeof(v4) + sizeof(struct tcphdr))};
	const bool is_v6 = strchr(address, ':');

	v6.ip6_flow = htonl(0x60000000);
	if (inet_pton(is_v6 ? AF_INET6 : AF_INET, own,
		    is_v6 ? (void *)&v6.ip6_src : (void *)&v4.saddr) != 1 ||
		inet_pton(is_v6 ? AF_INET6 : AF_INET, address,
			is_v6 ? (void *)&v6.ip6_dst : (void *)&v4.daddr) != 1)
		errx(2, "not two addresses: %s %s", own, address);
	frame[12] = is_v6 ? 0x86 : 0x08;
	frame[13] = is_v6 ? 0xdd : 0x00;
	memcpy(frame + ETH_HLEN, is_v6 ? (void *)&v6 : (void *)&v4,
		is_v6 ? sizeof(v6) : sizeof(v4));
	return ETH_HLEN + (is_v6 ? sizeof(v6) : sizeof(v4));
}

static bool is_answer(ssize_t size, size_t tcp_at, uint16_t port)
{
	struct tcphdr tcp;

	if (size < (ssize_t)(tcp_at + sizeof(tcp)))
		return false;
	memcpy(&tcp, frame + tcp_at, sizeof(tcp));
	return tcp.source == htons(port) && tcp.dest == htons(OWN_PORT) && tcp.syn && tcp.ack;
}

int main(int argc, char **argv)
{
	if (argc != 5)
		errx(2, "net_knock INTERFACE OWN-ADDRESS ADDRESS PORT");
	struct pollfd line = {.fd = line_open(argv[1]), .events = POLLIN};
	const uint16_t port = (uint16_t)strtoul(argv[4], NULL, 10);
	const struct tcphdr syn = {.source = htons(OWN_PORT),
		.dest = htons(port),
		.seq = htonl(1),
		.doff = 5,
		.syn = 1,
		.window = htons(8192)};
	const size_t tcp_at = header_put(argv[2], argv[3]);
	const time_t last = time(NULL) + WAIT_S;

	memcpy(frame + tcp_at, &syn, sizeof(syn));
	if (write(line.fd, frame, tcp_at + sizeof(syn)) < 0)
		err(1, "send");
	while (time(NULL) <= last) {
		if (poll(&line, 1, 1000) == 1 &&
			is_answer(read(line.fd, frame, sizeof(frame)), tcp_at, port)) {
			(void)puts("answered");
			return 0;
		}
	}
	(void)puts("silent");
	return 0;
}
