/* SPDX-License-Identifier: MIT */
#ifndef IMAGE_VERSION_H
#define IMAGE_VERSION_H

/*
 * Compares names of kernels by their numbers and words, as `sort -V` does: 6.10 is newer than 6.9,
 * and 6.1~rc1 older than 6.1. Return: < 0, 0, > 0.
 */
int version_compare(const char *a, const char *b);

#endif
