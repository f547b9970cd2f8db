/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "engine/disk/image.h"
#include "engine/storage.h"
#include "shell.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/*
 * Images whose headers a seeded generator damages, before real programs of QEMU behind usher's
 * walls: qemu-img looks at each, and the storage daemon serves what passes for an image. The
 * folder `outside` is named by many headers, and nobody may open a file in it. Each image gets an
 * answer in bounded time, and what is refused a sentence without bytes of the image.
 */
#define IMAGES 40 /* of each kind; every third one that is accepted is served */
#define PATIENCE 25 /* [s] for one image: a busy machine is slow, and a hang takes a minute */
#define PLACES 4 /* of a format: where its structures begin */
#define QCOW2_NAME_SIZE 19 /* the last byte of the length of the backing file's name */
#define SPAN 512 /* [bytes] of each that are damaged most */

static char home[] = "/tmp/usher-wild-XXXXXX";
static int watch = -1, door = -1;
static uint64_t state;
static struct {
	unsigned accepted, served, refused, stopped;
} counts;

static uint32_t random_below(uint32_t limit)
{
	state = state * 6364136223846793005U + 1442695040888963407U;
	return (uint32_t)(state >> 33) % limit;
}

/* @made: how 'whole' is made. A place is a byte of the file; a sum is at 4 of a place. */
static const struct kind {
	const char *format, *made;
	uint32_t places[PLACES];
	uint32_t summed[PLACES]; /* [bytes] that the place's CRC-32C covers; 0: it has none */
} kinds[] = {
	{"qcow2", "qemu-img create -q -f qcow2 -o cluster_size=4k -b base -F raw whole 8M",
		{0, 4096, 8192, 12288}, {0}},
	{"qcow2", "qemu-img convert -c -O qcow2 -o cluster_size=512 base whole",
		{0, 512, 1024, 2048}, {0}},
	{"vmdk", "qemu-img convert -O vmdk base whole", {0, 512, 512, 10752}, {0}},
	{"vmdk",
		"qemu-img create -q -f vmdk below 8M && "
		"qemu-img create -q -f vmdk -b below -F vmdk whole",
		{0, 512, 512, 512}, {0}},
	{"vhdx", "qemu-img convert -O vhdx base whole", {65536, 131072, 196608, 2097152},
		{4096, 4096, 65536, 0}},
};

static uint32_t crc32c(const uint8_t *bytes, size_t size)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < size; i++) {
		crc ^= bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return ~crc;
}

/* So that QEMU looks behind the sum, too. */
static void sums_mend(const struct kind *k, uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < PLACES; i++) {
		if (!k->summed[i] || !range_ok(k->places[i], k->summed[i], size))
			continue;
		memset(bytes + k->places[i] + 4, 0, 4);
		const uint32_t sum = crc32c(bytes + k->places[i], k->summed[i]);
		memcpy(bytes + k->places[i] + 4, &sum, 4);
	}
}

static void value_put(uint8_t *bytes, size_t size, size_t at)
{
	static const uint64_t values[] = {0, 1, 2, 8, 255, 512, 65535, 65536, 1 << 20, INT32_MAX,
		UINT32_MAX, UINT64_C(1) << 40, INT64_MAX, UINT64_MAX, UINT64_C(1) << 63};
	const uint64_t value = values[random_below(COUNT(values))];
	const size_t width = (size_t)1 << random_below(4);
	const bool is_big = random_below(2);

	at &= ~(width - 1);
	for (size_t i = 0; i < width && at + i < size; i++)
		bytes[at + i] = (uint8_t)(value >> (8 * (is_big ? width - 1 - i : i)));
}

/* Over a name of the header if there is one, and anywhere else. */
static void name_put(uint8_t *bytes, size_t size, size_t at)
{
	static const char *const names[][2] = {{"", "/outside/secret"}, {"../", "outside/secret"},
		{"file:", "/outside/secret"}, {"nbd+unix:///x?socket=", "/outside/door"},
		{"json:{\"driver\":\"file\",\"filename\":\"", "/outside/secret\"}"},
		{"RW 16384 FLAT \"", "/outside/secret\" 0\n"},
		{"parentFileNameHint=\"", "/outside/secret\"\n"}};
	static const char *const marks[] = {"base", "below", "RW ", "whole"};
	const char *mark = marks[random_below(COUNT(marks))];
	const uint8_t *found = memmem(bytes, size < 65536 ? size : 65536, mark, strlen(mark));
	char name[256];

	const char *const *parts = names[random_below(COUNT(names))];
	const int len = snprintf(
		name, sizeof(name), "%s%s%s", parts[0], parts[0][0] == '.' ? "" : home, parts[1]);
	if (found && random_below(4))
		at = (size_t)(found - bytes);
	if (memcmp(bytes, "QFI", 3) == 0 && at < SPAN) /* a length goes with it */
		bytes[QCOW2_NAME_SIZE] = (uint8_t)len;
	if (range_ok(at, (uint64_t)len + 1, size))
		memcpy(bytes + at, name, (size_t)len + random_below(2));
}

