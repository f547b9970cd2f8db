/* SPDX-License-Identifier: MIT */
/* Every option of `usher run` in a guest file, and back. */
#include "cli/guestwords.h"

#include "base/err.h"
#include "base/num.h"
#include "base/text.h"
#include "cli/option.h"
#include "cli/place.h"
#include "cli/report.h"
#include "cli/run_words.h"
#include "suite.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * A value of each option that guest files have, and how it stands there; NULL: the option has no
 * value. A new option of `usher run` needs a row.
 */
static const struct example {
	const char *option, *value, *text;
} examples[] = {
	{"name", "web", "name = web"},
	{"engine", "qemu", "engine = qemu"},
	{"firmware", "uefi", "firmware = uefi"},
	{"kernel", "/k", "kernel = /k"},
	{"kernel-from", "/d", "kernel-from = /d"},
	{"initrd", "/i", "initrd = /i"},
	{"cmdline", " a=\"b c\" #d", "cmdline = \" a=\\\"b c\\\" #d\""},
	{"memory", "4G", "memory = 4G"},
	{"hugepages", NULL, "hugepages"},
	{"cpus", "4", "cpus = 4"},
	{"cpu-limit", "150%", "cpu-limit = 150%"},
	{"memory-limit", "none", "memory-limit = none"},
	{"rng", "off", "rng = off"},
	{"rings", "packed", "rings = packed"},
	{"balloon", NULL, "balloon"},
	{"vsock", "7", "vsock = 7"},
	{"vsock", "7,socket=/tmp/v", "vsock = 7,socket=/tmp/v"},
	{"console", "none", "console = none"},
	{"display", "vnc", "display = vnc"},
	{"display-handover", "unit=sddm.service,timeout=90",
		"display-handover = unit=sddm.service,timeout=90"},
	{"tpm", NULL, "tpm"},
	{"usb", "1d6b:0002", "usb = 1d6b:0002"},
	{"no-defaults", NULL, "no-defaults"},
	{"peers", NULL, "peers"},
	{"no-reboot", NULL, "no-reboot"},
	{"return", "vfio", "return = vfio"},
	{"on-sleep", "release", "on-sleep = release"},
	{"allow", "rom", "allow = rom"},
	{"env", "A=b c", "env = A=b c"},
	{"no-sandbox", NULL, "no-sandbox"},
	{"stats", "/s", "stats = /s"},
	{"trace-bar", "01:00.0:1", "trace-bar = 01:00.0:1"},
	{"timing", NULL, "timing"},
	{"device", "01:00.0,id=1b36:0010,rom=/r", "device = 01:00.0\nid = 1b36:0010\nrom = /r"},
	{"disk", "/d e,ro,serial=x", "file = /d e\nro\nserial = x"},
	{"share", "/f g,tag=x,ro", "folder = /f g\ntag = x\nro"},
	{"net", "user,forward=tcp:1:2,forward=udp:1:2",
		"user\nforward = tcp:1:2\nforward = udp:1:2"},
	{"port", "agent,file=/f,limit=1M", "name = agent\nfile = /f\nlimit = 1M"},
};

static const struct option *table(void)
{
	const char *letters;

	return option_table(&verb_run, &letters);
}

static char *written(const struct guest_words *ws, const char *name)
{
	struct err e = {0};
	struct text t;
	char *text;

	ck_assert_int_eq(text_begin(&t), 0);
	ck_assert_msg(words_write(ws, name, t.out, &e) == 0, "%s", e.msg);
	ck_assert_int_ge(text_end(&t, &text), 0);
	return text;
}

static struct guest_words words_of(const char *text)
{
	struct guest_words ws = WORDS_OF(&verb_run, table());
	struct err e = {0};

	ck_assert_msg(words_parse(&ws, "folder/f", text, strlen(text), &e) == 0, "%s", e.msg);
	return ws;
}

static const struct example *example_find(const char *option)
{
	for (size_t i = 0; i < COUNT(examples); i++)
		if (strcmp(examples[i].option, option) == 0)
			return &examples[i];
	return NULL;
}

