/* SPDX-License-Identifier: MIT */
/* net_echo PORT: sends every datagram that comes to the UDP port back to its sender. */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	static char text[2048];

	if (argc != 2)
		errx(2, "net_echo PORT");
	const struct sockaddr_in at = {
		.sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10))};
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&at, sizeof(at)) < 0)
		err(1, "port %s", argv[1]);
	for (;;) {
		struct sockaddr_storage sender;
		socklen_t len = sizeof(sender);
		const ssize_t size =
			recvfrom(fd, text, sizeof(text), 0, (struct sockaddr *)&sender, &len);

		if (size < 0 ||
			sendto(fd, text, (size_t)size, 0, (struct sockaddr *)&sender, len) < 0)
			err(1, "an answer");
	}
}
