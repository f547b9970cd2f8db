/* SPDX-License-Identifier: MIT */
/*
 * A guest without an operating system that lives for a moment: it reads a register that usher-vmm
 * emulates, as often as READS says, and switches itself off.
 */
#include "port.h"

#include <stdint.h>

#define LINE_STATUS 5
#define READS 2000U

void guest_main(const uint8_t *start_info);

void guest_main(const uint8_t *start_info)
{
	(void)start_info;
	for (unsigned i = 0; i < READS; i++)
		(void)in8(COM1 + LINE_STATUS);
	say("brief: done\n");
	out8(SLEEP_CONTROL, SLEEP_S5);
}
