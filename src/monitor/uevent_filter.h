/* SPDX-License-Identifier: MIT */
#ifndef MONITOR_UEVENT_FILTER_H
#define MONITOR_UEVENT_FILTER_H

/*
 * Has the kernel drop events of what is certainly no PCI function, before anybody wakes up: a
 * driver of a disk or a network card that comes or goes causes a dozen of them. The socket gets all
 * events of PCI functions, and some of others. Return: 0, -errno.
 */
int uevent_filter(int fd);

#endif
