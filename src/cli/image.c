/* SPDX-License-Identifier: MIT */
#include "cli/image.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/num.h"
#include "bind/env.h"
#include "cli/option.h"
#include "cli/report.h"
#include "cli/verb.h"
#include "engine/image_chain.h"
#include "engine/image_format.h"
#include "image/debian.h"
#include "image/make.h"
#include "image/resize.h"
#include "image/writable.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define BACKING_MAX 16
#define LESS '\1'

enum { FORMAT = 1, BACKING, SHRINK, JSON, SUITE, MIRROR, SIZE, INCLUDE, SSH_KEY, HOOK };

struct arguments {
	const struct verb *verb;
	const char *format;
	const char *backing[BACKING_MAX];
	size_t backing_count;
	struct debian_request debian;
	bool shrink, json;
	bool for_debian; /* an option of from-debootstrap is there */
	int count; /* of operands, without the action */
	char **operands;
};

/* Prints what was done, or what usher refused. @r, @e: of the action. */
static int image_leave(
	const struct arguments *a, struct image_report *done, int r, const struct err *e)
{
	const bool refused = r == -EBUSY || r == -EPERM;
	struct err why = {0};

	done->problem = refused ? e : NULL;
	if (r < 0)
		report(e);
	if (r < 0 && !refused)
		return LEAVE_FAILED;
	r = a->json ? image_report_json(done, &why) : 0;
	if (r < 0) {
		report(&why);
		return LEAVE_FAILED;
	}
	if (!a->json && (done->chain || !refused))
		image_report_text(done);
	return refused ? LEAVE_REFUSED : LEAVE_OK;
}

static int parse_size(const struct arguments *a, const char *text, uint64_t *ret)
{
	if (num_parse_size(text, ret) == 0 && *ret && *ret <= MAKE_SIZE_MAX && *ret % 512 == 0)
		return 0;
	return option_wrong(a->verb,
		"'%s' is not the size of a disk, such as 10G: a multiple of "
		"512 bytes",
		text);
}

static int action_create(const struct arguments *a)
{
	const char *format = a->format ? a->format : "raw";
	struct image_report done = {
		.action = "create", .path = a->operands[0], .format = format, .has_size = true};
	const struct image_format *f = image_format_find(format);
	struct err e = {0};

	if (!f || !f->is_made)
		return option_wrong(a->verb,
			"--format: '%s' is none of raw, qcow2, vmdk, vhdx, "
			"vdi and vpc",
			format);
	if (!a->format && strcmp(writable_name_format(done.path), format) != 0)
		return option_wrong(a->verb,
			"'%s' would be a raw image: --format %s makes what its name tells, and "
			"--format raw a raw one",
			done.path, writable_name_format(done.path));
	int r = parse_size(a, a->operands[1], &done.size);
	if (r)
		return r;
	r = image_make(done.path, format, done.size, BIND_STATE_DIR, &e);
	return image_leave(a, &done, r, &e);
}

static int chain_leave(
	const struct arguments *a, struct image_report *done, const struct image_chain *c)
{
	done->chain = c;
	done->format = c->parts[0].format;
	done->size = c->parts[0].size;
	return image_leave(a, done, c->stop.code ? -EPERM : 0, &c->stop);
}

static int action_info(const struct arguments *a)
{
	const struct image_request q = {
		.path = a->operands[0],
		.format = a->format,
		.backing = a->backing,
		.backing_count = a->backing_count,
		.option = "--backing ",
		.run_dir = BIND_STATE_DIR,
	};
	struct image_report done = {.action = "info", .path = a->operands[0], .has_size = true};
	cleanup_free struct image_chain *c = calloc(1, sizeof(*c));
	struct err e = {0};

	int r = c ? image_chain_read(&q, c, &e) : err_set(&e, -ENOMEM, "info");
	if (r < 0)
		return image_leave(a, &done, r == -EPERM ? -EACCES : r, &e);
	int leave = chain_leave(a, &done, c);
	image_chain_close(c);
	return leave;
}

static int action_resize(const struct arguments *a)
{
	const char *text = a->operands[1];
	struct resize_request q = {.path = a->operands[0],
		.format = a->format,
		.how = text[0] == '+'   ? RESIZE_BY
		       : text[0] == '-' ? RESIZE_BY_LESS
					: RESIZE_TO,
		.shrink = a->shrink,
		.run_dir = BIND_STATE_DIR};
	struct image_report done = {
		.action = "resize", .path = q.path, .has_size = true, .has_old_size = true};
	struct resize_done sizes;
	struct err e = {0};

	int r = parse_size(a, text + (q.how != RESIZE_TO), &q.bytes);
	if (r)
		return r;
	r = image_resize(&q, &sizes, &e);
	done.format = sizes.format;
	done.old_size = sizes.old;
	done.size = sizes.new;
	return image_leave(a, &done, r, &e);
}

