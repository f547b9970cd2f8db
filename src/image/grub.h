/* SPDX-License-Identifier: MIT */
#ifndef IMAGE_GRUB_H
#define IMAGE_GRUB_H

#include "image/entry.h"
#include "image/variable.h"

/*
 * What GRUB would start by itself.
 *
 * @text: grub.cfg, ending with a NUL. @v: has what GRUB's environment block saved; what the script
 * sets is added. *@ret_bls: the script takes entries of the Boot Loader Specification, of which
 * variable "default" names one.
 * Return: 0; -ENOENT no entry starts a kernel; -ENOMEM.
 */
int grub_choose(const char *text, struct variables *v, struct boot_entry *ret, bool *ret_bls);

#endif
