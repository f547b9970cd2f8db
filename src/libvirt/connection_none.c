/* SPDX-License-Identifier: MIT */
/* For a build without libvirt's headers: there is never a connection. */
#include "base/err.h"
#include "libvirt/connection.h"

#include <errno.h>

static int connection_refuse(struct err *e)
{
	return err_say(e, -ENOPKG, "this usher was built without libvirt");
}

int libvirt_connect(const char *uri, bool readonly, struct libvirt_connection **ret, struct err *e)
{
	return connection_refuse(e);
}

void libvirt_disconnect(struct libvirt_connection *c)
{
}

int libvirt_connection_is_local(struct libvirt_connection *c, struct err *e)
{
	return connection_refuse(e);
}

int libvirt_each_guest(struct libvirt_connection *c,
	int (*each)(void *arg, const struct libvirt_state *s), void *arg, struct err *e)
{
	return connection_refuse(e);
}

int libvirt_guest_find(
	struct libvirt_connection *c, const char *name, struct libvirt_guest **ret, struct err *e)
{
	return connection_refuse(e);
}

void libvirt_guest_free(struct libvirt_guest *g)
{
}

int libvirt_guest_state(struct libvirt_guest *g, struct libvirt_state *ret, struct err *e)
{
	return connection_refuse(e);
}

void libvirt_state_fini(struct libvirt_state *s)
{
}

int libvirt_guest_attach(
	struct libvirt_guest *g, struct pci_address a, enum libvirt_scope scope, struct err *e)
{
	return connection_refuse(e);
}

int libvirt_guest_detach(
	struct libvirt_guest *g, struct pci_address a, enum libvirt_scope scope, struct err *e)
{
	return connection_refuse(e);
}
