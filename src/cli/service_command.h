/* SPDX-License-Identifier: MIT */
#ifndef CLI_SERVICE_COMMAND_H
#define CLI_SERVICE_COMMAND_H

#include <stdbool.h>

struct borrowed;
struct service_lease;

/* What a process does that has a lease of usherd's. */
struct service_job {
	/* Return: exit status. */
	int (*main)(void *arg, const struct borrowed *b);
	void *arg;
	bool is_alone; /* this process borrows, and nobody waits for the end of the lease */
};

/*
 * Runs a job as a child that has a lease of usherd's, and waits until the devices are back.
 * Return: as `usher lease` does: the job's exit status; LEAVE_REFUSED, LOAN_OURS after a report.
 */
int service_job_run(const struct service_lease *asked, const struct service_job *job);

/* The same, of which the child becomes a command. */
int service_command(const struct service_lease *asked, char *const *command);

#endif
