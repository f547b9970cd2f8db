/* SPDX-License-Identifier: MIT */
#include "libvirt/connection.h"

#include "base/err.h"
#include "base/num.h"
#include "libvirt/calls.h"
#include "libvirt/hostdev.h"
#include "libvirt/uri.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct libvirt_connection {
	virConnectPtr connection;
};

struct libvirt_guest {
	virDomainPtr domain;
	char uuid[VIR_UUID_STRING_BUFLEN];
};

/* libvirt's sentence of the last failure, behind ours. Return: -EIO. */
static int say_failure(struct err *e, const char *what, const char *object)
{
	return err_say(e, -EIO, "%s '%s': %s", what, object, libvirt_calls_reason());
}

__attribute__((noreturn)) static void *events_run(void *arg)
{
	for (;;)
		if (vir.virEventRunDefaultImpl() < 0)
			(void)pause();
}

/* Has libvirt notice that the other side is stuck. Without it usher works as well. */
static bool events_start(void)
{
	static bool started;
	sigset_t all, before;
	pthread_t thread;

	if (started)
		return true;
	if (vir.virEventRegisterDefaultImpl() < 0)
		return false;
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	started = pthread_create(&thread, NULL, events_run, NULL) == 0;
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (started)
		(void)pthread_detach(thread);
	return started;
}

int libvirt_connect(const char *uri, bool readonly, struct libvirt_connection **ret, struct err *e)
{
	int r = libvirt_calls_load(e);
	if (r < 0)
		return r;
	struct libvirt_connection *c = calloc(1, sizeof(*c));
	if (!c)
		return err_set(e, -ENOMEM, "connect to libvirt");
	bool has_events = events_start();
	c->connection = libvirt_calls_connect(uri, readonly);
	if (!c->connection) {
		free(c);
		return libvirt_calls_explain(uri, e);
	}
	if (has_events)
		libvirt_calls_watch(c->connection);
	*ret = c;
	return 0;
}

void libvirt_disconnect(struct libvirt_connection *c)
{
	if (!c)
		return;
	(void)vir.virConnectClose(c->connection);
	free(c);
}

int libvirt_connection_is_local(struct libvirt_connection *c, struct err *e)
{
	char *uri = vir.virConnectGetURI(c->connection);

	if (!uri)
		return say_failure(e, "connect to", "libvirt");
	int r = libvirt_uri_is_local(uri)
			? 0
			: err_say(e, -EINVAL,
				  "libvirt at '%s' is of another host, whose devices "
				  "are not here",
				  uri);
	free(uri);
	return r;
}

static int read_xml(
	struct libvirt_guest *g, unsigned flags, struct libvirt_domain *ret, struct err *e)
{
	char *text = vir.virDomainGetXMLDesc(g->domain, flags);

	if (!text)
		return say_failure(e, "domain", vir.virDomainGetName(g->domain));
	int r = libvirt_domain_parse(text, strlen(text), ret, e);
	free(text);
	return r < 0 ? err_in(e, r, "domain '%s'", vir.virDomainGetName(g->domain)) : 0;
}

int libvirt_guest_state(struct libvirt_guest *g, struct libvirt_state *ret, struct err *e)
{
	*ret = (struct libvirt_state){.name = vir.virDomainGetName(g->domain), .uuid = g->uuid};
	if (vir.virDomainGetUUIDString(g->domain, g->uuid) < 0)
		g->uuid[0] = '\0';
	int active = vir.virDomainIsActive(g->domain),
	    persistent = vir.virDomainIsPersistent(g->domain);
	if (active < 0 || persistent < 0)
		return say_failure(e, "domain", ret->name);
	ret->runs = active;
	ret->persists = persistent;
	int r = active ? read_xml(g, 0, &ret->running, e) : 0;
	if (r == 0 && persistent)
		r = read_xml(g, VIR_DOMAIN_XML_INACTIVE, &ret->configured, e);
	if (r < 0)
		libvirt_state_fini(ret);
	return r;
}

