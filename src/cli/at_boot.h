/* SPDX-License-Identifier: MIT */
#ifndef CLI_AT_BOOT_H
#define CLI_AT_BOOT_H

#include <stdbool.h>

struct err;

/*
 * Has systemd start the saved guest @name at each boot, by usher-guest@NAME.service, or not any
 * more. Return: 0; -ENOENT there is no systemctl; -EIO it has said what fails; -errno.
 */
int at_boot_mark(const char *name, bool on, struct err *e);

#endif
