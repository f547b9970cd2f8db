/* SPDX-License-Identifier: MIT */
#include "cli/ending.h"

#include "base/err.h"
#include "cli/report.h"
#include "engine/news.h"
#include "engine/spec.h"

#include <signal.h>
#include <string.h>

/* A person or a service manager wanted its end. */
static bool is_stop(int status)
{
	int number = status - 128;

	return number == SIGINT || number == SIGTERM || number == SIGHUP || number == SIGQUIT;
}

/* The kernel sends it where memory that it promised is not there. */
static void print_bus_error(const struct guest_spec *s)
{
	report_note("the kernel could not provide a page of the guest's memory: %s",
		s->hugepages ? "its pool or limit of huge pages is used up"
			     : "see dmesg for a failure of memory");
}

void ending_print(const struct guest_spec *s, bool quiet, const struct keeper_news *n)
{
	const char *name = s->name;
	int status = n->status;

	if (is_stop(status) && !quiet)
		report_note("guest '%s' was stopped (%s)", name, strsignal(status - 128));
	else if (status > 128 && !is_stop(status))
		report_note("guest '%s' was ended by signal %d (%s)", name, status - 128,
			strsignal(status - 128));
	else if (status <= 128 && (!quiet || status))
		report_note("guest '%s' ended with status %d", name, status);
	if (n->error->msg[0])
		report_note("%s", n->error->msg);
	if (status == 128 + SIGBUS)
		print_bus_error(s);
}