START_TEST(every_option_has_a_place)
{
	for (const struct option *o = table(); o->name; o++) {
		const struct place *p = place_find(o->name);
		ck_assert_msg(p != NULL, "--%s has no row in src/cli/place.c", o->name);
		ck_assert_msg(p->kind == PLACE_NOWHERE || example_find(o->name),
			"--%s has no example here", o->name);
		if (p->kind == PLACE_SECTION)
			ck_assert_int_eq(o->has_arg, required_argument);
	}
}
END_TEST

/* The text of a file that has the one option. */
static char *example_text(const struct example *x)
{
	char *text;

	ck_assert_int_gt(
		asprintf(&text, "[%s]\n%s\n",
			place_find(x->option)->kind == PLACE_SECTION ? x->option : PLACE_GUEST,
			x->text),
		0);
	return text;
}

START_TEST(every_option_is_written_and_read)
{
	for (const struct option *o = table(); o->name; o++) {
		const struct example *x = example_find(o->name);
		struct guest_words of_command = WORDS_OF(&verb_run, table());

		if (!x)
			continue;
		ck_assert_int_eq(words_add(&of_command, o->val, x->value, NULL), 0);
		char *text = written(&of_command, NULL), *wanted = example_text(x);
		ck_assert_str_eq(text, wanted);
		struct guest_words of_file = words_of(text);
		ck_assert_uint_eq(of_file.of_file.count, 1);
		ck_assert_int_eq(of_file.of_file.list[0].value, o->val);
		ck_assert_int_eq(!of_file.of_file.list[0].text, !x->value);
		if (x->value)
			ck_assert_str_eq(of_file.of_file.list[0].text, x->value);
		char *again = written(&of_file, NULL);
		ck_assert_str_eq(again, text);
		free(text), free(wanted), free(again);
		words_free(&of_command);
		words_free(&of_file);
	}
}
END_TEST

START_TEST(every_example_is_good)
{
	for (const struct option *o = table(); o->name; o++) {
		const struct example *x = example_find(o->name);
		struct err e = {0};

		if (!x)
			continue;
		char *text = example_text(x);
		(void)report_catch(&e);
		int r = run_words_check(&verb_run, "f", "web", text, strlen(text));
		(void)report_catch(NULL);
		ck_assert_msg(r == 0, "%s", e.msg);
		free(text);
	}
}
END_TEST

START_TEST(all_options_together_come_back)
{
	struct guest_words ws = WORDS_OF(&verb_run, table());
	char first[] = "-nodefaults", second[] = "a b", empty[] = "";
	char *const arguments[] = {first, second, empty, NULL};

	for (const struct option *o = table(); o->name; o++) {
		const struct example *x = example_find(o->name);
		for (unsigned i = 0; x && i < 2; i++)
			ck_assert_int_eq(words_add(&ws, o->val, x->value, NULL), 0);
	}
	ck_assert_int_eq(words_add_arguments(&ws, arguments, NULL), 0);
	char *text = written(&ws, NULL);
	struct guest_words back = words_of(text);
	char *again = written(&back, NULL);
	ck_assert_str_eq(again, text);
	ck_assert_str_eq(words_arguments(&back, true)[1], "a b");
	ck_assert_str_eq(words_arguments(&back, true)[2], "");
	ck_assert_ptr_null(words_arguments(&back, true)[3]);
	ck_assert_ptr_null(words_arguments(&back, false)[0]);
	free(text), free(again);
	words_free(&ws);
	words_free(&back);
}
END_TEST

static const struct option *option_of(const char *name)
{
	const struct option *o = table();

	while (strcmp(o->name, name) != 0)
		o++;
	return o;
}

/* The same numbers each time. */
static unsigned random_below(unsigned limit)
{
	static uint64_t state = 1;

	state = state * 6364136223846793005U + 1442695040888963407U;
	return (unsigned)(state >> 33) % limit;
}