static int action_overlay(const struct arguments *a)
{
	struct image_report done = {
		.action = "overlay", .path = a->operands[0], .format = "qcow2", .has_size = true};
	struct err e = {0};

	const struct overlay_request q = {
		.path = a->operands[0],
		.backing = a->operands[1],
		.format = a->format,
		.named = a->backing,
		.named_count = a->backing_count,
		.run_dir = BIND_STATE_DIR,
	};
	int r = image_overlay(&q, &done.size, &e);
	return image_leave(a, &done, r, &e);
}

static void debian_tell(const struct debian_request *q)
{
	report_note("Debian %s becomes '%s': this takes some minutes", q->suite, q->path);
}

static int action_debian(const struct arguments *a)
{
	struct debian_request q = a->debian;
	struct image_report done = {.action = "from-debootstrap",
		.path = a->operands[0],
		.format = "raw",
		.has_size = true,
		.size = q.size};
	struct err e = {0};

	q.path = a->operands[0];
	q.begins = debian_tell;
	int r = debian_make(&q, &e);
	int leave = image_leave(a, &done, r, &e);
	return r == -EINVAL ? LEAVE_USAGE : leave;
}

static const struct {
	const char *name, *operands;
	int count; /* of operands */
	int (*run)(const struct arguments *a);
} actions[] = {
	{"create", "FILE and SIZE", 2, action_create},
	{"info", "one FILE", 1, action_info},
	{"resize", "FILE and SIZE", 2, action_resize},
	{"overlay", "FILE and BACKING", 2, action_overlay},
	{"from-debootstrap", "one FILE", 1, action_debian},
};

static int take_backing(struct arguments *a, const char *text)
{
	if (a->backing_count == BACKING_MAX)
		return option_wrong(a->verb, "--backing: at most %d", BACKING_MAX);
	a->backing[a->backing_count++] = text;
	return 0;
}

static int debian_size(struct arguments *a, const char *text)
{
	int r = parse_size(a, text, &a->debian.size);
	if (r || a->debian.size >= DEBIAN_SIZE_MIN)
		return r;
	return option_wrong(a->verb,
		"--size: '%s' is too small for Debian, which takes %" PRIu64 "M at least", text,
		DEBIAN_SIZE_MIN >> 20);
}

static int take_debian(struct arguments *a, int c, const char *text)
{
	struct debian_request *d = &a->debian;

	a->for_debian = true;
	switch (c) {
	case SIZE:
		return debian_size(a, text);
	case SUITE:
		d->suite = text;
		return 0;
	case MIRROR:
		d->mirror = text;
		return 0;
	case INCLUDE:
		d->include = text;
		return 0;
	case HOOK:
		d->hook = text;
		return 0;
	default:
		d->ssh_key = text;
		return 0;
	}
}

static int take_option(void *arg, int c, const char *text)
{
	struct arguments *a = arg;

	switch (c) {
	case FORMAT:
		a->format = text;
		return 0;
	case BACKING:
		return take_backing(a, text);
	case SHRINK:
		a->shrink = true;
		return 0;
	case JSON:
		a->json = true;
		return 0;
	default:
		return take_debian(a, c, text);
	}
}

static int check_words(const struct arguments *a, const char *action)
{
	const struct verb *v = a->verb;

	if (a->backing_count && strcmp(action, "info") != 0 && strcmp(action, "overlay") != 0)
		return option_wrong(v, "--backing: only info and overlay take it");
	if (a->shrink && strcmp(action, "resize") != 0)
		return option_wrong(v, "--shrink: only resize takes it");
	const bool is_debian = strcmp(action, "from-debootstrap") == 0;
	if (a->for_debian && !is_debian)
		return option_wrong(v,
			"--suite, --mirror, --size, --include, --ssh-key, --hook: only "
			"from-debootstrap takes these");
	if (a->format && is_debian)
		return option_wrong(v, "--format: from-debootstrap makes a raw image");
	return 0;
}

