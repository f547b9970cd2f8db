/* SPDX-License-Identifier: MIT */
#ifndef CLAIM_STRAY_H
#define CLAIM_STRAY_H

#include "bind/bind.h"

/*
 * Gives a device that a claim's udev rule kept from its driver by mistake (struct claim_judgement) to
 * the driver that fits. @override is what the rule sets: one with another override, or with a
 * driver, is left alone, unless that is the VFIO one of the override.
 * Return: 1 given back, with @ret; 0 nothing to do; -EPERM in use, or bound by usher; -EBUSY,
 * -ETIMEDOUT, -errno. What is broken off is bind_restore()'s.
 */
int claim_stray_return(const struct bind_env *env, const struct pci_device *stray,
	const char *override, struct bind_report *ret, struct err *e);

#endif
