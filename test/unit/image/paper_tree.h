/* SPDX-License-Identifier: MIT */
#ifndef TEST_UNIT_IMAGE_PAPER_TREE_H
#define TEST_UNIT_IMAGE_PAPER_TREE_H

#include "image/tree.h"

/* A file system of a few files, whose list ends with a NULL path. */
struct paper_file {
	const char *path, *text;
};

extern const struct tree_ops paper_ops; /* the argument is a const struct paper_file * */

#endif
