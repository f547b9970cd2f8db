/* SPDX-License-Identifier: MIT */
/*
 * What `usher` starts: the verbs that other programs call often and that have to be quick, in a
 * program without a shared library; everything else is done by usher-whole, which takes this
 * process over. Finding, mapping and binding even the C library alone costs more than all that
 * `usher bind` does itself.
 *
 * Only words that are known here stay here, so whatever a verb learns works at once.
 */
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/num.h"
#include "cli/report.h"
#include "cli/verb.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define WHOLE_NAME "usher-whole"

#define CHANGE_OPTIONS                                                                          \
	"all", "allow", "driver", "dry-run", "id", "json", "only", "return", "timeout", "user", \
		"user-group"

/* The options that stay here. A snapshot needs its reader, which is in usher-whole only. */
static const struct {
	const struct verb *verb;
	const char *options[12];
} verbs[] = {
	{&verb_bind, {CHANGE_OPTIONS}},
	{&verb_release, {CHANGE_OPTIONS}},
	{&verb_restore, {CHANGE_OPTIONS}},
	/* As usherd lends: without a command, to a user by number. */
	{&verb_lease, {"end", "for", "json", "key", "memlock", "owner", "quiet", "user=+"}},
};

/* "--name", "--name=…"; what has a '=' itself is the begin of the word. */
static bool is_option(const char *word, const char *name)
{
	const size_t len = strlen(name);

	return strncmp(word, "--", 2) == 0 && strncmp(word + 2, name, len) == 0 &&
	       (strchr(name, '=') || !word[2 + len] || word[2 + len] == '=');
}

static bool is_plain(const char *const *options, const char *word)
{
	if (word[0] != '-')
		return true;
	for (; *options; options++)
		if (is_option(word, *options))
			return true;
	return false;
}

static const struct verb *find_verb(int argc, char **argv)
{
	/* usherd may do for an ordinary user what needs root, and usher-whole asks it. */
	if (argc < 2 || geteuid() != 0)
		return NULL;
	size_t at = 0;
	while (at < COUNT(verbs) && strcmp(verbs[at].verb->name, argv[1]) != 0)
		at++;
	if (at == COUNT(verbs))
		return NULL;
	for (int i = 2; i < argc; i++)
		if (!is_plain(verbs[at].options, argv[i]))
			return NULL;
	return verbs[at].verb;
}

/* Next to this program in the build tree; in libexec after installation. */
static int become_whole(char **argv)
{
	static const char *const places[] = {"", "../libexec/usher/"};
	char self[FILE_PATH_MAX], path[FILE_PATH_MAX];
	struct err e = {0};

	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	self[n < 0 ? 0 : n] = '\0';
	char *slash = strrchr(self, '/');
	if (slash)
		slash[1] = '\0';
	for (size_t i = 0; slash && i < COUNT(places); i++)
		if (file_path(path, sizeof(path), "%s%s" WHOLE_NAME, self, places[i]) == 0)
			(void)execv(path, argv);
	(void)execv(USHER_LIBEXECDIR "/" WHOLE_NAME, argv);
	(void)err_set(&e, -errno, "start %s", USHER_LIBEXECDIR "/" WHOLE_NAME);
	report(&e);
	return LEAVE_FAILED;
}

int main(int argc, char **argv)
{
	const struct verb *v = find_verb(argc, argv);

	fd_fill_standard();
	report_lines();
	if (argc > 0 &&
		strncmp(file_base(argv[0]), verb_compat.name, strlen(verb_compat.name)) == 0)
		return report_finish(verb_compat.run(&verb_compat, argc, argv), 0);
	return v ? report_finish(v->run(v, argc - 1, argv + 1), v->failed) : become_whole(argv);
}
