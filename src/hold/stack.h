/* SPDX-License-Identifier: MIT */
#ifndef HOLD_STACK_H
#define HOLD_STACK_H

#include "hold/view.h"

#define HOLD_INTERFACE_MAX 16 /* IFNAMSIZ */
#define HOLD_STACK_MAX 16 /* interfaces above one another */

/* An interface and what stands on it (a bridge, a bond, a VLAN, a PPP link), the lowest first. */
struct hold_stack {
	struct hold_case *c;
	size_t count;
	char names[HOLD_STACK_MAX][HOLD_INTERFACE_MAX];
};

bool hold_stack_has(const struct hold_stack *s, const char *name);
void hold_stack_add(struct hold_stack *s, const char *name);
/* Adds @name and all that sysfs shows above it, and above what is in the stack already. */
void hold_stack_fill(struct hold_stack *s, const char *name);
/* " through br0" for an interface above the lowest; "" for the lowest. */
const char *hold_stack_through(
	const struct hold_stack *s, const char *name, char *buf, size_t size);

/* Adds the interfaces of PPPoE sessions over the stack. Return: 0, -ENOMEM, -errno. */
int hold_stack_fill_ppp(struct hold_stack *s);

/*
 * Users that need no address: PPPoE sessions, packet sockets, protocols of the kernel, CAN. In a
 * listing the processes have no names. Return: 0, -ENOMEM, -errno.
 */
int hold_protocols(const struct hold_stack *s);

/* Connections of the device's Bluetooth adapters. Return: 0, -ENOMEM, -errno. */
int hold_bluetooth(struct hold_case *c);

#endif
