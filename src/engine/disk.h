/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_DISK_H
#define ENGINE_DISK_H

#include <stdbool.h>
#include <stdint.h>

struct disk_image;
struct err;

#define DISK_PATH_MAX 512 /* with the NUL */
#define DISK_FORMAT_MAX 8
#define DISK_QUEUES_MAX 16
#define DISK_SERIAL_MAX 20 /* [bytes] of a virtio disk; a whole one has no NUL in the guest */

/* A disk as --disk describes it. */
enum disk_direct { DISK_DIRECT_AUTO, DISK_DIRECT_ON, DISK_DIRECT_OFF };

struct guest_disk {
	char path[DISK_PATH_MAX]; /* of an image or of a block device */
	char format[DISK_FORMAT_MAX]; /* as QEMU calls it; "": raw, and it must look so */
	char backing[DISK_PATH_MAX]; /* that the user names; "": none */
	char serial[DISK_SERIAL_MAX + 1]; /* "": none */
	bool readonly;
	enum disk_direct direct; /* by-pass the host's page cache */
	bool poll; /* look for requests without sleep */
	unsigned queues; /* 1 to DISK_QUEUES_MAX */
};

/*
 * A disk that is open for a guest.
 *
 * How it works. The file is found once, by O_PATH, and then opened by its descriptor: whatever has
 * its path later, the checks and the guest have the same file. Who has it open for a guest has
 * claimed it: a block device by O_EXCL, which the kernel grants to one and to no file system; an
 * image by locks at the offsets that QEMU uses, so that guests of both keep away from it. The
 * claim ends with the descriptor, in whichever process that is.
 */
struct disk {
	int fd;
	uint64_t size; /* [bytes], a multiple of `logical` */
	uint32_t logical; /* [bytes] what can be read or written at once */
	uint32_t physical; /* [bytes] what is best read or written at once */
	bool direct;
	struct disk_image *image; /* its files, of which @fd is the first; NULL: it is raw */
};

#define DISK_NONE ((struct disk){.fd = -1})

/*
 * "PATH[,ro][,format=NAME[,backing=PATH]][,serial=TEXT][,direct=on|off][,queues=N][,poll=on|off]",
 * as --disk takes it.
 * Return: 0, -EINVAL.
 */
int disk_parse(const char *text, struct guest_disk *ret, struct err *e);

/*
 * Opens and claims it. Return: 0; -EINVAL the user's to mend; -EBUSY in use; -ENOMEM, -errno.
 */
int disk_open(const struct guest_disk *d, struct disk *ret, struct err *e);

/* Whether a program of QEMU's serves it: its format is not raw. */
bool disk_has_format(const struct guest_disk *d);
void disk_close(struct disk *d);

#endif
