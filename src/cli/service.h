/* SPDX-License-Identifier: MIT */
#ifndef CLI_SERVICE_H
#define CLI_SERVICE_H

#include "lease/borrow.h"

#include <stdbool.h>
#include <stdint.h>

struct control_value;
struct err;

/*
 * usherd as a client sees it: what an ordinary user may ask for over D-Bus (usherd(8)). The library
 * of the bus is loaded at the first call. polkit may ask the user for a password.
 */
#define SERVICE_NAME_MAX 64

struct service_lease {
	const struct pci_address *devices;
	size_t device_count;
	const char *key; /* NULL: this process has the lease */
	uint64_t for_s; /* 0: it does not expire */
	bool quiet; /* do not print what usherd has done for it */
};

/*
 * Takes a lease. @ret_name: SERVICE_NAME_MAX bytes. @ret: borrowed_close() in any case.
 * Return: 0; -EPERM a check refuses; -EACCES polkit does not permit it; -ENOTCONN usherd does not
 * run; -ENOPKG, -errno.
 */
int service_lease(
	const struct service_lease *l, char *ret_name, struct borrowed *ret, struct err *e);

/* Whether a bus is there at all; cheap. */
bool service_may_run(void);

/* How a verb has ended that usherd has run. */
struct service_result {
	int status;
	char *output, *errors;
	size_t output_len, errors_len;
};

struct service_words {
	const char *verb; /* control/remote.h */
	size_t count;
	const char *const *words;
	/* Of memfd_create(2), for what it prints, and for the file among its words. -1: none */
	int output_fd, file_fd;
};

/*
 * Has usherd run a verb, and waits. @ret: service_result_free() after 0.
 * Return: 0; as service_lease().
 */
int service_run(const struct service_words *w, struct service_result *ret, struct err *e);
void service_result_free(struct service_result *r);

/*
 * Connects to a guest of root for a purpose (control/purpose.h). Return: descriptor, behind the
 * greeting of its keeper; -ENOENT no such guest runs; as service_lease().
 */
int service_connect(const char *guest, const char *purpose, struct err *e);

/*
 * What anybody may know of a guest of root, as its keeper says it. @ret: control_value_free().
 * Return: 0; -ENXIO usherd knows no such guest; as service_lease().
 */
int service_guest(const char *name, struct control_value **ret, struct err *e);

/* The same of a lease. */
int service_lease_state(const char *name, struct control_value **ret, struct err *e);

/* Gives a lease back, by its key or name, and waits. Return: 0, also if there is none; -errno. */
int service_return(const char *word, struct err *e);

/*
 * Waits for the end of a lease. Return: 0, also if there is none; -EUCLEAN with the reason: a
 * device stays on VFIO; as service_lease().
 */
int service_await(const char *name, struct err *e);

/* Ends a lease of anybody, and waits. Return: 0; -ENOENT there is none; likewise. */
int service_revoke(const char *name, bool force, uint64_t timeout_s, struct err *e);

#endif
