/* SPDX-License-Identifier: MIT */
#include "engine/defaults.h"

#include "base/err.h"
#include "engine/files.h"
#include "engine/net.h"
#include "engine/spec.h"
#include "engine/vsock.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define SERIAL "ttyS0"
#define VIRTIO "hvc0"

/*
 * The console that a guest's kernel gets when its command line names none. With a virtio console it
 * is the serial port until the driver is there. The kernel shows each line once: it leaves an early
 * console for the real one.
 */
static const char *console_words(const struct guest_spec *s)
{
	return s->console == GUEST_CONSOLE_VIRTIO ? "earlycon=uart8250,io,0x3f8 console=" VIRTIO
						  : "console=" SERIAL;
}

/* A default never prevents a guest that runs without it. */
static int device_add(
	struct guest_spec *s, enum guest_virtio_type type, enum guest_wish wish, struct err *e)
{
	const struct guest_virtio device = {.type = type};

	if (wish == GUEST_WISH_ON)
		return spec_add_virtio(s, &device, e);
	if (wish == GUEST_WISH_DEFAULT && !s->no_defaults && spec_slots_left(s))
		(void)spec_add_virtio(s, &device, NULL);
	return 0;
}

/* Behind all others, so that a guest which starts without it has the others at the same places. */
static void net_add_default(struct guest_spec *s, const char *missing)
{
	const struct guest_virtio card = {
		.type = GUEST_VIRTIO_NET, .net = {.queues = 1, .is_default = true}};

	if (s->no_defaults || s->no_net || net_has_card(s))
		return;
	s->net_missing = missing ? missing : spec_slots_left(s) ? NULL : "no slot is left for it";
	if (!s->net_missing)
		(void)spec_add_virtio(s, &card, NULL);
}

static void kernel_add(struct guest_spec *s)
{
	if (s->kernel || s->kernel_from || s->firmware || s->no_defaults)
		return;
	for (size_t i = 0; i < s->virtio_count && !s->kernel_from; i++)
		if (s->virtio[i].type == GUEST_VIRTIO_BLK)
			s->kernel_from = s->virtio[i].disk.path;
}

int defaults_add(struct guest_spec *s, const char *net_missing, struct err *e)
{
	kernel_add(s);
	int r = device_add(s, GUEST_VIRTIO_RNG, s->rng, e);
	if (r < 0)
		return r;
	r = device_add(s, GUEST_VIRTIO_BALLOON, s->balloon ? GUEST_WISH_ON : GUEST_WISH_OFF, e);
	if (r < 0)
		return r;
	r = vsock_add(s, e);
	if (r < 0)
		return r;
	net_add_default(s, net_missing);
	net_settle(s);
	return 0;
}

/* The kernel takes no parameter behind the word "--": the rest is for the guest's init. */
static size_t kernel_words(const char *text)
{
	for (const char *at = strstr(text, "--"); at; at = strstr(at + 1, "--"))
		if ((at == text || at[-1] == ' ') && (!at[2] || at[2] == ' '))
			return (size_t)(at - text);
	return strlen(text);
}

/*
 * Whether the kernel's part of @text has a word that begins with @name and ends with it, or goes on
 * behind its '='.
 */
static bool has_word(const char *text, const char *name)
{
	size_t len = strlen(name);
	const char *end = text + kernel_words(text);

	for (const char *at = strstr(text, name); at && at < end; at = strstr(at + len, name))
		if ((at == text || at[-1] == ' ') &&
			(name[len - 1] == '=' || !at[len] || at[len] == ' '))
			return true;
	return false;
}

/* A line under way. Words that have no room are counted. */
struct words {
	char *text;
	size_t size, used;
};

static void words_add(struct words *w, const char *words, size_t len)
{
	size_t blank = w->used > 0;

	if (!len)
		return;
	if (w->used + blank + len < w->size)
		(void)snprintf(w->text + w->used, w->size - w->used, "%s%.*s", blank ? " " : "",
			(int)len, words);
	w->used += blank + len;
}

static void word_add(struct words *w, const char *word)
{
	words_add(w, word, strlen(word));
}

static bool is_same_file(const char *a, const char *b)
{
	struct stat of_a, of_b;

	if (strcmp(a, b) == 0)
		return true;
	if (stat(a, &of_a) < 0 || stat(b, &of_b) < 0)
		return false;
	return S_ISBLK(of_a.st_mode) ? of_a.st_rdev == of_b.st_rdev
				     : of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino;
}

