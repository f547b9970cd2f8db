/* SPDX-License-Identifier: MIT */
#ifndef WIRE_IMAGE_H
#define WIRE_IMAGE_H

#include "wire/message.h"

#define WIRE_IMAGE_PATH_MAX 256 /* with the NUL, and so are all below */
#define WIRE_IMAGE_OPTIONS_MAX 2048
#define WIRE_IMAGE_ROOT_MAX 96
#define WIRE_IMAGE_REASON_MAX 480
#define WIRE_IMAGE_HINT_MAX 320

/*
 * usher-image sends this to the keeper once: what is in the image of a disk. The image may have
 * taken usher-image over, so nothing in here is more than a proposal for that guest.
 */
struct wire_image {
	struct wire_header header;
	int32_t code; /* 0: both files are written; -errno, with @reason and perhaps @hint */
	uint32_t partition; /* with the kernel; 0: the disk has none */
	uint32_t unclean; /* its file system was not unmounted, and its journal not read */
	char reason[WIRE_IMAGE_REASON_MAX];
	char hint[WIRE_IMAGE_HINT_MAX];
	char kernel[WIRE_IMAGE_PATH_MAX]; /* paths in the image */
	char initrd[WIRE_IMAGE_PATH_MAX]; /* the last one; "": none */
	char source[WIRE_IMAGE_PATH_MAX]; /* of the options; "": none was found */
	char title[WIRE_IMAGE_PATH_MAX]; /* of the boot loader's entry; "": none */
	char options[WIRE_IMAGE_OPTIONS_MAX]; /* the kernel's command line, "": none was found */
	/* For a command line without root=. */
	char root[WIRE_IMAGE_ROOT_MAX]; /* "PARTUUID=…"; "": the disk itself */
};

/* Whether all texts end, and have printable ASCII only. Return: 0, -EBADMSG. */
int wire_image_check(const struct wire_image *m);

#endif
