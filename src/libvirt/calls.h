/* SPDX-License-Identifier: MIT */
#ifndef LIBVIRT_CALLS_H
#define LIBVIRT_CALLS_H

/* libvirt's functions, loaded at run time. */

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <stdbool.h>

struct err;

#define LIBVIRT_CALLS(X)                    \
	X(virConnectClose)                  \
	X(virConnectDomainEventRegisterAny) \
	X(virConnectGetCapabilities)        \
	X(virConnectGetURI)                 \
	X(virConnectListAllDomains)         \
	X(virConnectOpenAuth)               \
	X(virConnectRegisterCloseCallback)  \
	X(virConnectSetKeepAlive)           \
	X(virDomainAttachDeviceFlags)       \
	X(virDomainBlockResize)             \
	X(virDomainCreateXML)               \
	X(virDomainDestroyFlags)            \
	X(virDomainDetachDeviceFlags)       \
	X(virDomainFree)                    \
	X(virDomainGetBlockInfo)            \
	X(virDomainGetName)                 \
	X(virDomainGetState)                \
	X(virDomainGetUUIDString)           \
	X(virDomainGetXMLDesc)              \
	X(virDomainIsActive)                \
	X(virDomainIsPersistent)            \
	X(virDomainLookupByName)            \
	X(virDomainLookupByUUIDString)      \
	X(virDomainReset)                   \
	X(virDomainResume)                  \
	X(virDomainShutdownFlags)           \
	X(virDomainSuspend)                 \
	X(virDomainUpdateDeviceFlags)       \
	X(virEventAddHandle)                \
	X(virEventAddTimeout)               \
	X(virEventRegisterDefaultImpl)      \
	X(virEventRemoveHandle)             \
	X(virEventRunDefaultImpl)           \
	X(virEventUpdateHandle)             \
	X(virEventUpdateTimeout)            \
	X(virGetLastError)                  \
	X(virSetErrorFunc)

struct libvirt_calls {
#define LIBVIRT_CALL_SLOT(name) __typeof__(name) *name;
	LIBVIRT_CALLS(LIBVIRT_CALL_SLOT)
};

extern struct libvirt_calls vir;

/* Return: 0, -ENOPKG. */
int libvirt_calls_load(struct err *e);

/*
 * Connects. A daemon of this host that accepts the connection and then says nothing ends this
 * process, with a sentence: nothing may have been changed before. Return: NULL.
 */
virConnectPtr libvirt_calls_connect(const char *uri, bool readonly);

/* Why there is no connection, and what to do about this host's daemon. Return: -EIO. */
int libvirt_calls_explain(const char *uri, struct err *e);

/* Has libvirt close a connection whose other side is stuck. The caller runs libvirt's events. */
void libvirt_calls_watch(virConnectPtr c);

/* libvirt's sentence of the last failure. Return: static until the next call of libvirt. */
const char *libvirt_calls_reason(void);

#endif