/* The disk of the guest that the kernel comes from. Return: NULL if it is none; *@ret_number. */
static const struct guest_disk *disk_find(const struct guest_spec *s, unsigned *ret_number)
{
	unsigned number = 0;

	for (size_t i = 0; i < s->virtio_count; i++) {
		if (s->virtio[i].type != GUEST_VIRTIO_BLK)
			continue;
		*ret_number = number++;
		if (is_same_file(s->virtio[i].disk.path, s->kernel_from))
			return &s->virtio[i].disk;
	}
	return NULL;
}

/*
 * The kernel mounts its root for reading only, unless 'rw' says otherwise. A boot loader's
 * configuration leaves the rest to the image's fstab, but an image without one may have no fstab
 * either.
 */
static void root_add(const struct guest_spec *s, const struct wire_image *m, struct words *w)
{
	unsigned number = 0;
	const struct guest_disk *d = disk_find(s, &number);
	char root[WIRE_IMAGE_ROOT_MAX + 8];

	if (m->root[0])
		(void)snprintf(root, sizeof(root), "root=%s", m->root);
	else
		(void)snprintf(root, sizeof(root), "root=/dev/vd%c", 'a' + (int)number);
	word_add(w, root);
	if (!has_word(m->options, "ro") && !has_word(m->options, "rw"))
		word_add(w, d && d->readonly ? "ro" : "rw");
}

static bool names_console(const char *options, const char *console)
{
	char name[16], with_speed[16];

	(void)snprintf(name, sizeof(name), "console=%s", console);
	(void)snprintf(with_speed, sizeof(with_speed), "console=%s,", console);
	return has_word(options, name) || strstr(options, with_speed);
}

/*
 * A boot loader's line may have a console alone that this guest does not have, such as a screen.
 *
 * A distribution's kernel has the virtio console's driver as a module, mostly not in the initial
 * ramdisk. With that console alone, nobody can open /dev/console until then, and the ramdisk's init
 * fails. So the kernel's console stays the serial port, and systemd puts a login on the other.
 */
static void console_add(const struct guest_spec *s, const char *options, struct words *w)
{
	const bool is_virtio = s->console == GUEST_CONSOLE_VIRTIO;

	if (is_virtio && names_console(options, VIRTIO))
		return;
	if (!names_console(options, SERIAL))
		word_add(w, "console=" SERIAL);
	if (is_virtio)
		word_add(w, "systemd.wants=serial-getty@" VIRTIO ".service");
}

static void image_add(const struct guest_spec *s, const struct wire_image *m, struct words *w)
{
	if (!has_word(m->options, "root=") && !(s->cmdline && has_word(s->cmdline, "root=")))
		root_add(s, m, w);
	word_add(w, m->options);
	if (!(s->cmdline && has_word(s->cmdline, "console=")))
		console_add(s, m->options, w);
}

/*
 * Without panic=-1 a kernel that panics waits for ever, and its devices stay lent. A panic
 * parameter of the user has precedence. Of a parameter that comes twice the kernel takes the last
 * one, so the user's words stand behind the image's. The words for init stay the last ones.
 */
int defaults_cmdline(const struct guest_spec *s, const struct guest_files *f, char *buf,
	size_t size, struct err *e)
{
	struct words w = {.text = buf, .size = size};
	const char *own = s->cmdline ? s->cmdline : "";
	size_t len = kernel_words(own);

	buf[0] = '\0';
	if (s->kernel_from && f)
		image_add(s, &f->boot.found, &w);
	else if (!s->cmdline)
		word_add(&w, console_words(s));
	size_t image = w.used;
	words_add(&w, own, own[len] && len ? len - 1 : len);
	size_t added = w.used;
	if (w.used >= size || !has_word(buf, "panic="))
		word_add(&w, "panic=-1");
	added = w.used - added;
	word_add(&w, own + len);
	if (w.used <= SPEC_CMDLINE_MAX && w.used < size)
		return 0;
	if (image)
		return err_say(e, -EINVAL,
			"the command line has %zu bytes, %zu of them from the image; a kernel "
			"takes at most %d",
			w.used, image, SPEC_CMDLINE_MAX);
	return err_say(e, -EINVAL,
		"--cmdline: %zu bytes; a kernel takes at most %d, and usher adds %zu%s",
		w.used - added, SPEC_CMDLINE_MAX, added, added ? " (panic=-1)" : "");
}
