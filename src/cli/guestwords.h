/* SPDX-License-Identifier: MIT */
#ifndef CLI_GUESTWORDS_H
#define CLI_GUESTWORDS_H

#include "cli/verb.h"

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct err;
struct place;

/*
 * What describes a guest: the options of a command line, and those of a guest file, usher-guest(5),
 * which stand in front of them. The verb that takes options cannot tell where one comes from; what
 * is wrong with one of a file is reported with its line.
 *
 *	struct guest_words ws = WORDS_OF(v, takes);
 *	words_add(&ws, c, optarg, &e);			each option of the command line
 *	words_read(&ws, path, &e);			at most once
 *	words_apply(&ws, take, arg);			each option, in order
 */
#define WORD_PARTS_MAX 40

struct guest_word {
	const struct place *place;
	int value; /* of its struct option */
	char *text; /* its own value; NULL: none */
	unsigned line; /* of the file; 0: it stands on the command line */
	size_t part_count; /* of a section: how many keys @text has */
	unsigned lines[WORD_PARTS_MAX]; /* and where each of them stands */
};

struct word_list {
	struct guest_word *list;
	size_t count;
};

struct guest_words {
	const struct verb *verb;
	const struct option *takes;
	const char *file; /* the path of the guest file; NULL: none */
	struct word_list of_file, of_command;
	char **arguments; /* QEMU's own, of both; NULL-terminated */
	size_t argument_count, file_argument_count;
};

#define WORDS_OF(v, t) ((struct guest_words){.verb = (v), .takes = (t)})

void words_free(struct guest_words *ws);

/* An option of the command line; @value: of its struct option. Return: 0, -ENOMEM. */
int words_add(struct guest_words *ws, int value, const char *text, struct err *e);

/* QEMU's own words of the command line, up to a NULL; after words_read(). Return: 0, -ENOMEM. */
int words_add_arguments(struct guest_words *ws, char *const *list, struct err *e);

/*
 * The options of a guest file, in front of all others. Relative paths of it are relative to its
 * folder. @path outlives @ws. Return: 0; -EINVAL, as guestfile_read().
 */
int words_read(struct guest_words *ws, const char *path, struct err *e);

/* The same for the text of one; @path names it. Return: 0, -EINVAL, -ENOMEM. */
int words_parse(
	struct guest_words *ws, const char *path, const char *text, size_t len, struct err *e);

/*
 * Hands each option to @take, until that returns an exit status, whose reason it has reported.
 * Return: 0, or that status.
 */
int words_apply(
	struct guest_words *ws, int (*take)(void *arg, int value, const char *text), void *arg);

/* The arguments for @engine: those of the file are for QEMU alone. */
char *const *words_arguments(const struct guest_words *ws, bool is_qemu);

/* Reports @e, which a check of all options has found, with the line of the file. */
void words_report(const struct guest_words *ws, const struct err *e);

/* The line of the file that has --@option and nothing that overrides it; 0: none. */
unsigned words_line(const struct guest_words *ws, const char *option);

/*
 * Writes them as a guest file: paths become absolute, and of an option that stands once its last
 * value is left. @name: of the guest; NULL: as the options say.
 * Return: 0; -EINVAL a value that no guest file can have; -ENOMEM, -errno.
 */
int words_write(const struct guest_words *ws, const char *name, FILE *out, struct err *e);

/* The same to standard output, whole or not at all. */
int words_print(const struct guest_words *ws, struct err *e);

#endif
