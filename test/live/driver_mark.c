/* SPDX-License-Identifier: MIT */
/*
 * Starts the NVMe controller that it inherits, and ends at once without closing it. exec_mark
 * checks afterwards what is left.
 */
#include "driver/nvme.h"
#include "facts.h"

#include <unistd.h>

int main(void)
{
	static struct nvme n;
	struct usher_device *dev = NULL;
	uint32_t cc = 0, csts = 0;

	if (usher_device_inherit(NULL, NULL, &dev, &e) < 0 || nvme_open(dev, NULL, &n, &e) < 0) {
		fact(0, "the driver starts");
		return 1;
	}
	(void)usher_read32(&n.registers, NVME_CC, &cc);
	(void)usher_read32(&n.registers, NVME_CSTS, &csts);
	printf("enabled %u, ready %u\n", cc & NVME_CC_EN, csts & NVME_CSTS_RDY);
	(void)fflush(stdout);
	_exit(0);
}
