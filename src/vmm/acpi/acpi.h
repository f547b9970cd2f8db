/* SPDX-License-Identifier: MIT */
#ifndef VMM_ACPI_ACPI_H
#define VMM_ACPI_ACPI_H

#include "vmm/gpa.h"
#include "vmm/pci/root.h"

#include <stddef.h>
#include <stdint.h>

struct err;

/*
 * The tables that describe the machine to the guest. They are hardware-reduced ACPI: a PIC, PIT,
 * RTC, PM timer and SCI need not exist, and the guest does not look for them.
 * Ref: ACPI 6.4, 5.2; PCI Firmware 3.2 for MCFG
 */
struct acpi_machine {
	unsigned cpu_count;
	uint32_t lapic;
	uint32_t ioapic;
	struct pci_window ecam;
	struct pci_windows windows;
	unsigned slots; /* of bus 0 in use: each gets INTx routes */
	uint16_t conf1; /* eight ports of configuration mechanism 1 */
	uint16_t com1; /* port */
	unsigned com1_pin;
	uint16_t panic; /* port of pvpanic */
	unsigned button_pin; /* interrupt of the power button */
	uint16_t sleep_control; /* ports */
	uint16_t sleep_status;
	uint16_t reset;
	uint8_t reset_value;
	uint8_t sleep_s5;
};

/*
 * Writes all tables to @buf, the RSDP first. @gpa: where the guest will see them, below 4 GiB and
 * aligned to 16 bytes. Return: bytes written, -ENOSPC.
 */
int acpi_build(const struct acpi_machine *m, uint8_t *buf, size_t size, gpa_t gpa, struct err *e);

#endif
