/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "engine/kernel.h"
#include "engine/unpack.h"
#include "image/ext.h"
#include "image/loader.h"
#include "image/source.h"
#include "image/volume.h"
#include "image/wall.h"
#include "wire/image.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * usher-image: finds the kernel in the image of a disk, for a guest that boots it.
 *
 * How it works
 *
 * The image is whatever a guest has written to it, and the libraries that read it are large. So
 * this is a program of its own, which a keeper starts for one image, and which gives up all rights
 * before it reads the first byte. It opens nothing:
 *
 *	usher-image LINE IMAGE KERNEL INITRD UID
 *
 * LINE to INITRD are descriptors: a socket for the one answer (wire/image.h), the image, and two
 * files to fill. An image with a format of its own is a socket, too: of a program that serves its
 * content (image/source.h). The kernel is unpacked here as well, because that is a large library.
 */
#define KERNEL_MAX MIB(256)
#define INITRD_MAX ((uint64_t)WALL_FILE_MAX)
#define INITRD_ALIGN 4 /* of each archive. Ref: Documentation/driver-api/early-userspace */

struct look {
	struct source source; /* of the image */
	int image, kernel, initrd; /* descriptors */
	int volume_count;
	struct volume volumes[VOLUMES_MAX];
	const char *problems[VOLUMES_MAX]; /* why it has no kernel; NULL: usher does not read it */
	size_t found; /* the volume with the kernel */
	size_t root; /* the volume that is the root of a system; VOLUMES_MAX none */
	struct boot_choice choice;
	struct wire_image answer;
};

static bool is_ext(const struct volume *v)
{
	return strncmp(v->type, "ext", 3) == 0 && v->type[3] >= '2' && v->type[3] <= '4';
}

/* Bytes that are no printable ASCII become '?'. */
static void text_clean(char *text)
{
	for (; *text; text++)
		if (*text < 0x20 || *text > 0x7e)
			*text = '?';
}

static void text_send(char *buf, size_t size, const char *text)
{
	(void)snprintf(buf, size, "%s", text);
	text_clean(buf);
}

/* A configuration that names a kernel has precedence over a kernel without one. */
static void volume_consider(struct look *l, size_t i)
{
	struct ext x = EXT_NONE;
	struct tree t = {.ops = &ext_tree_ops, .arg = &x};
	struct boot_choice c;

	l->problems[i] = "damaged";
	if (ext_open(&l->source, &l->volumes[i], &x, NULL) < 0)
		return;
	l->problems[i] = "no kernel";
	if (l->root == VOLUMES_MAX && loader_is_root(&t))
		l->root = i;
	if (loader_choose(&t, &c) == 0 &&
		(l->found == VOLUMES_MAX || (c.is_configured && !l->choice.is_configured))) {
		l->found = i;
		l->choice = c;
	}
	ext_close(&x);
}

static void volumes_describe(const struct look *l, char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	for (int i = 0; i < l->volume_count && used < size - 1; i++) {
		const struct volume *v = &l->volumes[i];
		char place[32] = "the whole disk";
		if (v->number)
			(void)snprintf(place, sizeof(place), "partition %u", v->number);
		int n = snprintf(buf + used, size - used, "%s%s is %s%s%s", i ? ", " : "", place,
			v->type[0] ? v->type : "unknown", l->problems[i] ? ", " : "",
			l->problems[i] ? l->problems[i] : "");
		used += n > 0 ? (size_t)n : 0;
	}
}

static int kernel_missing(const struct look *l, struct err *e)
{
	char list[360];
	bool other = false;

	for (int i = 0; i < l->volume_count; i++)
		other |= l->volumes[i].type[0] && !is_ext(&l->volumes[i]);
	volumes_describe(l, list, sizeof(list));
	err_say(e, -ENOENT, "no kernel found: %s", l->volume_count ? list : "it has no partition");
	if (other)
		err_hint(e, "usher reads ext2, ext3 and ext4; virt-get-kernel of guestfs-tools "
			    "reads other file systems: give its files to --kernel and --initrd");
	else
		err_hint(e, "install a kernel into it, or give --kernel and --initrd");
	return -ENOENT;
}

static int volume_look(struct look *l, struct err *e)
{
	l->found = l->root = VOLUMES_MAX;
	l->volume_count = volumes_find(&l->source, l->volumes, e);
	if (l->volume_count < 0)
		return l->volume_count;
	for (int i = 0; i < l->volume_count; i++)
		if (is_ext(&l->volumes[i]))
			volume_consider(l, (size_t)i);
	return l->found == VOLUMES_MAX ? kernel_missing(l, e) : 0;
}

