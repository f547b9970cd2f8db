/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "bind/env.h"
#include "cli/option.h"
#include "cli/report.h"
#include "cli/verb.h"
#include "engine/state.h"
#include "host/host.h"
#include "monitor/monitor.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define INTERVAL_MAX_S 3600

enum { JSON = 1, ONLY, INTERVAL };

#define FAULTS (1u << MONITOR_FAULT | 1u << MONITOR_RECOVERED)

/* Words of --only. */
static const struct {
	const char *word;
	unsigned kinds;
} subjects[] = {
	{"devices", 1u << MONITOR_ADDED | 1u << MONITOR_REMOVED},
	{"drivers", 1u << MONITOR_DRIVER},
	{"faults", FAULTS},
	{"leases", 1u << MONITOR_LEASE},
	{"guests", 1u << MONITOR_GUEST},
};

struct printer {
	const struct verb *verb;
	bool json;
	bool stops;
	int error; /* of the output */
	unsigned kinds; /* of --only; 0: it is not there */
	uint64_t interval_s;
};

/* Each event is there at once, whoever reads it, and a reader that has gone is no failure. */
static void event_print(void *arg, const struct monitor_event *e)
{
	char line[MONITOR_LINE_MAX];
	struct printer *p = arg;

	const size_t len = p->json ? monitor_line_json(e, line, sizeof(line))
				   : monitor_line_text(e, line, sizeof(line));
	int r = p->stops || !len ? 0 : fd_write_full(STDOUT_FILENO, line, len);
	if (r == 0)
		return;
	p->stops = true;
	p->error = r == -EPIPE ? 0 : r;
}

/* "faults,leases". */
static int subjects_take(struct printer *p, const char *text)
{
	do {
		const size_t len = strcspn(text, ",");
		size_t i = 0;

		while (i < COUNT(subjects) && (strlen(subjects[i].word) != len ||
						      strncmp(subjects[i].word, text, len) != 0))
			i++;
		if (i == COUNT(subjects))
			return option_wrong(p->verb,
				"--only: '%.*s' is none of devices, drivers, faults, leases, "
				"guests",
				(int)len, text);
		p->kinds |= subjects[i].kinds;
		text += len;
	} while (*text++ == ',');
	return 0;
}

static int monitor_option(void *arg, int c, const char *text)
{
	struct printer *p = arg;

	if (c == ONLY)
		return subjects_take(p, text);
	if (c == INTERVAL && num_parse(text, 10, INTERVAL_MAX_S, &p->interval_s) < 0)
		return option_wrong(p->verb, "--interval: '%s' is not a number of seconds up to %d",
			text, INTERVAL_MAX_S);
	p->json = p->json || c == JSON;
	return 0;
}

/* Return: a descriptor that is readable when the monitor is to end; -errno. */
static int ends_open(void)
{
	sigset_t ends;

	(void)sigemptyset(&ends);
	(void)sigaddset(&ends, SIGINT);
	(void)sigaddset(&ends, SIGTERM);
	(void)sigaddset(&ends, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &ends, NULL) < 0)
		return -errno;
	int fd = signalfd(-1, &ends, SFD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int printer_run(struct printer *p, struct err *e)
{
	const char *const own = state_run_dir();
	const char *const run_dirs[] = {
		BIND_STATE_DIR, strcmp(own, BIND_STATE_DIR) == 0 ? NULL : own, NULL};
	int fd = ends_open();

	if (fd < 0)
		return err_set(e, fd, "wait for signals");
	int r = monitor_run(&(struct monitor_spec){.host = host_live(),
				    .run_dirs = run_dirs,
				    .interval_s = (unsigned)p->interval_s,
				    .rest_ms = p->kinds == FAULTS ? MONITOR_REST_MS : 0,
				    .kinds = p->kinds ? p->kinds : UINT_MAX,
				    .stop_fd = fd,
				    .out_fd = STDOUT_FILENO,
				    .to = {event_print, p},
				    .stop = &p->stops},
		e);
	(void)close(fd);
	return r == 0 && p->error ? err_set(e, p->error, "write to standard output") : r;
}

static int verb_monitor_run(const struct verb *v, int argc, char **argv)
{
	static const struct option takes[] = {
		{"only", required_argument, NULL, ONLY},
		{"interval", required_argument, NULL, INTERVAL},
		{"json", no_argument, NULL, JSON},
		{0},
	};
	struct options o = {.verb = v, .argc = argc, .argv = argv, .takes = takes};
	struct printer p = {.verb = v, .interval_s = MONITOR_INTERVAL_S};
	struct err e = {0};

	int r = options_take(&o, monitor_option, &p);
	if (r)
		return option_leave(r);
	if (optind < argc)
		return option_wrong(v, "unexpected operand '%s'", argv[optind]);
	r = printer_run(&p, &e);
	if (r < 0)
		report(&e);
	return r < 0 ? LEAVE_FAILED : LEAVE_OK;
}

const struct verb verb_monitor = {
	.name = "monitor",
	.summary = "print what changes: devices, drivers, faults, leases, guests",
	.help = "monitor [OPTION…]\n"
		"\n"
		"Prints a line for each change on this host until it is interrupted: devices that\n"
		"come and go, drivers that are bound and unbound, faults with their evidence, and\n"
		"what leases and guests do. Anybody may run it; only root sees more of other\n"
		"users' leases and guests than that they come and go.\n"
		"\n"
		"      --only SUBJECT[,…]\n"
		"                         print events of these alone: devices, drivers, faults,\n"
		"                         leases, guests; may be repeated (default: all)\n"
		"      --interval SECONDS\n"
		"                         how often to look for errors of PCI Express, and for\n"
		"                         lent devices that do not answer; 0: never (default: 5)\n"
		"  -j, --json             print one JSON object a line\n"
		"\n"
		"Example:\n"
		"\n"
		"  usher monitor --only=faults --json | while read -r line; do …; done\n",
	.run = verb_monitor_run,
};
