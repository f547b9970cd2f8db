/* SPDX-License-Identifier: MIT */
#include "vmm/pci/conf1.h"

#include "base/bits.h"
#include "base/num.h"
#include "vmm/pci/root.h"
#include "vmm/power.h"
#include "vmm/vm.h"

#define SELECT_ENABLE BIT32(31)
#define SELECT_BITS 0x80fffffcU /* the others are reserved, or 0 by definition */
#define RESET_CONTROL 1 /* offset of the PC's register: an access of one byte */

static uint64_t address_read(struct bus_range *r, uint64_t off, unsigned size)
{
	struct pci_conf1 *c = container_of(r, struct pci_conf1, address);

	if (size == 4)
		return __atomic_load_n(&c->selected, __ATOMIC_RELAXED);
	return size == 1 && off == RESET_CONTROL ? 0 : all_ones(size);
}

/* Other sizes are not for this register: hardware passes them on as accesses to ports. */
static void address_write(struct bus_range *r, uint64_t off, unsigned size, uint64_t value)
{
	struct pci_conf1 *c = container_of(r, struct pci_conf1, address);

	if (size == 4)
		__atomic_store_n(&c->selected, (uint32_t)value & SELECT_BITS, __ATOMIC_RELAXED);
	else if (size == 1 && off == RESET_CONTROL)
		power_reset_control(c->vm, value);
}

static uint64_t data_read(struct bus_range *r, uint64_t off, unsigned size)
{
	struct pci_conf1 *c = container_of(r, struct pci_conf1, data);
	uint32_t s = __atomic_load_n(&c->selected, __ATOMIC_RELAXED);

	if (!(s & SELECT_ENABLE))
		return all_ones(size);
	return pci_config_read_at(
		c->vm->pci, s >> 16 & 0xff, s >> 8 & 0xff, (s & 0xfc) + (unsigned)off, size);
}

static void data_write(struct bus_range *r, uint64_t off, unsigned size, uint64_t value)
{
	struct pci_conf1 *c = container_of(r, struct pci_conf1, data);
	uint32_t s = __atomic_load_n(&c->selected, __ATOMIC_RELAXED);

	if (s & SELECT_ENABLE)
		pci_config_write_at(c->vm->pci, s >> 16 & 0xff, s >> 8 & 0xff,
			(s & 0xfc) + (unsigned)off, size, (uint32_t)value);
}

int conf1_init(struct pci_conf1 *c, struct vm *vm, struct err *e)
{
	*c = (struct pci_conf1){
		.address =
			{
				.name = "config address",
				.base = CONF1_ADDRESS,
				.size = 4,
				.read = address_read,
				.write = address_write,
			},
		.data =
			{
				.name = "config data",
				.base = CONF1_DATA,
				.size = 4,
				.read = data_read,
				.write = data_write,
			},
		.vm = vm,
	};
	int r = bus_add(&vm->ports, &c->address, e);
	return r < 0 ? r : bus_add(&vm->ports, &c->data, e);
}

void conf1_reset(struct pci_conf1 *c)
{
	__atomic_store_n(&c->selected, 0, __ATOMIC_RELAXED);
}
