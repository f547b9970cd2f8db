/* SPDX-License-Identifier: MIT */
/*
 * A guest without an operating system that turns Bus Master Enable on in a card of QEMU's display,
 * 1234:1111, as a driver does; not with "idle" in its command line. Then it sleeps for ever.
 */
#include "port.h"

#include <stdint.h>

#define ECAM UINT64_C(0xe8000000)
#define BUSES 8U
#define DEVICES 32U
#define CARD_ID 0x11111234U
#define COMMAND 0x04U
#define COMMAND_DRIVES 0x0007U /* ports, memory, bus master */
#define START_INFO_CMDLINE \
	24U /* Ref: hvm_start_info, xen/include/public/arch-x86/hvm/start_info.h */

void guest_main(const uint8_t *start_info);

static int is_idle(const uint8_t *start_info)
{
	const char *at =
		(const char *)*(const uint64_t *)(const void *)(start_info + START_INFO_CMDLINE);

	for (; at && *at; at++)
		if (at[0] == 'i' && at[1] == 'd' && at[2] == 'l' && at[3] == 'e')
			return 1;
	return 0;
}

static void card_drive(void)
{
	for (uint64_t bus = 0; bus < BUSES; bus++)
		for (uint64_t device = 0; device < DEVICES; device++) {
			uint64_t at = ECAM + (bus << 20) + (device << 15);
			if (*(volatile uint32_t *)at == CARD_ID)
				*(volatile uint16_t *)(at + COMMAND) = COMMAND_DRIVES;
		}
}

void guest_main(const uint8_t *start_info)
{
	if (!is_idle(start_info))
		card_drive();
	say("drive: asleep\n");
	for (;;)
		__asm__ volatile("hlt");
}
