/* SPDX-License-Identifier: MIT */
#ifndef HOST_MANIFEST_H
#define HOST_MANIFEST_H

#include "host/host.h"

/* The parsed text of a snapshot, from which host/snapshot.c answers; it describes the form. */

enum manifest_kind { MANIFEST_FILE, MANIFEST_LINK, MANIFEST_DIR, MANIFEST_NODE, MANIFEST_FAIL };

struct manifest_entry {
	char *path; /* absolute, no empty, "." or ".." component */
	char *data; /* content, a link's target, or a struct host_node; a NUL follows text */
	size_t len;
	enum manifest_kind kind;
	int error; /* MANIFEST_FAIL: -errno of each access */
};

/* The result of an exclusive open of a disk. */
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

/* The process that has a socket open. */
struct manifest_socket {
	uint64_t inode;
	struct host_holder holder;
};

/* When a file last changed [s since the epoch]. */
struct manifest_time {
	char *path;
	int64_t seconds;
};

struct manifest {
	size_t entry_count;
	struct manifest_entry
		*entries; /* by manifest_compare(); no two alike, no file with children */
	size_t busy_count;
	struct manifest_busy *busy;
	size_t holder_count;
	struct host_holder *holders;
	struct manifest_numbers paths;
	struct manifest_numbers loops;
	size_t time_count;
	struct manifest_time *times;
	size_t address_count;
	struct host_net_address *addresses;
	size_t use_count;
	struct host_net_use *uses;
	int uses_error; /* -errno that ends net_uses() */
	bool has_other_nets;
	size_t socket_count;
	struct manifest_socket *sockets;
	int blind; /* -errno: usher could not look at all processes when it took the snapshot */
	size_t budget; /* bytes that parsing may still allocate */
};

/*
 * Parses @text of @len bytes, which a NUL follows. Parsing changes the text.
 * Return: 0, -EINVAL with the line's number, -EFBIG, -ENOMEM. Call manifest_fini() either way.
 */
int manifest_parse(struct manifest *m, char *text, size_t len, struct err *e);
void manifest_fini(struct manifest *m);

/*
 * Formats the text that manifest_parse() takes. It leaves out names with blanks or control
 * characters, which the form cannot hold. The caller frees *@ret. Return: length, -ENOMEM.
 */
ssize_t manifest_format(const struct manifest *m, char **ret);

/* Return: the name of an error ("EACCES"); NULL when a snapshot cannot hold it. */
const char *manifest_error_name(int error);
/* Return: the error of that name, -errno; 0 when there is none. */
int manifest_error_by_name(const char *name);

/* Return: NULL when there is none. */
const struct manifest_number *manifest_number_find(
	const struct manifest_numbers *n, const char *name);
/* Adds a number and copies the name. Return: 0, -ENOMEM. */
int manifest_number_add(struct manifest_numbers *n, const char *name, struct host_number number);

/* Return: NULL when there is none. */
const struct manifest_time *manifest_time_find(const struct manifest *m, const char *path);
/* Adds a time and copies the path. Return: 0, -ENOMEM. */
int manifest_time_add(struct manifest *m, const char *path, int64_t seconds);
void manifest_times_free(struct manifest *m);

/* The words of kinds of use in a snapshot: "upper", "xdp"; NULL for HOST_NET_AWAY. */
extern const char *const manifest_use_words[HOST_NET_RULE + 1];

#define MANIFEST_HEADER "usher-host 1"
#define MANIFEST_BYTES_MAX 65536 /* largest sparse file; configuration space has 4096 */

/* Compares paths in the order in which all that is in a directory follows it. */
int manifest_compare(const char *a, const char *b);

#endif
