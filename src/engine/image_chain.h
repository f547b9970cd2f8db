/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_IMAGE_CHAIN_H
#define ENGINE_IMAGE_CHAIN_H

#include "base/err.h"
#include "engine/image_format.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IMAGE_CHAIN_MAX 16
#define IMAGE_PATH_MAX 512

/* One file of an image. */
struct image_part {
	char path[IMAGE_PATH_MAX]; /* absolute */
	int fd; /* O_PATH, of the file that was looked at; -1: none */
	char format[IMAGE_FORMAT_MAX]; /* QEMU's name of it */
	uint64_t size; /* [bytes] that a guest sees */
	uint64_t allocated; /* [bytes] on the host's disk */
	uint64_t cluster; /* [bytes] 0: the format has none */
	unsigned snapshot_count;
	bool encrypted, corrupt;
	char backing[IMAGE_PATH_MAX]; /* as its header has it; "": none */
	char backing_format[IMAGE_FORMAT_MAX]; /* "": not recorded */
	char variant[32]; /* of VMDK: "monolithicSparse" */
	char data_file[IMAGE_PATH_MAX]; /* of qcow2: "": none */
};

/*
 * A disk image and its backing files.
 *
 * How it works. A header may name any file of the host, and a guest may have written the header. So
 * a backing file is followed only if it lies beside the file that names it, or if the user has
 * named it; and its format is never guessed: a guest could write another format's header into a
 * raw file. What is not followed is not looked for.
 */
struct image_chain {
	size_t count; /* parts[0] is the image, parts[1] its backing file, … */
	struct image_part parts[IMAGE_CHAIN_MAX];
	struct err stop; /* code 0: the chain is whole; else why it ends before its end */
};

#define IMAGE_CHAIN_NONE ((struct image_chain){0})

struct image_request {
	const char *path;
	const char *format; /* that the user named; NULL: by the file's first bytes */
	const char *const *backing; /* paths that the user named: these are followed anywhere */
	size_t backing_count;
	const char *option; /* by which the user names one, for hints; NULL: "backing=" */
	const char *run_dir; /* BIND_STATE_DIR */
};

/*
 * Looks at each file by a confined `qemu-img info`, which opens no other; at a raw one without it.
 * Claims nothing. @ret: image_chain_close().
 * Return: 0, see ret->stop; -EINVAL no image, or damaged; -ENOENT qemu-img is not installed;
 * -errno.
 */
int image_chain_read(const struct image_request *q, struct image_chain *ret, struct err *e);
void image_chain_close(struct image_chain *c);

/*
 * Opens the backing file of @p, one step of the above. @path: IMAGE_PATH_MAX bytes for its path.
 * Return: 0; -EPERM it is not to be followed; -errno; all with a sentence.
 */
int image_backing_open(const struct image_request *q, const struct image_part *p, char *path,
	int *ret, struct err *e);

#endif
