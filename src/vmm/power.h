/* SPDX-License-Identifier: MIT */
#ifndef VMM_POWER_H
#define VMM_POWER_H

#include "vmm/bus.h"

struct err;
struct vm;

/*
 * The registers by which a guest powers off or asks for a reset: ACPI's sleep control and reset
 * registers, and the PC's reset control register at 0xcf9. Each ends the VM. And the power button.
 * Context: any thread; nothing is kept, so no lock is needed.
 */
#define POWER_PORT 0x600
#define POWER_SLEEP_CONTROL (POWER_PORT + 0)
#define POWER_SLEEP_STATUS (POWER_PORT + 1)
#define POWER_RESET (POWER_PORT + 2)
#define POWER_RESET_VALUE 1
#define POWER_SLEEP_S5 5 /* SLP_TYP of soft-off, as \_S5 tells the guest */
#define POWER_SLEEP_ENABLE 0x20
#define POWER_BUTTON_PIN 5 /* edge; the serial port has 4, INTx of PCI 16 and above */

struct power {
	struct bus_range acpi;
	struct vm *vm;
};

int power_init(struct power *p, struct vm *vm, struct err *e);

/*
 * Presses the power button: a pulse of its interrupt. What follows is up to the guest.
 * Context: main thread. Return: 0, -errno of KVM.
 */
int power_press(struct power *p);

/* A write to the PC's reset control register, which is a byte of another device's ports. */
void power_reset_control(struct vm *vm, uint64_t value);

/*
 * Writes code that asks for a reset to where a PC's processor starts, and where a BIOS would begin.
 * Linux with hardware-reduced ACPI reboots by EFI; without EFI it goes back to real mode and jumps
 * here, and does not use the reset register. @at: POWER_VECTOR_SIZE bytes, which the
 * guest is to see at POWER_VECTOR.
 */
#define POWER_VECTOR 0xffff0
#define POWER_VECTOR_SIZE 16
void power_write_vector(uint8_t *at);

#endif
