/* SPDX-License-Identifier: MIT */
#include "vmm/load.h"

#include "vmm/boot.h"
#include "vmm/cpu.h"
#include "vmm/machine.h"

static void fill_map(const struct machine *m, struct boot_info *info)
{
	const struct machine_map *map = m->map;
	uint64_t reserved = BOOT_KERNEL_MIN - 0xa0000; /* here a PC has the ROMs of its adapters */

	boot_add_map(info, 0, 0xa0000, BOOT_RAM);
	boot_add_map(info, 0xa0000, reserved, BOOT_RESERVED);
	boot_add_map(info, BOOT_KERNEL_MIN, m->layout.ram[0].size - BOOT_KERNEL_MIN, BOOT_RAM);
	for (size_t i = 1; i < m->layout.count; i++)
		boot_add_map(info, m->layout.ram[i].base, m->layout.ram[i].size, BOOT_RAM);
	/* Linux accepts ECAM only in a range that the memory map reserves as well. */
	boot_add_map(info, map->ecam.base, map->ecam.size, BOOT_RESERVED);
	boot_add_map(info, map->identity, 4 * MEMORY_PAGE, BOOT_RESERVED);
}

int load_guest(struct machine *m, struct err *e)
{
	const struct machine_spec *spec = m->spec;
	struct boot_info info = {.cmdline = spec->cmdline, .rsdp = GPA(m->map->tables.base)};
	struct boot_kernel kernel;

	int r = boot_load_kernel(&m->vm.memory, &spec->kernel, &kernel, e);
	if (r >= 0 && spec->initrd.fd >= 0)
		r = boot_load_initrd(&m->vm.memory, &spec->initrd, kernel.end,
			m->layout.ram[0].size, &info.initrd, e);
	if (r < 0)
		return r;
	fill_map(m, &info);
	r = boot_write_info(&m->vm.memory, &info, e);
	return r < 0 ? r : cpus_enter(&m->vm, kernel.entry, BOOT_START_INFO, e);
}
