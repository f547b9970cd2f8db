/* SPDX-License-Identifier: MIT */
#ifndef PROGRAM_NAMESPACES_H
#define PROGRAM_NAMESPACES_H

/*
 * The setting that lets ordinary users make user namespaces, where the host forbids it, as
 * sysctl(8) takes it. Distributions have different ones. @settings: "/proc/sys". Return: NULL none
 * of those that usher knows forbids it.
 */
const char *namespaces_setting(const char *settings);

#endif