static int action_run(struct arguments *a, const char *name)
{
	for (size_t i = 0; i < COUNT(actions); i++) {
		if (strcmp(actions[i].name, name) != 0)
			continue;
		if (a->count != actions[i].count)
			return option_wrong(a->verb, "%s needs %s", name, actions[i].operands);
		int r = check_words(a, name);
		return r ? r : actions[i].run(a);
	}
	return option_wrong(a->verb,
		"'%s' is none of create, info, resize, overlay and from-debootstrap", name);
}

/* "-1G" is a size, and no option: while the options are taken, @to stands in place of its '-'. */
static void sizes_mark(int argc, char **argv, char from, char to)
{
	for (int i = 1; i < argc; i++)
		if (argv[i][0] == from && argv[i][1] >= '0' && argv[i][1] <= '9')
			argv[i][0] = to;
}

static int image_run(const struct verb *v, int argc, char **argv)
{
	static const struct option takes[] = {
		{"format", required_argument, NULL, FORMAT},
		{"backing", required_argument, NULL, BACKING},
		{"shrink", no_argument, NULL, SHRINK},
		{"suite", required_argument, NULL, SUITE},
		{"mirror", required_argument, NULL, MIRROR},
		{"size", required_argument, NULL, SIZE},
		{"include", required_argument, NULL, INCLUDE},
		{"ssh-key", required_argument, NULL, SSH_KEY},
		{"hook", required_argument, NULL, HOOK},
		{"json", no_argument, NULL, JSON},
		{0},
	};
	struct arguments a = {.verb = v, .debian = DEBIAN_DEFAULT};
	struct options o = {.verb = v, .argc = argc, .argv = argv, .takes = takes};

	sizes_mark(argc, argv, '-', LESS);
	int r = options_take(&o, take_option, &a);
	sizes_mark(argc, argv, LESS, '-');
	if (r)
		return option_leave(r);
	if (optind >= argc)
		return option_wrong(
			v, "say what to do: create, info, resize, overlay or from-debootstrap");
	a.operands = argv + optind + 1;
	a.count = argc - optind - 1;
	return action_run(&a, argv[optind]);
}

const struct verb verb_image = {
	.name = "image",
	.summary = "make images of disks, of Debian as well, and resize them",
	.help = "image create FILE SIZE [OPTION…]\n"
		"       usher image info FILE [OPTION…]\n"
		"       usher image resize FILE [+|-]SIZE [OPTION…]\n"
		"       usher image overlay FILE BACKING [OPTION…]\n"
		"       usher image from-debootstrap FILE [OPTION…]\n"
		"\n"
		"Makes an empty disk, shows what an image is, changes its size, makes an image\n"
		"that holds the changes to another one, or makes a disk with Debian that boots.\n"
		"Never overwrites a file. Refuses to resize an image that a guest or the host\n"
		"uses. qemu-img reads and writes all formats but raw: as a user of its own, with\n"
		"that file alone. Backing files are followed if they lie beside the image.\n"
		"\n"
		"      --format FORMAT    of a new image: raw, qcow2, vmdk, vhdx, vdi or vpc\n"
		"                         (default: raw); of an existing one (default: what its\n"
		"                         first bytes and its name tell)\n"
		"      --backing FILE     info and overlay: follow this backing file wherever it\n"
		"                         lies; may be repeated\n"
		"      --shrink           resize: the disk may become smaller, and lose its end\n"
		"      --suite SUITE      from-debootstrap: the release (default: bookworm)\n"
		"      --mirror URL       from-debootstrap: where its packages are (default:\n"
		"                         http://deb.debian.org/debian)\n"
		"      --size SIZE        from-debootstrap: of the disk, at least 256M\n"
		"                         (default: 2G)\n"
		"      --include LIST     from-debootstrap: further packages, with commas between\n"
		"      --ssh-key FILE     from-debootstrap: the public key that logs in as root\n"
		"      --hook FILE        from-debootstrap: a shell script that gets the path of\n"
		"                         the new root, before it becomes an image\n"
		"      --json             print a JSON document\n"
		"\n"
		"Exit status: 0 done; 1 failed; 2 wrong command line; 3 refused: the image is in\n"
		"use, would shrink, or has a backing file that usher does not follow.\n"
		"\n"
		"Examples: a guest with Debian. A disk that grows as it is filled. A second\n"
		"guest from one image.\n"
		"\n"
		"  usher image from-debootstrap debian.img && usher run --disk debian.img\n"
		"  usher image create data.img 100G\n"
		"  usher image overlay second.qcow2 debian.img\n",
	.run = image_run,
};
