/* SPDX-License-Identifier: MIT */
#ifndef LIBVIRT_URI_H
#define LIBVIRT_URI_H

/*
 * What a URI of libvirt says about where its hypervisor is:
 *
 *	DRIVER[+TRANSPORT]://[USER@][HOST][:PORT]/PATH[?…]
 *
 * Ref: https://libvirt.org/uri.html
 */

#include <stdbool.h>

/* True for a name that libvirt's configuration replaces by a URI. */
bool libvirt_uri_is_alias(const char *uri);

/*
 * True if the devices of its domains are those of this machine. A port, or a program that makes the
 * connection, may lead to any other.
 */
bool libvirt_uri_is_local(const char *uri);

/* True if its domains are those of the system's daemon, which has them in LIBVIRT_RUN_DIR. */
bool libvirt_uri_is_system(const char *uri);

#endif
