/* SPDX-License-Identifier: MIT */
#ifndef CLAIM_STRAY_H
#define CLAIM_STRAY_H

#include "bind/bind.h"

/*
 * Returns a device that a claim's udev rule keeps from its driver by mistake (struct
 * claim_judgement) to the driver that matches. @override is the override that the rule sets; a
 * device with another override, or on another driver, is left alone.
 * Return: 1 returned, with @ret; 0 nothing to do; -EPERM in use, or bound by usher; -EBUSY,
 * -ETIMEDOUT, -errno. bind_restore() completes an interrupted call.
 */
int claim_stray_return(const struct bind_env *env, const struct pci_device *stray,
	const char *override, struct bind_report *ret, struct err *e);

#endif
