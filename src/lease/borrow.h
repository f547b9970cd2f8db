/* SPDX-License-Identifier: MIT */
#ifndef LEASE_BORROW_H
#define LEASE_BORROW_H

#include "control/request.h"
#include "pci/address.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct control_value;
struct err;

/* A borrower's side of a lease. */
struct borrowed {
	size_t count;
	struct pci_address addresses[CONTROL_GIVEN_MAX];
	int devices[CONTROL_GIVEN_MAX]; /* descriptors */
	int container; /* likewise; -1: none */
};

#define BORROWED_NONE ((struct borrowed){.container = -1})

/*
 * Takes over the descriptors that came with a keeper's answer: the container's, then one for each
 * device. @fds: -1 afterwards. Return: 0; -EPROTO with nothing taken.
 */
int borrowed_take(
	const struct control_value *answer, int *fds, size_t fd_count, struct borrowed *ret);

/*
 * Has the keeper of a lease hand over its descriptors, closed on exec. @ret: borrowed_close() in
 * any case. Return: 0; as control_connect() and control_ask(); -EPROTO.
 */
int borrow_descriptors(const char *run_dir, const char *name, struct borrowed *ret, struct err *e);

/* The same, if the lease is @user's, or @user is root. Return: likewise; -EACCES. */
int borrow_descriptors_as(
	const char *run_dir, const char *name, uid_t user, struct borrowed *ret, struct err *e);
void borrowed_close(struct borrowed *b);

/*
 * Lets a program that this process becomes inherit them: usher_device_inherit() finds them there.
 * Return: 0, -errno.
 */
int borrowed_inherit(const struct borrowed *b);

/* What the keeper says of its lease; *@ret is for control_value_free(). Return: likewise. */
int borrow_state(const char *run_dir, const char *name, struct control_value **ret, struct err *e);

/* True if its keeper was killed: what is left of it is a folder. Anybody may ask that. */
bool borrow_is_dead(const char *run_dir, const char *name);

/* [ms] A keeper kills, resets, and gives each device to its driver, beyond the borrower's time. */
#define BORROW_END_MS 120000

/*
 * Asks the keeper to end its lease, by @request ("return", "stop"), and waits for the devices.
 * Return: 0; -ENOENT there is no such lease; -EUCLEAN a device stays on VFIO; -ETIMEDOUT the keeper
 * says nothing for @patience_ms; -errno.
 */
int borrow_end(
	const char *run_dir, const char *name, const char *request, int patience_ms, struct err *e);

#endif
