/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_LIBVIRT_XML_H
#define ENGINE_LIBVIRT_XML_H

#include <sys/types.h>

struct err;
struct guest_spec;

/*
 * The domain as which libvirt runs @s: usher has bound the devices, and libvirt leaves them there.
 * @run_dir: BIND_STATE_DIR, for ports. @keeper: the process that has the devices; usher's hook lets
 * its domain start (libvirt/domain.h). @uuid: of the domain. *@ret is the caller's to free().
 * Return: its length; -EINVAL a text of @s cannot be in XML; -ENOENT, -errno of a file; -ENOMEM.
 */
int libvirt_xml_write(const struct guest_spec *s, const char *run_dir, pid_t keeper,
	const char *uuid, char **ret, struct err *e);

#define LIBVIRT_CONSOLE "port-:console" /* the socket of its console, in the guest's folder */

#endif
