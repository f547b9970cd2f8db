/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "cli/guest.h"
#include "cli/report.h"
#include "cli/stopping.h"
#include "control/request.h"
#include "control/value.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int stop_ask(const struct stop_words *w, struct control_link *l, struct err *e)
{
	char line[96];

	int r = control_ask(l, "{\"command\":\"events\"}\n", NULL, e);
	if (r < 0)
		return r;
	if (w->force)
		(void)snprintf(line, sizeof(line), "{\"command\":\"stop\",\"force\":true}\n");
	else
		(void)snprintf(line, sizeof(line),
			"{\"command\":\"stop\",\"timeout\":%" PRIu64 "}\n", w->timeout_s);
	return control_ask(l, line, NULL, e);
}

static void print_event(
	const struct stop_words *w, const char *name, const struct control_value *v, bool *stuck)
{
	const char *event = control_value_text(v, "event");
	const char *message = control_value_text(v, "message");
	int64_t status = 0;

	if (!event)
		return;
	if (strcmp(event, "stuck") == 0 || strcmp(event, "failed") == 0) {
		*stuck = true;
		report_note("%s", message ? message : event);
	}
	if (w->quiet)
		return;
	if (strcmp(event, "stopping") == 0 && !w->force)
		report_note("guest '%s' still runs: it is stopped now", name);
	if (strcmp(event, "ended") == 0 && control_value_number(v, "status", &status))
		report_note("guest '%s' ended with status %" PRId64, name, status);
}

/* Until the keeper has given back the devices. Return: exit status. */
static int end_await(const struct stop_words *w, const char *name, struct control_link *l)
{
	struct control_value *v = NULL;
	struct err e = {0};
	bool stuck = false, done = false;
	int r = 0;

	while (r == 0 && !done) {
		r = control_next(l, -1, &v, &e);
		if (r < 0)
			break;
		const char *event = control_value_text(v, "event");
		done = event && strcmp(event, "done") == 0;
		print_event(w, name, v, &stuck);
		control_value_free(v);
	}
	if (r < 0) {
		(void)err_in(&e, r, "guest '%s'", name);
		err_hint(&e, "'usher restore' returns its devices if they are still lent");
		report(&e);
		return LEAVE_FAILED;
	}
	return stuck ? LEAVE_FAILED : LEAVE_OK;
}

static int guest_stop(const struct stop_words *w, const char *name, struct control_link *l)
{
	struct err e = {0};

	if (stop_ask(w, l, &e) < 0) {
		report(&e);
		return LEAVE_FAILED;
	}
	if (w->no_wait)
		return LEAVE_OK;
	return end_await(w, name, l);
}

static int stop_run(const struct verb *v, int argc, char **argv)
{
	static const struct option takes[] = {
		{"force", no_argument, NULL, STOP_FORCE},
		{"timeout", required_argument, NULL, STOP_TIMEOUT},
		{"no-wait", no_argument, NULL, STOP_NO_WAIT},
		{"quiet", no_argument, NULL, STOP_QUIET},
		{0},
	};
	struct stop_words w = {.verb = v, .timeout_s = CONTROL_TIMEOUT_S};
	struct options o = {.verb = v, .argc = argc, .argv = argv, .takes = takes};
	struct control_link link;
	const char *name = "";

	int r = options_take(&o, stop_option, &w);
	if (r)
		return option_leave(r);
	r = guest_connect(v, "stop", argc, argv, &name, &link);
	if (r == 0)
		r = guest_stop(&w, name, &link);
	control_disconnect(&link);
	return r;
}

const struct verb verb_stop = {
	.name = "stop",
	.summary = "stop a guest by its power button, and wait for its devices",
	.help = "stop [OPTION…] NAME\n"
		"\n"
		"Presses the guest's power button, so that its system shuts down. If it still\n"
		"runs after the timeout, its virtual machine is ended. Waits until all devices\n"
		"are back with their drivers. The programs of 'usher exec' have no button: usher\n"
		"sends them SIGTERM at once.\n"
		"\n"
		"      --force            end the virtual machine at once, without the button\n"
		"      --timeout SECONDS  how long the guest may take; 0: as long as it likes\n"
		"                         (default: 60)\n"
		"      --no-wait          do not wait for the end\n"
		"      --quiet            print errors only\n"
		"\n"
		"Exit status: 0 the guest has ended, and its devices are back; 1 there is no such\n"
		"guest, or a device could not be given back; 2 wrong command line.\n"
		"\n"
		"Example:\n"
		"\n"
		"  usher stop --timeout 30 build\n",
	.run = stop_run,
};