static int initrds_copy(struct look *l, struct ext *x, struct err *e)
{
	static const uint8_t zeros[INITRD_ALIGN];
	const struct boot_entry *b = &l->choice.entry;
	uint64_t size = 0;

	for (size_t i = 0; i < b->initrd_count; i++) {
		uint64_t pad = align_up(size, INITRD_ALIGN) - size;
		int r = fd_write_full(l->initrd, zeros, pad);
		if (r < 0)
			return err_set(e, r, "keep '%s'", b->initrds[i]);
		int64_t copied = ext_copy(x, b->initrds[i], INITRD_MAX - size - pad, l->initrd, e);
		if (copied < 0)
			return (int)copied;
		size += pad + (uint64_t)copied;
	}
	return 0;
}

/* Puts the vmlinux in place of the packed kernel. */
static int kernel_unpack(struct look *l, struct err *e)
{
	int r = kernel_extract(l->kernel, l->choice.entry.kernel, e);

	return r < 0 ? r : 0;
}

static int files_copy(struct look *l, struct err *e)
{
	struct ext x = EXT_NONE;

	int r = ext_open(&l->source, &l->volumes[l->found], &x, e);
	if (r < 0)
		return r;
	l->answer.unclean = ext_is_unclean(&x);
	int64_t size = ext_copy(&x, l->choice.entry.kernel, KERNEL_MAX, l->kernel, e);
	r = size < 0 ? (int)size : initrds_copy(l, &x, e);
	ext_close(&x);
	return r < 0 ? r : kernel_unpack(l, e);
}

/* For a command line without root=: by the identity of the volume, as its own loader would. */
static void root_name(const struct look *l, char *buf, size_t size)
{
	const struct volume *v = &l->volumes[l->root == VOLUMES_MAX ? l->found : l->root];

	if (v->number && v->partuuid[0])
		(void)snprintf(buf, size, "PARTUUID=%s", v->partuuid);
	else if (l->choice.entry.initrd_count && v->uuid[0])
		(void)snprintf(buf, size, "UUID=%s", v->uuid);
	text_clean(buf);
}

static void answer_fill(struct look *l)
{
	const struct boot_entry *b = &l->choice.entry;
	struct wire_image *a = &l->answer;

	a->partition = l->volumes[l->found].number;
	text_send(a->kernel, sizeof(a->kernel), b->kernel);
	text_send(a->initrd, sizeof(a->initrd),
		b->initrd_count ? b->initrds[b->initrd_count - 1] : "");
	text_send(a->source, sizeof(a->source), l->choice.source);
	text_send(a->title, sizeof(a->title), b->title);
	text_send(a->options, sizeof(a->options), b->options);
	root_name(l, a->root, sizeof(a->root));
}

static int image_look(struct look *l, uid_t uid, struct err *e)
{
	const char *step = "";

	int r = unpack_prepare(e);
	if (r < 0)
		return r;
	r = source_prepare(&l->source, l->image, e);
	if (r < 0)
		return r;
	r = wall_raise(uid, &step);
	if (r < 0)
		return err_set(e, r, "confine usher-image: %s", step);
	r = source_open(&l->source, e);
	if (r < 0)
		return r;
	r = volume_look(l, e);
	if (r < 0)
		return r;
	r = files_copy(l, e);
	if (r == 0)
		answer_fill(l);
	return r;
}

/* Whoever has the terminal of the caller could type into it. */
static void terminal_leave(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = 0; fd <= 2 && null >= 0; fd++)
		(void)dup2(null, fd);
}

int main(int argc, char **argv)
{
	struct look *l = calloc(1, sizeof(*l));
	uint64_t numbers[5];
	struct err e = {0};

	if (argc != 6 || !l)
		return 2;
	for (size_t i = 0; i < COUNT(numbers); i++)
		if (num_parse(argv[i + 1], 10, UINT32_MAX, &numbers[i]) < 0)
			return 2;
	terminal_leave();
	(void)signal(SIGPIPE, SIG_IGN); /* a server that ends is an error like any other */
	l->image = (int)numbers[1];
	l->kernel = (int)numbers[2];
	l->initrd = (int)numbers[3];
	l->answer.header.kind = WIRE_IMAGE;
	l->answer.code = image_look(l, (uid_t)numbers[4], &e);
	text_send(l->answer.reason, sizeof(l->answer.reason), e.msg);
	text_send(l->answer.hint, sizeof(l->answer.hint), e.hint);
	return wire_send((int)numbers[0], &l->answer, sizeof(l->answer), NULL) < 0;
}
