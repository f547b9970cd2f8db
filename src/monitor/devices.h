/* SPDX-License-Identifier: MIT */
#ifndef MONITOR_DEVICES_H
#define MONITOR_DEVICES_H

#include "monitor/event.h"
#include "pci/aer.h"
#include "pci/device.h"

struct host;
struct uevent;

/* Whether a function on VFIO answers reads of its configuration space. */
enum seen_answers { SEEN_ANSWERS, SEEN_LOST, SEEN_HELD };

/* A function that is there, and what has been told of it. */
struct seen {
	struct pci_device device;
	bool has_aer, is_aer_port;
	uint64_t aer[PCI_AERS]; /* the kernel's counters, as told */
	uint64_t port_aer[PCI_AERS]; /* likewise, of a root port */
	enum seen_answers answers; /* as told */
};

struct seen_list {
	struct host *host;
	struct seen *list; /* by address */
	size_t count;
};

/* Reads what is there, and tells nothing. Return: 0, -errno. */
int seen_open(struct host *h, struct seen_list *ret);
void seen_close(struct seen_list *l);

struct seen *seen_find(const struct seen_list *l, struct pci_address a);

/* Follows an event of the kernel, and tells what it changes. */
void seen_follow(struct seen_list *l, const struct uevent *u, const struct monitor_teller *to);

/* Reads all again, and tells what was missed. */
void seen_reread(struct seen_list *l, const struct monitor_teller *to);

#endif
