/* SPDX-License-Identifier: MIT */
#ifndef CLI_SERVICE_COMMAND_H
#define CLI_SERVICE_COMMAND_H

struct service_lease;

/*
 * Runs a command as a child that has a lease of usherd's, and waits until the devices are back.
 * Return: as `usher lease` does: the command's exit status; LEAVE_REFUSED, LOAN_OURS after a
 * report.
 */
int service_command(const struct service_lease *asked, char *const *command);

#endif
