/* SPDX-License-Identifier: MIT */
#include "vmm/power.h"

#include "base/num.h"
#include "vmm/vm.h"

#include <string.h>

#define PC_RESET_CPU 0x04

/* Ref: ACPI 6.4, 4.8.3.7 sleep control: SLP_TYP in bits 2-4, SLP_EN in bit 5 */
static void sleep_control(struct vm *vm, uint8_t v)
{
	if (!(v & POWER_SLEEP_ENABLE))
		return;
	if ((v >> 2 & 7) == POWER_SLEEP_S5)
		vm_stop(vm, VM_POWEROFF, "powered off");
}

static uint64_t nothing_read(struct bus_range *r, uint64_t off, unsigned size)
{
	return 0;
}

static void acpi_write(struct bus_range *r, uint64_t off, unsigned size, uint64_t value)
{
	struct power *p = container_of(r, struct power, acpi);

	if (off == POWER_SLEEP_CONTROL - POWER_PORT)
		sleep_control(p->vm, (uint8_t)value);
	if (off == POWER_RESET - POWER_PORT && (value & 0xff) == POWER_RESET_VALUE)
		vm_stop(p->vm, VM_REBOOT, "rebooted");
}

void power_reset_control(struct vm *vm, uint64_t value)
{
	if (value & PC_RESET_CPU)
		vm_stop(vm, VM_REBOOT, "rebooted");
}

int power_init(struct power *p, struct vm *vm, struct err *e)
{
	*p = (struct power){
		.acpi =
			{
				.name = "power",
				.base = POWER_PORT,
				.size = 4,
				.read = nothing_read,
				.write = acpi_write,
			},
		.vm = vm,
	};
	return bus_add(&vm->ports, &p->acpi, e);
}

int power_press(struct power *p)
{
	int r = irq_line(&p->vm->irq, POWER_BUTTON_PIN, true);

	return r < 0 ? r : irq_line(&p->vm->irq, POWER_BUTTON_PIN, false);
}

void power_write_vector(uint8_t *at)
{
	static const uint8_t code[] = {
		0xba, POWER_RESET & 0xff, POWER_RESET >> 8, /* mov dx, POWER_RESET */
		0xb0, POWER_RESET_VALUE, /* mov al, POWER_RESET_VALUE */
		0xee, /* out dx, al */
		0xf4, /* hlt */
		0xeb, 0xfd, /* jmp to it */
	};

	_Static_assert(sizeof(code) <= POWER_VECTOR_SIZE, "the last 16 bytes below 1 MiB");
	memcpy(at, code, sizeof(code));
}