/* Of pieces that mean something to a file, or nearly do. */
static void random_text(char *buf, size_t size)
{
	static const char *const pieces[] = {"a", " ", "\"", "\\", "#", ";", "=", "[", "]", ",",
		"'", "\t", "\\n", "\xc3\xa4", "yes", "[disk]", "  ", "$x", "`", "%s"};

	buf[0] = '\0';
	for (unsigned i = random_below(8); i > 0; i--)
		(void)strncat(buf, pieces[random_below(COUNT(pieces))], size - strlen(buf) - 1);
}

/* A file has them in an order of its own. Each option is there once. */
static void expect_same(const struct word_list *one, const struct word_list *other)
{
	ck_assert_uint_eq(one->count, other->count);
	for (size_t i = 0; i < one->count; i++) {
		size_t k = 0;
		while (k < other->count && other->list[k].value != one->list[i].value)
			k++;
		ck_assert_uint_lt(k, other->count);
		ck_assert_str_eq(one->list[i].text, other->list[k].text);
	}
}

/* A few options, with values that no person would choose. What is written is read as it was. */
START_TEST(any_words_come_back)
{
	static const char *const free_texts[] = {"cmdline", "env", "allow", "trace-bar"};
	unsigned written_count = 0;
	char *text = NULL;

	for (unsigned round = 0; round < 3000; round++) {
		struct guest_words ws = WORDS_OF(&verb_run, table());
		struct err e = {0};
		char value[128];
		struct text t;

		for (size_t i = 0; i < COUNT(free_texts); i++) {
			random_text(value, sizeof(value));
			if (random_below(2))
				ck_assert_int_eq(
					words_add(&ws, option_of(free_texts[i])->val, value, NULL),
					0);
		}
		ck_assert_int_eq(text_begin(&t), 0);
		int r = words_write(&ws, NULL, t.out, &e);
		ck_assert_int_ge(text_end(&t, &text), 0);
		ck_assert_msg(r == 0 || strstr(e.msg, "cannot stand in a guest file"), "%s", e.msg);
		if (r == 0) {
			struct guest_words back = words_of(text);
			expect_same(&ws.of_command, &back.of_file);
			words_free(&back);
			written_count++;
		}
		free(text);
		words_free(&ws);
	}
	ck_assert_uint_gt(written_count, 1000);
}
END_TEST

START_TEST(paths_are_relative_to_the_file)
{
	struct guest_words ws = words_of("[guest]\nkernel = k\nvsock = 5,socket=v\nstats = /s\n"
					 "[disk]\nro\nfile = d\n"
					 "[device]\ndevice = eth0\nrom = off\n"
					 "[device]\ndevice = eth1\nrom = r\n"
					 "[port]\nname = p\npty\n[port]\nname = q\npty = y\n");
	const char *const wanted[] = {"folder/k", "5,socket=folder/v", "/s", "folder/d,ro",
		"eth0,rom=off", "eth1,rom=folder/r", "p,pty", "q,pty=folder/y"};

	ck_assert_uint_eq(ws.of_file.count, COUNT(wanted));
	for (size_t i = 0; i < COUNT(wanted); i++)
		ck_assert_str_eq(ws.of_file.list[i].text, wanted[i]);
	words_free(&ws);
}
END_TEST

static void refuse(const char *text, const char *msg)
{
	struct guest_words ws = WORDS_OF(&verb_run, table());
	struct err e = {0};

	ck_assert_int_eq(words_parse(&ws, "f", text, strlen(text), &e), -EINVAL);
	ck_assert_ptr_nonnull(strstr(e.msg, msg));
	words_free(&ws);
}

