/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "cli/complete.h"
#include "cli/help.h"
#include "cli/remote.h"
#include "cli/report.h"
#include "cli/verb.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int verb_execute(const struct verb *v, int argc, char **argv)
{
	int status = geteuid() == 0 ? -1 : remote_run(v, argc, argv);

	return status >= 0 ? status : v->run(v, argc, argv);
}

int main(int argc, char **argv)
{
	struct err e = {0};

	fd_fill_standard();
	report_lines();
	/* Started through a link of that name. */
	if (argc > 0 &&
		strncmp(file_base(argv[0]), verb_compat.name, strlen(verb_compat.name)) == 0)
		return report_finish(verb_compat.run(&verb_compat, argc, argv), 0);
	if (argc < 2) {
		help_print(stderr);
		return LEAVE_USAGE;
	}
	const char *word = argv[1];
	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
		help_print(stdout);
		return report_finish(LEAVE_OK, 0);
	}
	if (strcmp(word, "--version") == 0) {
		(void)puts("usher " USHER_VERSION);
		return report_finish(LEAVE_OK, 0);
	}
	if (word[0] == '-') {
		(void)err_say(&e, -EINVAL, "unknown option '%s' before the verb", word);
		err_hint(&e, "'usher --help' lists all verbs");
		report(&e);
		return LEAVE_USAGE;
	}
	const struct verb *v = strcmp(word, verb_help.name) == 0       ? &verb_help
			       : strcmp(word, verb_complete.name) == 0 ? &verb_complete
								       : verb_find(word);
	return v ? report_finish(verb_execute(v, argc - 1, argv + 1), v->failed)
		 : help_unknown_verb(word);
}
