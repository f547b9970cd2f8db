/* SPDX-License-Identifier: MIT */
/*
 * How it works. Invariant: the saved guest is good, and no text that a person has typed is lost.
 *
 * The editor gets a copy in a folder that nobody else can enter. A copy that has not changed is
 * removed; a good one replaces the saved guest by one rename(2). With one that is not good a person
 * at a terminal is asked whether to go on. Whatever else happens, the copy stays, and usher tells
 * where: the editor failed, the guest was changed by somebody else meanwhile, the disk is full.
 */
#include "base/clean.h"
#include "base/err.h"
#include "base/file.h"
#include "cli/option.h"
#include "cli/report.h"
#include "cli/run_words.h"
#include "cli/saved.h"
#include "cli/verb.h"
#include "engine/guestfile_read.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct edit {
	const struct verb *verb;
	const char *name;
	const char *editor; /* a command of the shell */
	char path[FILE_PATH_MAX]; /* of the saved guest */
	char folder[FILE_PATH_MAX]; /* of the copy */
	char copy[FILE_PATH_MAX];
	char *before; /* what the editor began with */
	size_t before_len;
};

static const char *editor_choose(void)
{
	const char *visual = getenv("VISUAL"), *editor = getenv("EDITOR");

	if (visual && *visual)
		return visual;
	if (editor && *editor)
		return editor;
	return access("/usr/bin/editor", X_OK) == 0 ? "editor" : "vi";
}

static int edit_fail(const struct edit *ed, const struct err *e)
{
	report(e);
	report_note("guest '%s' is as before; your text is in '%s'", ed->name, ed->copy);
	return LEAVE_FAILED;
}

static int copy_make(struct edit *ed, struct err *e)
{
	const char *folder = getenv("TMPDIR");

	int r = file_path(ed->folder, sizeof(ed->folder), "%s/usher-edit.XXXXXX",
		folder && *folder == '/' ? folder : "/tmp");
	if (r == 0 && !mkdtemp(ed->folder))
		r = -errno;
	if (r < 0)
		return err_set(e, r, "make a folder '%s'", ed->folder);
	r = file_path(ed->copy, sizeof(ed->copy), "%s/%s", ed->folder, ed->name);
	if (r == 0)
		r = file_replace(ed->copy, ed->before, ed->before_len, 0600);
	return r < 0 ? err_set(e, r, "write '%s'", ed->copy) : 0;
}

/* With the editor's own left-overs. */
static void copy_remove(const struct edit *ed)
{
	cleanup_dir DIR *d = opendir(ed->folder);
	struct dirent *entry;

	while (d && (entry = readdir(d)))
		(void)unlinkat(dirfd(d), entry->d_name, 0);
	(void)rmdir(ed->folder);
}

__attribute__((noreturn)) static void editor_become(const struct edit *ed)
{
	char command[1024];

	(void)umask(077);
	(void)snprintf(command, sizeof(command), "%s \"$1\"", ed->editor);
	(void)execl("/bin/sh", "sh", "-c", command, "usher-edit", ed->copy, (char *)NULL);
	_exit(127);
}

