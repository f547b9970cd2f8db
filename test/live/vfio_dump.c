/* SPDX-License-Identifier: MIT */
/*
 * Prints what VFIO says of a device, in the form of the fixtures under test/unit/fixture/vfio:
 *
 *	config SIZE                     configuration space; lines of "OFFSET: BYTES" follow
 *	region INDEX SIZE FLAGS [OFF+SIZE …]   with the areas that may be mapped, all in hex
 *	irq INDEX COUNT FLAGS
 *
 * vfio_dump ADDRESS GROUP: the device is on vfio-pci already.
 */
#include "member.h"
#include "vfio/irq.h"
#include "vfio/region.h"

#include <inttypes.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <string.h>

static void dump_config(const uint8_t *config, size_t size)
{
	static const uint8_t zero[16];

	printf("config %zu\n", size);
	for (size_t off = 0; off < size; off += 16) {
		if (memcmp(config + off, zero, 16) == 0)
			continue;
		printf("%03zx:", off);
		for (size_t i = 0; i < 16; i++)
			printf(" %02x", config[off + i]);
		printf("\n");
	}
}

static int dump(struct vfio_dev *d, struct err *e)
{
	uint8_t config[4096];
	struct vfio_region r;
	struct vfio_irqs q;

	for (uint32_t i = 0; i < d->region_count; i++) {
		if (vfio_region_info(d, i, &r, NULL) < 0 || !r.size)
			continue;
		printf("region %u %" PRIx64 " %x", i, r.size, r.flags);
		for (size_t n = 0; n < r.area_count; n++)
			printf(" %" PRIx64 "+%" PRIx64, r.areas[n].off, r.areas[n].size);
		printf("\n");
	}
	for (uint32_t i = 0; i < d->irq_count; i++)
		if (!vfio_irq_info(d, i, &q, NULL) && q.count)
			printf("irq %u %u %x\n", i, q.count, q.flags);
	int code = vfio_region_info(d, VFIO_PCI_CONFIG_REGION_INDEX, &r, e);
	if (code < 0)
		return code;
	size_t size = r.size < sizeof(config) ? r.size : sizeof(config);
	code = vfio_region_read(d, &r, 0, config, size);
	if (code < 0)
		return err_set(e, code, "read configuration space");
	dump_config(config, size);
	return 0;
}

int main(int argc, char **argv)
{
	struct vfio_ioas ioas = VFIO_IOAS_NONE;
	struct vfio_dev d = VFIO_DEV_NONE;
	struct err e = {0};

	int status = member_open("vfio_dump", argc, argv, &ioas, &d);
	if (status)
		return status;
	return dump(&d, &e) < 0 ? member_failed("vfio_dump", &e) : 0;
}
