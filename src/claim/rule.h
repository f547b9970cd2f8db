/* SPDX-License-Identifier: MIT */
#ifndef CLAIM_RULE_H
#define CLAIM_RULE_H

#include "claim/claim.h"

#define CLAIM_RULE_PATH "/etc/udev/rules.d/07-usher.rules"

/*
 * The udev rule of all good claims. udev carries an assignment to ATTR out while it reads the
 * rules, and loads modules only after all of them: a driver_override that is set here comes
 * before any native driver, and keeps it off also where vfio-pci is not loaded yet. In /etc, not
 * /usr/lib: initramfs-tools copies only what is there.
 *
 * *@ret is the caller's to free(). Return: length; 0 without such a claim; -ENOMEM, -ENAMETOOLONG.
 */
int claim_rule_format(const struct claim *claims, size_t count, char **ret);

/* Writes the rule of the claims in @folder to @path, or removes it. Return: 0, -errno. */
int claim_rule_write(struct host *h, const char *folder, const char *path, struct err *e);

#endif