START_TEST(nothing_is_expanded_or_included)
{
	ck_assert_int_eq(setenv("HOME", "/home/else", 1), 0);
	struct guest_words ws = words_of("[guest]\nname = $(id)\nkernel = $HOME/k\ninitrd = ~/*\n"
					 "cmdline = `id` ${HOME} %h\n");

	ck_assert_str_eq(ws.of_file.list[0].text, "$(id)");
	ck_assert_str_eq(ws.of_file.list[1].text, "folder/$HOME/k");
	ck_assert_str_eq(ws.of_file.list[2].text, "folder/~/*");
	ck_assert_str_eq(ws.of_file.list[3].text, "`id` ${HOME} %h");
	words_free(&ws);
	refuse("[guest]\ninclude = /etc/usher/guests/web\n", "f:2: ");
	refuse("[include]\npath = /etc/usher/guests/web\n", "f:1: ");
	refuse("[guest]\ncmdline = a \\\nb\n", "f:3: ");
}
END_TEST

START_TEST(written_paths_are_absolute)
{
	struct guest_words ws = words_of("[guest]\nvsock = socket=v\n[disk]\nfile = d\n");

	ck_assert_int_eq(chdir("/"), 0);
	char *text = written(&ws, NULL);
	ck_assert_str_eq(text, "[guest]\nvsock = socket=/folder/v\n\n[disk]\nfile = /folder/d\n");
	free(text);
	ck_assert_int_eq(chdir("/usr"), 0);
	text = written(&ws, "web");
	ck_assert_str_eq(text, "[guest]\nname = web\nvsock = socket=/usr/folder/v\n\n"
			       "[disk]\nfile = /usr/folder/d\n");
	free(text);
	words_free(&ws);
}
END_TEST

START_TEST(the_command_line_overrides_or_adds)
{
	struct guest_words ws = words_of("[guest]\nmemory = 1G\ncpus = 2\nallow = rom\n"
					 "[disk]\nfile = /a\n");

	ck_assert_int_eq(words_add(&ws, option_of("memory")->val, "2G", NULL), 0);
	ck_assert_int_eq(words_add(&ws, option_of("allow")->val, "bar", NULL), 0);
	ck_assert_int_eq(words_add(&ws, option_of("disk")->val, "/b", NULL), 0);
	char *text = written(&ws, NULL);
	ck_assert_str_eq(text, "[guest]\nmemory = 2G\ncpus = 2\nallow = rom\nallow = bar\n\n"
			       "[disk]\nfile = /a\n\n[disk]\nfile = /b\n");
	ck_assert_uint_eq(words_line(&ws, "memory"), 0);
	ck_assert_uint_eq(words_line(&ws, "cpus"), 3);
	free(text);
	words_free(&ws);
}
END_TEST

START_TEST(a_flag_may_be_yes_or_no)
{
	struct guest_words ws =
		words_of("[guest]\npeers = yes\nhugepages = no\nvsock = yes\nstats = no\n");

	ck_assert_uint_eq(ws.of_file.count, 2);
	ck_assert_str_eq(ws.of_file.list[0].place->option, "peers");
	/* Also one that may have a value. */
	ck_assert_str_eq(ws.of_file.list[1].place->option, "vsock");
	ck_assert_ptr_null(ws.of_file.list[1].text);
	words_free(&ws);
}
END_TEST

START_TEST(a_value_that_no_file_can_have_is_refused)
{
	struct guest_words ws = WORDS_OF(&verb_run, table());
	struct err e = {0};
	struct text t;
	char *text;

	ck_assert_int_eq(words_add(&ws, option_of("cmdline")->val, "a\nb", NULL), 0);
	ck_assert_int_eq(text_begin(&t), 0);
	ck_assert_int_eq(words_write(&ws, NULL, t.out, &e), -EINVAL);
	ck_assert_str_eq(e.msg, "--cmdline: 'a\nb' cannot stand in a guest file");
	ck_assert_int_ge(text_end(&t, &text), 0);
	free(text);
	words_free(&ws);
}
END_TEST

SUITE("guestwords", every_option_has_a_place, every_option_is_written_and_read,
	every_example_is_good, all_options_together_come_back, any_words_come_back,
	paths_are_relative_to_the_file, nothing_is_expanded_or_included, written_paths_are_absolute,
	the_command_line_overrides_or_adds, a_flag_may_be_yes_or_no,
	a_value_that_no_file_can_have_is_refused)
