/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "base/num.h"
#include "bind/env.h"
#include "cli/guest.h"
#include "cli/report.h"
#include "control/value.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *command;
	const char *done; /* what to tell a person */
} commands[] = {
	{"pause", "its processors wait; lent devices go on, with their DMA"},
	{"resume", "its processors go on"},
	{"reset", "it starts again"},
};

static int command_give(const char *name, const char *command, const char *done)
{
	struct control_link link;
	char line[64];
	struct err e = {0};

	int r = control_connect(BIND_STATE_DIR, name, &link, &e);
	(void)snprintf(line, sizeof(line), "{\"command\":\"%s\"}\n", command);
	if (r == 0)
		r = control_ask(&link, line, NULL, &e);
	control_disconnect(&link);
	if (r < 0) {
		report(&e);
		return LEAVE_FAILED;
	}
	report_note("guest '%s': %s", name, done);
	return LEAVE_OK;
}

static int control_run(const struct verb *v, int argc, char **argv)
{
	static const struct option takes[] = {{0}};
	struct options o = {.verb = v, .argc = argc, .argv = argv, .takes = takes};

	int c = option_next(&o);
	if (c != OPTION_END)
		return option_leave(c);
	if (argc - optind < 2)
		return option_wrong(v, "%s",
			optind < argc ? "no command given: pause, resume or reset"
				      : "no NAME of a guest given");
	if (argc - optind > 2)
		return option_wrong(v, "unexpected operand '%s'", argv[optind + 2]);
	for (size_t i = 0; i < COUNT(commands); i++)
		if (strcmp(commands[i].command, argv[optind + 1]) == 0)
			return command_give(argv[optind], commands[i].command, commands[i].done);
	return option_wrong(v, "'%s' is none of pause, resume, reset", argv[optind + 1]);
}

const struct verb verb_control = {
	.name = "control",
	.summary = "pause, resume or reset a guest",
	.help = "control NAME pause|resume|reset\n"
		"\n"
		"Gives one command to a guest of usher-vmm. 'pause' stops its processors until\n"
		"'resume'; a lent device goes on, and may still write to the guest's memory.\n"
		"'reset' is the reset button: the guest starts again, with its devices reset, and\n"
		"what it had not written is lost. Programs use the socket of usher-control(7).\n"
		"\n"
		"Example:\n"
		"\n"
		"  usher control build pause\n",
	.run = control_run,
};