/* Ctrl-C and Ctrl-\ are the editor's meanwhile. Return: its status, 128 + a signal, -errno. */
static int editor_wait(const struct edit *ed)
{
	const struct sigaction ignore = {.sa_handler = SIG_IGN};
	struct sigaction interrupt, quit;
	int status = 0;

	pid_t pid = fork();
	if (pid == 0)
		editor_become(ed);
	if (pid < 0)
		return -errno;
	(void)sigaction(SIGINT, &ignore, &interrupt);
	(void)sigaction(SIGQUIT, &ignore, &quit);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	(void)sigaction(SIGINT, &interrupt, NULL);
	(void)sigaction(SIGQUIT, &quit, NULL);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static bool person_goes_on(void)
{
	char line[16];

	if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
		return false;
	(void)fputs("Edit it again? [Y/n] ", stderr);
	(void)fflush(stderr);
	return fgets(line, sizeof(line), stdin) && line[0] != 'n' && line[0] != 'N';
}

/* Whether nobody else has changed the guest meanwhile. */
static int guest_check(const struct edit *ed, struct err *e)
{
	cleanup_free char *now = NULL;
	size_t len = 0;

	int r = guestfile_read(ed->path, &now, &len, e);
	if (r < 0)
		return r;
	if (len == ed->before_len && memcmp(now, ed->before, len) == 0)
		return 0;
	return err_say(e, -EBUSY, "guest '%s' has been changed meanwhile", ed->name);
}

static int guest_replace(const struct edit *ed, const char *text, size_t len)
{
	struct err e = {0};

	if (guest_check(ed, &e) < 0 || saved_replace(ed->path, text, len, &e) < 0)
		return edit_fail(ed, &e);
	copy_remove(ed);
	report_note("guest '%s' is changed", ed->name);
	return LEAVE_OK;
}

/* One round. Return: an exit status; -EAGAIN the text is not good, and that is reported. */
static int edit_once(const struct edit *ed)
{
	cleanup_free char *text = NULL;
	struct err e = {0};
	size_t len = 0;

	int status = editor_wait(ed);
	if (status) {
		(void)err_say(
			&e, -ECHILD, "the editor '%.80s' failed: status %d", ed->editor, status);
		err_hint(&e, "the environment variables VISUAL and EDITOR choose another one");
		return edit_fail(ed, &e);
	}
	if (guestfile_read(ed->copy, &text, &len, &e) < 0) {
		report(&e);
		return -EAGAIN;
	}
	if (len == ed->before_len && memcmp(text, ed->before, len) == 0) {
		copy_remove(ed);
		report_note("guest '%s' is as before", ed->name);
		return LEAVE_OK;
	}
	if (run_words_check(ed->verb, ed->path, ed->name, text, len))
		return -EAGAIN;
	return guest_replace(ed, text, len);
}

static int edit_begin(struct edit *ed, struct err *e)
{
	int r = saved_find(ed->name, ed->path, sizeof(ed->path), e);
	if (r < 0)
		return r;
	r = guestfile_read(ed->path, &ed->before, &ed->before_len, e);
	if (r < 0)
		return r;
	if (access(saved_folder(), W_OK) < 0)
		return err_set(e, -errno, "change guest file '%s'", ed->path);
	return copy_make(ed, e);
}

static int edit_guest(struct edit *ed)
{
	struct err e = {0};

	int r = edit_begin(ed, &e);
	if (r < 0) {
		report(&e);
		return r == -EINVAL ? LEAVE_USAGE : LEAVE_FAILED;
	}
	while ((r = edit_once(ed)) == -EAGAIN) {
		/* Before the question: Ctrl-C is an answer, too. */
		report_note("guest '%s' is as before; your text is in '%s'", ed->name, ed->copy);
		if (!person_goes_on())
			return LEAVE_FAILED;
	}
	return r;
}

static int edit_run(const struct verb *v, int argc, char **argv)
{
	struct options o = {.verb = v, .argc = argc, .argv = argv};
	struct edit ed = {.verb = v, .editor = editor_choose()};

	int c = option_next(&o);
	if (c != OPTION_END)
		return option_leave(c);
	if (optind >= argc)
		return option_wrong(v, "no NAME of a saved guest given");
	if (optind + 1 < argc)
		return option_wrong(v, "unexpected operand '%s'", argv[optind + 1]);
	ed.name = argv[optind];
	int r = edit_guest(&ed);
	free(ed.before);
	return r;
}

const struct verb verb_edit = {
	.name = "edit",
	.summary = "change a saved guest in an editor",
	.help = "edit NAME\n"
		"\n"
		"Opens a copy of a saved guest's file in $VISUAL or $EDITOR, checks it, and puts\n"
		"it in the place of the file. A text that is not good can be edited again; it\n"
		"never replaces the file, and stays where usher says. A guest that runs does not\n"
		"change.\n"
		"\n"
		"Exit status: 0 done, or nothing has changed; 1 the guest is as before; 2 wrong\n"
		"command line.\n"
		"\n"
		"Example:\n"
		"\n"
		"  usher edit debian\n",
	.run = edit_run,
};
