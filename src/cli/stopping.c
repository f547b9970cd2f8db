/* SPDX-License-Identifier: MIT */
#include "cli/stopping.h"

#include "base/num.h"
#include "cli/option.h"
#include "control/request.h"

int stop_option(void *arg, int c, const char *text)
{
	struct stop_words *w = arg;

	w->force = w->force || c == STOP_FORCE;
	w->no_wait = w->no_wait || c == STOP_NO_WAIT;
	w->quiet = w->quiet || c == STOP_QUIET;
	if (c != STOP_TIMEOUT || num_parse(text, 10, CONTROL_TIMEOUT_MAX_S, &w->timeout_s) == 0)
		return 0;
	return option_wrong(w->verb, "--timeout: '%s' is not a number of seconds up to %d", text,
		CONTROL_TIMEOUT_MAX_S);
}
