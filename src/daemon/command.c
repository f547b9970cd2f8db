/* SPDX-License-Identifier: MIT */
#include "daemon/command.h"

#include "base/num.h"
#include "daemon/unit.h"
#include "daemon/words.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * How it works
 *
 * The child shares usherd's memory until it runs the program: to copy page tables, and to fault
 * pages in again on both sides, costs more than all that usherd does itself for a job.
 */
#define FILE_FD_TEXT "3" /* behind the standard ones */

/*
 * The descriptors of the child, from STDIN_FILENO on. usherd has standard ones of its own, so none
 * that is given is overwritten before its turn. posix_spawn(3) keeps one open that is moved to
 * itself. Return: 0, an errno.
 */
static int files_fill(posix_spawn_file_actions_t *files, const struct command *c)
{
	const int given[] = {c->output_fd, c->errors_fd, c->file_fd};
	int count = STDOUT_FILENO;

	int r = posix_spawn_file_actions_addopen(files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	if (r)
		return r;
	for (size_t i = 0; i < COUNT(given) && given[i] >= 0; i++) {
		r = posix_spawn_file_actions_adddup2(files, given[i], count++);
		if (r)
			return r;
	}
	return posix_spawn_file_actions_addclosefrom_np(files, count);
}

/* usherd blocks signals that its loop reads. Return: 0, an errno. */
static int signals_fill(posix_spawnattr_t *attributes)
{
	sigset_t none;

	(void)sigemptyset(&none);
	int r = posix_spawnattr_setsigmask(attributes, &none);
	return r ? r : posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK);
}

/* Return: 0, an errno. */
static int attributes_spawn(const struct command *c, const char *const *words, const char *program,
	posix_spawn_file_actions_t *files, posix_spawnattr_t *attributes, pid_t *ret)
{
	int r = signals_fill(attributes);

	if (r)
		return r;
	r = files_fill(files, c);
	return r ? r
		 : posix_spawnp(ret, program, files, attributes, (char *const *)(uintptr_t)words,
			   environ);
}

/* Return: pid, -errno. */
static pid_t words_spawn(const struct command *c, const char *const *words, const char *program)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	pid_t pid = -1;

	int r = posix_spawn_file_actions_init(&files);
	if (r)
		return -r;
	r = posix_spawnattr_init(&attributes);
	if (r == 0) {
		r = attributes_spawn(c, words, program, &files, &attributes, &pid);
		(void)posix_spawnattr_destroy(&attributes);
	}
	(void)posix_spawn_file_actions_destroy(&files);
	return r ? -r : pid;
}

pid_t command_start(const struct daemon *d, const struct command *c, const char *unit)
{
	const char *list[UNIT_WORDS + WORDS_MAX + 1] = {NULL};
	char option[UNIT_NAME_MAX + 8];
	size_t count = 0, i = 0;

	if (unit[0]) {
		unit_words(d->usher, unit, option, list);
		count = UNIT_WORDS;
		i = 1; /* the program's own name */
	}
	for (; c->words[i] && count < COUNT(list) - 1; i++)
		list[count++] = c->words[i];
	if (c->file_fd >= 0 && setenv(COMMAND_FILE_VARIABLE, FILE_FD_TEXT, 1) < 0)
		return -errno;
	const char *program = unit[0] ? list[0] : d->usher;
	pid_t pid = words_spawn(c, list, program);
	(void)unsetenv(COMMAND_FILE_VARIABLE);
	if (pid < 0)
		(void)fprintf(stderr, "usherd: run '%s': %s\n", program, strerror(-pid));
	return pid;
}
