/* SPDX-License-Identifier: MIT */
/* nvme_admin DEVICE OPCODE CDW10 CDW11: one admin command without data, by the kernel's driver. */
#include <fcntl.h>
#include <linux/nvme_ioctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

static unsigned number(const char *text)
{
	return (unsigned)strtoul(text, NULL, 0);
}

int main(int argc, char **argv)
{
	if (argc != 5) {
		(void)fprintf(stderr, "usage: nvme_admin DEVICE OPCODE CDW10 CDW11\n");
		return 2;
	}
	struct nvme_admin_cmd command = {
		.opcode = (unsigned char)number(argv[2]),
		.cdw10 = number(argv[3]),
		.cdw11 = number(argv[4]),
	};
	int fd = open(argv[1], O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		perror(argv[1]);
		return 1;
	}
	int status = ioctl(fd, NVME_IOCTL_ADMIN_CMD, &command);
	(void)close(fd);
	if (status < 0)
		perror("NVME_IOCTL_ADMIN_CMD");
	if (status > 0)
		(void)fprintf(stderr, "nvme_admin: status 0x%x\n", (unsigned)status);
	return status != 0;
}
