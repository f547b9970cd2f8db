/* SPDX-License-Identifier: MIT */
/*
 * A program that leaves its device as it was when it worked, and who looks at that afterwards.
 *
 *	driver_mark leave           starts the NVMe controller it was handed, and ends at once
 *	driver_mark look ADDRESS    the controller's registers, by sysfs, past all drivers
 */
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "driver/nvme.h"
#include "facts.h"

static void show(uint32_t cc, uint32_t csts)
{
	printf("enabled %u, ready %u\n", cc & NVME_CC_EN, csts & NVME_CSTS_RDY);
	(void)fflush(stdout);
}

static int leave(void)
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
	show(cc, csts);
	_exit(0);
}

static int look(const char *address)
{
	const uint16_t memory = PCI_COMMAND_MEMORY, off = 0;
	char path[96];

	(void)snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", address);
	int config = open(path, O_RDWR | O_CLOEXEC);
	(void)snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource0", address);
	int bar = open(path, O_RDWR | O_CLOEXEC);
	if (config < 0 || bar < 0 || pwrite(config, &memory, sizeof(memory), PCI_COMMAND) != 2)
		return 1;
	const volatile uint8_t *p = mmap(NULL, NVME_PAGE, PROT_READ, MAP_SHARED, bar, 0);
	if (p == MAP_FAILED)
		return 1;
	show(*(const volatile uint32_t *)(const volatile void *)(p + NVME_CC),
		*(const volatile uint32_t *)(const volatile void *)(p + NVME_CSTS));
	return pwrite(config, &off, sizeof(off), PCI_COMMAND) != 2;
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "leave"))
		return leave();
	return argc == 3 && !strcmp(argv[1], "look") ? look(argv[2]) : 2;
}
