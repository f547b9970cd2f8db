/* SPDX-License-Identifier: MIT */
#include "cli/loan.h"
#include "cli/run_words.h"
#include "cli/verb.h"

static int start_run(const struct verb *v, int argc, char **argv)
{
	return run_verb(v, argc, argv, true);
}

const struct verb verb_start = {
	.name = "start",
	.summary = "run a saved guest in the background",
	.help = "start NAME [OPTION…]\n"
		"\n"
		"Runs a guest that 'usher run … --save NAME' has saved, in the background:\n"
		"returns when it has started. 'usher console' shows its console, 'usher stop'\n"
		"stops it; 'usher ps --all' lists saved guests, and 'usher edit' changes one.\n"
		"\n"
		"Takes all options of 'usher run'. One that may be repeated is added to those of\n"
		"the saved guest; another one overrides them. 'usher run FILE' runs the file of a\n"
		"saved guest in the foreground.\n"
		"\n"
		"      --plan             print what the run would do and what prevents it; do\n"
		"                         nothing\n"
		"      --print-config     print the guest file with these options; do nothing\n"
		"      --at-boot yes|no   have systemd start it at each boot, or not any more; do\n"
		"                         nothing else\n"
		"\n"
		"Exit status: 0 the guest has started; 2 wrong command line or guest file; 3\n"
		"refused; else as for 'usher run'.\n"
		"\n"
		"Example:\n"
		"\n"
		"  usher start debian\n",
	.run = start_run,
	.failed = LOAN_OURS,
};