static void image_damage(const struct kind *k, uint8_t *bytes, size_t size)
{
	for (uint32_t n = 1 + random_below(4); n; n--) {
		const size_t at = k->places[random_below(PLACES)] +
				  random_below(1 + random_below(SPAN)); /* fields come first */
		if (at >= size)
			continue;
		switch (random_below(4)) {
		case 0:
			bytes[at] ^= (uint8_t)(1 << random_below(8));
			break;
		case 1:
			name_put(bytes, size, at);
			break;
		default:
			value_put(bytes, size, at);
		}
	}
	if (random_below(4))
		sums_mend(k, bytes, size);
}

/* 'image' becomes a damaged 'whole'. */
static void image_make(const struct kind *k)
{
	static uint8_t bytes[16 << 20];
	char path[64];

	(void)snprintf(path, sizeof(path), "%s/whole", home);
	int from = open(path, O_RDONLY | O_CLOEXEC);
	const ssize_t size = read(from, bytes, sizeof(bytes));
	ck_assert_int_gt(size, 0);
	(void)close(from);
	image_damage(k, bytes, (size_t)size);
	(void)snprintf(path, sizeof(path), "%s/image", home);
	int to = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	const size_t left = random_below(8) ? (size_t)size : random_below((uint32_t)size);
	ck_assert_int_eq(write(to, bytes, left), (ssize_t)left);
	(void)close(to);
}

/* A terminal shows it. */
static void expect_sentence(const struct err *e)
{
	ck_assert_msg(e->msg[0], "refused without a word");
	for (const char *c = e->msg; *c; c++)
		ck_assert_msg((uint8_t)*c >= 0x20 && *c != 0x7f, "a byte 0x%02x in '%s'",
			(uint8_t)*c, e->msg);
}

static void image_serve(const struct kind *k, struct disk_image *i)
{
	const struct guest_disk d = {.format = "", .queues = 1};
	struct err e = {0};
	struct backend b;

	for (size_t n = 0; n < i->chain.count; n++) {
		i->claims[n] = open(i->chain.parts[n].path, (n ? O_RDONLY : O_RDWR) | O_CLOEXEC);
		ck_assert_int_ge(i->claims[n], 0);
	}
	int r = storage_start(&b, &d, i, home, NULL, &e);
	int line = b.end;
	if (r == 0)
		r = backend_await(&b, &e);
	ck_assert_msg(r == 0 || r == -EIO, "%s: %d %s", k->format, r, e.msg);
	if (r < 0)
		expect_sentence(&e);
	counts.served += r == 0;
	fd_close(&line);
	backend_stop(&b);
	for (size_t n = 0; n < i->chain.count; n++)
		fd_close(&i->claims[n]);
}

static void image_look(const struct kind *k, unsigned number)
{
	char path[64];
	struct image_request q = {
		.path = path, .format = number % 2 ? k->format : NULL, .run_dir = home};
	struct disk_image i = {0};
	struct err e = {0};

	(void)snprintf(path, sizeof(path), "%s/image", home);
	int r = image_chain_read(&q, &i.chain, &e);
	if (r < 0) {
		counts.refused++;
		ck_assert_msg(r == -EINVAL, "%s: %d %s", k->format, r, e.msg);
		expect_sentence(&e);
		return;
	}
	if (i.chain.stop.code) {
		counts.stopped++;
		expect_sentence(&i.chain.stop);
	} else if (counts.accepted++ % 3 == 0) {
		image_serve(k, &i);
	}
	image_chain_close(&i.chain);
}

static void expect_nothing_reached(const struct kind *k, unsigned number)
{
	char event[4096];

	ck_assert_msg(read(watch, event, sizeof(event)) < 0, "%s, image %u opens what is outside",
		k->format, number);
	ck_assert_msg(accept(door, NULL, NULL) < 0, "%s, image %u connects", k->format, number);
}

static void outside_watch(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	char path[64];

	sh("mkdir outside && echo hidden >outside/secret");
	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s/outside/door", home);
	door = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ck_assert_int_eq(bind(door, (const struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(listen(door, 8), 0);
	(void)snprintf(path, sizeof(path), "%s/outside", home);
	watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	ck_assert_int_ge(inotify_add_watch(watch, path, IN_OPEN), 0);
}

static void setup(void)
{
	ck_assert_ptr_nonnull(mkdtemp(home));
	sh("head -c 300000 /dev/urandom >base && truncate -s 8M base");
	outside_watch();
}

static void teardown(void)
{
	(void)close(watch);
	(void)close(door);
	sh("cd / && rm -rf %s", home);
}

START_TEST(damaged_headers_reach_nothing)
{
	const struct kind *k = &kinds[_i];

	state = (uint64_t)_i + 1;
	sh("%s", k->made);
	for (unsigned n = 0; n < IMAGES; n++) {
		const time_t begun = time(NULL);
		image_make(k);
		image_look(k, n);
		ck_assert_msg(
			time(NULL) - begun < PATIENCE, "%s, image %u takes long", k->format, n);
		expect_nothing_reached(k, n);
	}
	/* Both happen, or the damage is too much or too little. */
	ck_assert_msg(counts.refused >= IMAGES / 10 && counts.accepted && counts.served,
		"%s: %u refused, %u accepted, %u served, %u not followed", k->format,
		counts.refused, counts.accepted, counts.served, counts.stopped);
}
END_TEST

int main(void)
{
	TCase *c = suite_case("image_wild", NULL, 0);

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_loop_test(c, damaged_headers_reach_nothing, 0, (int)COUNT(kinds));
	return suite_run_case("image_wild", c);
}
