/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_DAEMON_H
#define DAEMON_DAEMON_H

#include "daemon/news.h"
#include "pci/device.h"

#include <stddef.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

struct claim_list;
struct host;
struct job;
struct kept;
struct kept_waiter;
struct request;
struct untold;
struct watch;

/* Names on the bus. The number grows when a member goes away or changes its meaning. */
#define BUS_NAME "org.usher.Usher1"
#define BUS_PATH "/org/usher/Usher1"
#define BUS_API_VERSION 1

/*
 * usherd. What it knows is a copy: of the host's devices, and of what the keepers say at their
 * sockets. So it may be killed at any time, and a new one knows the same.
 */
struct daemon {
	sd_event *event;
	sd_bus *bus;
	struct host *host;
	const char *run_dir; /* BIND_STATE_DIR */
	const char *usher; /* path of the program that does all work */
	const char *memlock; /* as for `usher lease --memlock`; NULL: limits stay */
	struct claim_list *claims;
	struct pci_device *devices; /* by address */
	size_t device_count;
	int uevents; /* the kernel's events of devices; -1 */
	struct untold *untold; /* devices whose driver is another one than the bus knows, a list */
	struct news drivers;
	struct kept *kept; /* leases and guests, a list */
	struct kept_waiter *waiters; /* a list */
	sd_event_source *rescan; /* a keeper that is not connected yet is tried again */
	unsigned rescan_count; /* since the last change of a folder */
	struct request *requests; /* of ordinary users, that wait or are at work; a list */
	struct job *jobs; /* a list */
	size_t job_count;
	uint32_t job_last; /* number of the last one */
	struct watch *watch; /* what the daemon does by itself */
};

#endif
