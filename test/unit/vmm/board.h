/* SPDX-License-Identifier: MIT */
#ifndef TEST_UNIT_VMM_BOARD_H
#define TEST_UNIT_VMM_BOARD_H

#include "vmm/acpi/acpi.h"

/* A machine with the addresses and ports of usher-vmm's. It has no processors, slots or windows. */
static inline struct acpi_machine board_make(void)
{
	return (struct acpi_machine){
		.lapic = 0xfee00000,
		.ioapic = 0xfec00000,
		.conf1 = 0xcf8,
		.com1 = 0x3f8,
		.com1_pin = 4,
		.panic = 0x505,
		.button_pin = 5,
		.sleep_control = 0x600,
		.sleep_status = 0x601,
		.reset = 0x602,
		.reset_value = 1,
		.sleep_s5 = 5,
	};
}

#endif
