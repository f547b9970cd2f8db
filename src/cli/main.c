/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "base/file.h"
#include "base/num.h"
#include "cli/help.h"
#include "cli/report.h"
#include "cli/verb.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* In the order in which a device walks through them. */
static const struct verb *const verbs[] = {
	&verb_list,
	&verb_show,
	&verb_snapshot,
	&verb_check,
	&verb_prove,
	&verb_bind,
	&verb_release,
	&verb_vfs,
	&verb_run,
	&verb_exec,
	&verb_restore,
	&verb_claim,
	&verb_unclaim,
	&verb_claims,
	&verb_apply,
	&verb_compat,
	&verb_help,
};

const struct verb *verb_at(unsigned i)
{
	return i < COUNT(verbs) ? verbs[i] : NULL;
}

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < COUNT(verbs); i++)
		if (strcmp(verbs[i]->name, name) == 0)
			return verbs[i];
	return NULL;
}

int main(int argc, char **argv)
{
	struct err e = {0};

	/* As a link: whoever calls that name means that verb. */
	if (argc > 0 &&
		strncmp(file_base(argv[0]), verb_compat.name, strlen(verb_compat.name)) == 0)
		return report_finish(verb_compat.run(&verb_compat, argc, argv));
	if (argc < 2) {
		help_print(stderr);
		return LEAVE_USAGE;
	}
	const char *word = argv[1];
	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
		help_print(stdout);
		return report_finish(LEAVE_OK);
	}
	if (strcmp(word, "--version") == 0) {
		(void)puts("usher " USHER_VERSION);
		return report_finish(LEAVE_OK);
	}
	if (word[0] == '-') {
		(void)err_say(&e, -EINVAL, "there is no option '%s' in front of a verb", word);
		err_hint(&e, "'usher --help' lists all verbs");
		report(&e);
		return LEAVE_USAGE;
	}
	const struct verb *v = find_verb(word);
	return v ? report_finish(v->run(v, argc - 1, argv + 1)) : help_unknown_verb(word);
}
