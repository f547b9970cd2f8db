/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_REQUEST_H
#define DAEMON_REQUEST_H

#include "claim/claim.h"
#include "daemon/daemon.h"
#include "daemon/words.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * A method call that needs authorisation, from its arrival to its answer. polkit decides, for each
 * device and each claim, by the action and details such as its class, and the group's members; the
 * subject is the caller's name on the bus. root needs no permission, and without polkit nobody else
 * gets one.
 */
#define REQUEST_DEVICES_MAX 15 /* and the container: the bus takes 16 descriptors in a message */
#define REQUEST_CLAIMS_MAX 8
#define REQUEST_NAME_MAX 64

/* Each may wait for a password and holds its message, with up to 16 descriptors. */
#define REQUESTS_MAX 48
#define REQUESTS_USER_MAX 8
#define REQUEST_OPTIONS_MAX 16

struct request {
	struct daemon *daemon;
	struct request *next; /* in the daemon's list */
	sd_bus_message *message;
	const char *action; /* "lease": org.usher.Usher1.lease */
	char devices[REQUEST_DEVICES_MAX][PCI_ADDRESS_TEXT];
	size_t device_count;
	char claims[REQUEST_CLAIMS_MAX][CLAIM_NAME_MAX]; /* by their names */
	size_t claim_count;
	size_t asked; /* questions that polkit has answered: devices first, then claims */
	char name[REQUEST_NAME_MAX]; /* a key, or the name of a lease; "" none */
	uint64_t for_s, timeout_s;
	bool force, has_timeout;
	uint64_t limit_s; /* for its job; 0: the usual */
	/* Memory of the caller (memfd_create(2)): for what the job prints, for a file; -1 */
	int output_fd, file_fd;
	struct words words; /* of its job */
	const char *detail; /* what polkit knows the name as: "lease", "guest" */
	bool overrides; /* it weakens checks, so polkit is asked for that, too */
	uid_t uid; /* of the caller */
	bool is_of_process; /* the caller's process is asked for as well, not its user alone */
	pid_t pid;
	uint64_t start; /* start time of that process */
	char *said; /* by its job, on standard error; NULL: nothing */
	/* What is to be done once it is permitted. */
	int (*permitted)(struct request *q);
	sd_bus_slot *slot; /* the question to polkit */
};

/* @m stays the caller's. Return: NULL without memory. */
struct request *request_new(struct daemon *d, sd_bus_message *m, const char *action,
	int (*permitted)(struct request *q));
void request_free(struct request *q);

/* Reads "as" devices, each of which has to be an address of this host. Return: 0, -errno. */
int request_read_devices(struct request *q, sd_bus_error *error);

/* Reads "as" into the words. Return: 0, -errno. */
int request_read_words(struct request *q, sd_bus_error *error);

/* Reads "a{sv}"; an option that is not known is refused. Return: 0, -errno. */
int request_read_options(struct request *q, sd_bus_error *error);

/*
 * Asks who the caller is, and polkit; then calls permitted(), or answers with an error. Takes over
 * @q in any case. Return: 1 the answer comes later; -errno.
 */
int request_authorise(struct request *q, sd_bus_error *error);

/* Answers with an error of this interface, "Refused", "Failed", "NotFound". */
void request_fail(struct request *q, const char *name, const char *text);

#endif