void libvirt_state_fini(struct libvirt_state *s)
{
	libvirt_domain_fini(&s->running);
	libvirt_domain_fini(&s->configured);
}

static int by_name(const void *a, const void *b)
{
	virDomainPtr const *x = a, *y = b;

	return strcmp(vir.virDomainGetName(*x), vir.virDomainGetName(*y));
}

/* A domain that has vanished since the list was made is no failure. */
static bool has_vanished(void)
{
	virErrorPtr why = vir.virGetLastError();

	return why && why->code == VIR_ERR_NO_DOMAIN;
}

static int guest_visit(virDomainPtr domain, int (*each)(void *arg, const struct libvirt_state *s),
	void *arg, struct err *e)
{
	struct libvirt_guest g = {.domain = domain};
	struct libvirt_state s;

	int r = libvirt_guest_state(&g, &s, e);
	if (r < 0)
		return r == -EIO && has_vanished() ? 0 : r;
	r = each(arg, &s);
	libvirt_state_fini(&s);
	return r;
}

int libvirt_each_guest(struct libvirt_connection *c,
	int (*each)(void *arg, const struct libvirt_state *s), void *arg, struct err *e)
{
	virDomainPtr *list = NULL;
	int r = 0;

	int count = vir.virConnectListAllDomains(c->connection, &list, 0);
	if (count < 0)
		return say_failure(e, "list the domains of", "libvirt");
	if (count)
		qsort(list, (size_t)count, sizeof(*list), by_name);
	for (int i = 0; i < count; i++) {
		r = r ? r : guest_visit(list[i], each, arg, e);
		(void)vir.virDomainFree(list[i]);
	}
	free(list);
	return r;
}

int libvirt_guest_find(
	struct libvirt_connection *c, const char *name, struct libvirt_guest **ret, struct err *e)
{
	struct libvirt_guest *g = calloc(1, sizeof(*g));

	if (!g)
		return err_set(e, -ENOMEM, "domain '%s'", name);
	g->domain = vir.virDomainLookupByName(c->connection, name);
	if (!g->domain) {
		free(g);
		if (has_vanished())
			return err_say(e, -ENOENT, "libvirt has no domain '%s'", name);
		return say_failure(e, "domain", name);
	}
	*ret = g;
	return 0;
}

void libvirt_guest_free(struct libvirt_guest *g)
{
	if (!g)
		return;
	(void)vir.virDomainFree(g->domain);
	free(g);
}

static unsigned scope_flag(enum libvirt_scope scope)
{
	return scope == LIBVIRT_LIVE ? VIR_DOMAIN_AFFECT_LIVE : VIR_DOMAIN_AFFECT_CONFIG;
}

/*
 * Managed, also where usher has bound the device: libvirt remembers one that it does not manage,
 * and would leave it on vfio-pci when it binds it itself some other day.
 */
int libvirt_guest_attach(
	struct libvirt_guest *g, struct pci_address a, enum libvirt_scope scope, struct err *e)
{
	char text[LIBVIRT_HOSTDEV_TEXT], address[PCI_ADDRESS_TEXT];

	libvirt_hostdev_format(a, true, text);
	if (vir.virDomainAttachDeviceFlags(g->domain, text, scope_flag(scope)) < 0)
		return say_failure(e, "attach", pci_address_format(a, address));
	return 0;
}

int libvirt_guest_detach(
	struct libvirt_guest *g, struct pci_address a, enum libvirt_scope scope, struct err *e)
{
	char text[LIBVIRT_HOSTDEV_TEXT], address[PCI_ADDRESS_TEXT];

	libvirt_hostdev_format(a, false, text);
	if (vir.virDomainDetachDeviceFlags(g->domain, text, scope_flag(scope)) < 0)
		return say_failure(e, "detach", pci_address_format(a, address));
	return 0;
}
