/* SPDX-License-Identifier: MIT */
#ifndef WIRE_CALL_H
#define WIRE_CALL_H

#include "pci/address.h"
#include "wire/message.h"

/*
 * What usher-vmm asks of the keeper, which holds the VFIO groups. One struct serves calls and
 * answers; an answer has the call's id.
 *
 * WIRE_RESET_BUS: reset the bus of @device with all that is on it. Answer: 0; -EPERM a function
 * there is of a group that is not the guest's; -errno of the kernel.
 * WIRE_LEND_GROUP: the descriptor of VFIO group @group, for KVM alone, which keeps the group by
 * itself: kernels before 6.6 learn of a device only by its group. usher-vmm closes it at once.
 * Answer: -EPERM this kernel takes the device's descriptor (engine/lend.h).
 * WIRE_LEND_BACKEND: a new connection to the vhost-user back end of virtio device @group of the
 * description. Answer: its socket; -ENODEV nobody starts it again; -errno of connect(2).
 * WIRE_LEND_SOCKET: a connection to the socket of the host that is port @group, as an unsigned
 * number, for the guest. Answer: its socket; -ENODEV the guest has no such ports; -errno of
 * connect(2).
 * WIRE_LEAVE_GROUP: no device of @group is left in the guest: take it out of the I/O address space
 * and close it, so that the host does not wait for it.
 */
struct wire_call {
	struct wire_header header;
	struct wire_address {
		uint32_t domain;
		uint8_t bus;
		uint8_t dev;
		uint8_t fn;
		uint8_t zero;
	} device;
	int32_t group;
	int32_t result; /* of an answer: 0, -errno */
};

static inline struct wire_address wire_address_of(struct pci_address a)
{
	return (struct wire_address){.domain = a.domain, .bus = a.bus, .dev = a.dev, .fn = a.fn};
}

/* Return: 0, -EPROTO no address. */
int wire_address_parse(const struct wire_address *w, struct pci_address *ret);

/* Checks that @c is a call and that all of its fields are in bounds. Return: 0, -EPROTO. */
int wire_call_check(const struct wire_call *c);

#endif
