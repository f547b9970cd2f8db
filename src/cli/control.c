/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "base/num.h"
#include "cli/guest.h"
#include "cli/report.h"
#include "control/line.h"
#include "control/request.h"
#include "control/value.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *command;
	const char *done; /* what to tell a person */
} commands[] = {
	{"pause", "its processors wait; lent devices go on, with their DMA"},
	{"resume", "its processors go on"},
	{"reset", "it starts again"},
};

static int line_give(const char *name, const char *line, const char *done)
{
	struct control_link link;
	struct err e = {0};

	int r = guest_link(name, "control", &link, &e);
	if (r == 0)
		r = control_ask(&link, line, NULL, &e);
	control_disconnect(&link);
	if (r < 0) {
		report(&e);
		return LEAVE_FAILED;
	}
	report_note("guest '%s': %s", name, done);
	return LEAVE_OK;
}

static int command_give(const char *name, const char *command, const char *done)
{
	char line[64];

	(void)snprintf(line, sizeof(line), "{\"command\":\"%s\"}\n", command);
	return line_give(name, line, done);
}

/* Return: 0; -E2BIG the name is too long to be a disk's. */
static int resize_write(char *line, size_t size, const char *disk, uint64_t bytes)
{
	struct control_line l;

	control_line_begin(&l, line, size - 1);
	control_line_text(&l, "command", "resize");
	control_line_text(&l, "disk", disk);
	if (bytes)
		control_line_number(&l, "size", (int64_t)bytes);
	const size_t len = control_line_end(&l);
	line[len] = '\0';
	return len ? 0 : -E2BIG;
}

static int resize_ask(const char *name, const char *line, const char *disk)
{
	struct control_link link;
	struct control_value *answer = NULL;
	struct err e = {0};
	int64_t size = 0;

	int r = guest_link(name, "control", &link, &e);
	if (r == 0)
		r = control_ask(&link, line, &answer, &e);
	control_disconnect(&link);
	if (r < 0) {
		report(&e);
		return LEAVE_FAILED;
	}
	(void)control_value_number(answer, "size", &size);
	report_note("guest '%s': disk '%s' has %" PRId64 " bytes", name, disk, size);
	control_value_free(answer);
	return LEAVE_OK;
}

static int resize_run(const struct verb *v, int count, char **words)
{
	char line[CONTROL_LINE_MAX];
	uint64_t bytes = 0;

	if (count < 3)
		return option_wrong(v, "resize: no DISK given");
	if (count > 4)
		return option_wrong(v, "unexpected operand '%s'", words[4]);
	if (count == 4 && (num_parse_size(words[3], &bytes) < 0 || !bytes || bytes > INT64_MAX))
		return option_wrong(v, "'%s' is not a size", words[3]);
	if (resize_write(line, sizeof(line), words[2], bytes) < 0)
		return option_wrong(v, "'%.40s…' is too long", words[2]);
	return resize_ask(words[0], line, words[2]);
}

static int link_run(const struct verb *v, int count, char **words)
{
	char line[CONTROL_LINE_MAX];
	struct control_line l;

	if (count < 4)
		return option_wrong(v, "link: no %s given", count < 3 ? "CARD" : "up or down");
	if (count > 4)
		return option_wrong(v, "unexpected operand '%s'", words[4]);
	const bool up = strcmp(words[3], "up") == 0;
	if (!up && strcmp(words[3], "down") != 0)
		return option_wrong(v, "link: '%s' is neither up nor down", words[3]);
	control_line_begin(&l, line, sizeof(line) - 1);
	control_line_text(&l, "command", "link");
	control_line_text(&l, "card", words[2]);
	control_line_flag(&l, "up", up);
	const size_t len = control_line_end(&l);
	line[len] = '\0';
	if (!len)
		return option_wrong(v, "'%.40s…' is too long", words[2]);
	return line_give(words[0], line, up ? "the link is up" : "the link is down");
}

static int balloon_run(const struct verb *v, int count, char **words)
{
	char line[CONTROL_LINE_MAX], done[96];
	struct control_line l;
	uint64_t bytes = 0;

	if (count < 3)
		return option_wrong(v, "balloon: no SIZE given");
	if (count > 3)
		return option_wrong(v, "unexpected operand '%s'", words[3]);
	if (num_parse_size(words[2], &bytes) < 0 || !bytes || bytes > INT64_MAX)
		return option_wrong(v, "'%s' is not a size", words[2]);
	control_line_begin(&l, line, sizeof(line) - 1);
	control_line_text(&l, "command", "balloon");
	control_line_number(&l, "size", (int64_t)bytes);
	line[control_line_end(&l)] = '\0';
	(void)snprintf(done, sizeof(done), "it is to keep %s of its memory", words[2]);
	return line_give(words[0], line, done);
}

static int control_run(const struct verb *v, int argc, char **argv)
{
	static const struct option takes[] = {{0}};
	struct options o = {.verb = v, .argc = argc, .argv = argv, .takes = takes};

	int c = option_next(&o);
	if (c != OPTION_END)
		return option_leave(c);
	if (argc - optind < 2)
		return option_wrong(v, "%s",
			optind < argc ? "no command given: pause, resume, reset, resize, link "
					"or balloon"
				      : "no NAME of a guest given");
	if (strcmp(argv[optind + 1], "resize") == 0)
		return resize_run(v, argc - optind, argv + optind);
	if (strcmp(argv[optind + 1], "link") == 0)
		return link_run(v, argc - optind, argv + optind);
	if (strcmp(argv[optind + 1], "balloon") == 0)
		return balloon_run(v, argc - optind, argv + optind);
	if (argc - optind > 2)
		return option_wrong(v, "unexpected operand '%s'", argv[optind + 2]);
	for (size_t i = 0; i < COUNT(commands); i++)
		if (strcmp(commands[i].command, argv[optind + 1]) == 0)
			return command_give(argv[optind], commands[i].command, commands[i].done);
	return option_wrong(
		v, "'%s' is none of pause, resume, reset, resize, link, balloon", argv[optind + 1]);
}

const struct verb verb_control = {
	.name = "control",
	.summary = "pause, resume or reset a guest, resize a disk, cut a link",
	.help = "control NAME pause|resume|reset\n"
		"       usher control NAME resize DISK [SIZE]\n"
		"       usher control NAME link CARD up|down\n"
		"       usher control NAME balloon SIZE\n"
		"\n"
		"Gives one command to a guest of usher-vmm. 'pause' stops its processors until\n"
		"'resume'; a lent device goes on, and may still write to the guest's memory.\n"
		"'reset' is the reset button: the guest starts again, with its devices reset, and\n"
		"what it had not written is lost. 'resize' tells the guest the size that a disk\n"
		"has on the host now, and first grows an image to SIZE, such as 20G; DISK is the\n"
		"path or the serial number that --disk has. 'link' plugs the cable of a network\n"
		"card in, or pulls it; CARD is its tap, or user, or its address. 'balloon' asks a\n"
		"guest with --balloon to keep SIZE of its memory and to give the rest to the\n"
		"host. Programs use the socket of usher-control(7).\n"
		"\n"
		"Examples:\n"
		"\n"
		"  usher control build pause\n"
		"  usher control build resize /srv/build.img 20G\n"
		"  usher control build link user down\n",
	.run = control_run,
};
