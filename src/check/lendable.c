/* SPDX-License-Identifier: MIT */
#include "bind/gate.h"
#include "check/verdict.h"

#include <string.h>

/*
 * What a person may want to lend, by its class: the first screen is about these. A function of the
 * chipset that has such a class only on paper (a balloon, the security processor) is none.
 * Ref: PCI Code and ID Assignment Specification 1.15, section 1.
 */

#define BASE_NONE 0x00
#define BASE_STORAGE 0x01
#define BASE_NETWORK 0x02
#define BASE_DISPLAY 0x03
#define BASE_MULTIMEDIA 0x04
#define BASE_BRIDGE 0x06
#define BASE_PROCESSOR 0x0b
#define CLASS_COPROCESSOR 0x0b40
#define BASE_WIRELESS 0x0d
#define BASE_CRYPTO 0x10
#define BASE_ACCELERATOR 0x12
#define BASE_DUMMY 0x13 /* "non-essential instrumentation" */
#define BASE_UNASSIGNED 0xff
#define BASE_SERIAL_BUS 0x0c
#define CLASS_FIREWIRE 0x0c00
#define CLASS_USB 0x0c03
#define CLASS_FIBRE 0x0c04
#define CLASS_INFINIBAND 0x0c06
#define VENDOR_AMD 0x1022
#define VENDOR_VIRTIO 0x1af4

/* Not on a root bus; `bus` is a reset that only a bridge above offers. */
static bool is_in_slot(const struct pci_device *d)
{
	return d->has_parent || strstr(d->reset_method, "bus");
}

bool check_may_lend(const struct pci_device *d)
{
	unsigned base = d->class >> 16, kind = d->class >> 8;

	if (d->is_bridge || bind_is_platform(d))
		return false;
	switch (base) {
	case BASE_STORAGE:
	case BASE_NETWORK:
	case BASE_DISPLAY:
	case BASE_MULTIMEDIA:
	case BASE_WIRELESS:
	case BASE_ACCELERATOR:
	case BASE_UNASSIGNED:
		return true;
	case BASE_CRYPTO:
		return d->vendor != VENDOR_AMD; /* the security processor */
	case BASE_PROCESSOR:
		return kind == CLASS_COPROCESSOR; /* QuickAssist, for example */
	case BASE_BRIDGE:
	case BASE_DUMMY:
		return false;
	case BASE_NONE: /* an early accelerator, or the balloon of a guest */
		return is_in_slot(d) && d->vendor != VENDOR_VIRTIO;
	case BASE_SERIAL_BUS:
		return kind == CLASS_USB || kind == CLASS_FIREWIRE || kind == CLASS_FIBRE ||
		       kind == CLASS_INFINIBAND;
	default: /* a serial card, a Coral or an FPGA; on a root bus it is the chipset's */
		return is_in_slot(d);
	}
}
