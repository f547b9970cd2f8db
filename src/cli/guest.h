/* SPDX-License-Identifier: MIT */
#ifndef CLI_GUEST_H
#define CLI_GUEST_H

#include "cli/option.h"
#include "cli/verb.h"
#include "control/client.h"

/* Guests that run, as the verbs that take one's name see them. */

/* Below which folder guest @name is, this user's or another's: for control_connect(). Static. */
const char *guest_run_dir(const char *name);

/*
 * Connects to a guest for @purpose (control/purpose.h): to its keeper; or by usherd, to a guest of
 * root. @ret: control_disconnect() in any case. Return: 0, -errno.
 */
int guest_link(const char *name, const char *purpose, struct control_link *ret, struct err *e);

/* The same for the one operand of a verb. Reports what fails. Return: 0, or an exit status. */
int guest_connect(const struct verb *v, const char *purpose, int argc, char **argv,
	const char **ret_name, struct control_link *ret);

/* Calls @each with the name of every guest that has a folder, by name, until it returns not 0. */
int guests_each(int (*each)(void *arg, const char *name), void *arg);

/* The first number in /run/usher/vm/NAME/@file. Return: 0 if there is none. */
int guest_process(const char *name, const char *file);

#endif
