/* SPDX-License-Identifier: MIT */
#ifndef HOST_MANIFEST_H
#define HOST_MANIFEST_H

#include "host/host.h"

/* The parsed text of a snapshot: what pci/snapshot.c answers from. The form is described there. */

enum manifest_kind { MANIFEST_FILE, MANIFEST_LINK, MANIFEST_DIR, MANIFEST_NODE, MANIFEST_FAIL };

struct manifest_entry {
	char *path; /* absolute, no empty, "." or ".." component */
	char *data; /* content, a link's target, or a struct host_node; a NUL follows text */
	size_t len;
	enum manifest_kind kind;
	int error; /* MANIFEST_FAIL: -errno of every access */
};

/* What an exclusive open of a disk came to. */
struct manifest_busy {
	char *name;
	int answer; /* 1 busy, -errno */
};

/* What a path, or a loop device, leads to. */
struct manifest_number {
	char *name;
	struct host_number number;
};

struct manifest_numbers {
	size_t count;
	struct manifest_number *list;
};

struct manifest {
	size_t nr_entries;
	struct manifest_entry
		*entries; /* by manifest_compare(); no two alike, no file with children */
	size_t nr_busy;
	struct manifest_busy *busy;
	size_t nr_holders;
	struct host_holder *holders;
	struct manifest_numbers paths;
	struct manifest_numbers loops;
	size_t nr_addresses;
	struct host_net_address *addresses;
	size_t upper_count;
	struct host_net_upper *uppers;
	int uppers_error; /* -errno that ends uppers() */
	int blind; /* -errno when it was taken without the right to see all processes */
	size_t budget; /* bytes that the text may still make us allocate */
};

/*
 * Parses @text of @len bytes; a NUL must follow it, and it is written to.
 * Return: 0, -EINVAL with the line's number, -EFBIG, -ENOMEM. Call manifest_fini() either way.
 */
int manifest_parse(struct manifest *m, char *text, size_t len, struct err *e);
void manifest_fini(struct manifest *m);

/*
 * The text that manifest_parse() makes @m of again; *@ret is the caller's to free(). What the form
 * has no words for is left out: names with blanks or control characters.
 * Return: length, -ENOMEM.
 */
ssize_t manifest_format(const struct manifest *m, char **ret);

/* The errors that a snapshot can replay, by name ("EACCES"). Return: -errno, 0 for no such. */
int manifest_error(const char *name);
/* NULL for one that it cannot. */
const char *manifest_error_name(int error);

/* NULL when it has none. */
const struct manifest_number *manifest_number_find(
	const struct manifest_numbers *n, const char *name);
/* Adds one, the name copied. Return: 0, -ENOMEM. */
int manifest_number_add(struct manifest_numbers *n, const char *name, struct host_number number);

#define MANIFEST_HEADER "usher-host 1"
#define MANIFEST_BYTES_MAX 65536 /* largest sparse file: far above configuration space's 4096 */

/* Order of paths in which a directory is followed by all that is in it. */
int manifest_compare(const char *a, const char *b);

#endif
