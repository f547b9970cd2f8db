/* SPDX-License-Identifier: MIT */
#ifndef PROGRAM_NAMESPACES_H
#define PROGRAM_NAMESPACES_H

#include <stdint.h>

/*
 * The setting that lets ordinary users make user namespaces, where the host forbids it, as
 * sysctl(8) takes it. Distributions have different ones. @settings: "/proc/sys". Return: NULL none
 * of those that usher knows forbids it.
 */
const char *namespaces_setting(const char *settings);

/*
 * The first kind of namespace of @wanted (CLONE_NEW…) that the kernel was built without: "PID".
 * @own: "/proc/self/ns". Return: NULL it has all, or no procfs shows them.
 */
const char *namespaces_missing(const char *own, uint64_t wanted);

#endif
