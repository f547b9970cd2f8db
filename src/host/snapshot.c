/* SPDX-License-Identifier: MIT */
#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/num.h"
#include "host/manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/*
 * How it works
 *
 * The invariant: the text may come from anybody. It is limited in size and in what it makes usher
 * allocate; it is parsed strictly, or refused with the line's number. usher opens no path in it:
 * links lead to other entries, through at most LINKS_MAX links, or nowhere.
 *
 * Entries are sorted so that those in a directory follow it: to find one is a binary search, to
 * list a directory is one more and a walk over its entries.
 *
 * Form: the first line is "usher-host 2"; then one entry on each line, with single blanks. The
 * last line proves that the text is whole (host/manifest_end.h); what follows it, such as the
 * footer of a mailing list, is ignored. Version 1 is the same without that line.
 *
 *	# comment                       ignored, as are empty lines
 *	end [LINES SUM]                 the last line: the number of entries, and their CRC-32
 *	at FOLDER                       later relative paths start here
 *	file PATH TEXT                  a file; \n, \\ and \xNN are understood, a newline is added
 *	bytes PATH SIZE OFFSET:HEX …    a file of SIZE bytes, zero but for these (offsets in hex)
 *	link PATH TARGET                a symbolic link
 *	dir PATH                        an empty directory (those above an entry are implied)
 *	node PATH MODE UID:GID          a node of /dev, its mode in octal
 *	fail PATH EACCES                each access fails so (manifest.c has the errors)
 *	busy DISK [EACCES]              host_ops.block_busy() returns 1, or so (else 0 for a
 *					disk in /sys/class/block, or its fail entry)
 *	holder PID UID MAJOR:MINOR COMM an open descriptor of a character node, "b8:1" of a block
 *					node; COMM escaped as in file
 *	mapped PID UID MAJOR:MINOR COMM	likewise, mapped to memory; a BAR in sysfs instead of the
 *					numbers is "0000:01:00.0/resource0"
 *	ring PID UID MAJOR:MINOR COMM	likewise, registered with an io_uring; "?" for unknown files
 *	number b259:1 PATH		host_ops.number() of PATH: a block node, "c10:3" a character
 *					node, "f8:1" a file on that file system; escaped as in file
 *	loop b259:1 loop0		host_ops.loop() of loop0, likewise
 *	time SECONDS PATH		host_modified() of PATH
 *	address INTERFACE ADDRESS/LEN	an address of a network interface
 *	way INTERFACE ADDRESS/LEN	by which interface packets to an address leave
 *	upper LOWER NAME PID UID OWNER	an interface of another network namespace on one of ours
 *	away DEVICE NAME PID UID OWNER	an interface of our device in another network namespace
 *	use INTERFACE KIND [DETAIL]	another use of an interface: upper, xdp, filter, target,
 *					route, rule (enum host_net_use_kind)
 *	unseen EACCES			host_net_uses() returns so at the end
 *	namespaces			there are other network namespaces
 *	socket INODE PID UID COMM	the process that has a socket open
 *	blind [EPERM]                   host_ops.holders() returns -EACCES, or so, at the end
 */
#define TEXT_MAX MIB(32)
#define LINKS_MAX 32 /* the kernel's own limit is 40 */

struct snapshot {
	struct host host;
	struct manifest m;
};

static const struct manifest *manifest_of(struct host *h)
{
	return &container_of(h, struct snapshot, host)->m;
}

/* The first entry at or after @path. */
static size_t lower_bound(const struct manifest *m, const char *path)
{
	size_t low = 0, high = m->entry_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (manifest_compare(m->entries[mid].path, path) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static const struct manifest_entry *find_exact(const struct manifest *m, const char *path)
{
	size_t i = lower_bound(m, path);

	return i < m->entry_count && strcmp(m->entries[i].path, path) == 0 ? &m->entries[i] : NULL;
}

/* Puts the target of a link in front of the rest of the path that is still to walk. */
static int follow_link(char *at, char *todo, const char *rest, const char *target)
{
	char next[FILE_PATH_MAX];

	int r = file_path(next, sizeof(next), "%s/%s", target, rest);
	if (r < 0)
		return r;
	memcpy(todo, next, strlen(next) + 1);
	if (*target == '/')
		*at = '\0';
	else
		file_step_up(at);
	return 0;
}

/*
 * Walks @path through links to a real name. It does not follow the last component if @last is
 * AT_SYMLINK_NOFOLLOW.
 */
static int resolve_path(
	const struct manifest *m, const char *path, int last, char ret[FILE_PATH_MAX])
{
	char todo[FILE_PATH_MAX];
	char at[FILE_PATH_MAX] = "";
	unsigned links = 0;

	int r = file_path(todo, sizeof(todo), "%s", path);
	for (char *p = todo; r == 0 && *p;) {
		size_t n = strcspn(p, "/");
		char *rest = p + n + (p[n] == '/');
		size_t used = strlen(at);

		if (n == 2 && memcmp(p, "..", 2) == 0)
			file_step_up(at);
		else if (n && !(n == 1 && *p == '.'))
			r = file_path(at + used, sizeof(at) - used, "/%.*s", (int)n, p);
		p = rest;
		const struct manifest_entry *x = r == 0 ? find_exact(m, at) : NULL;
		if (!x || x->kind != MANIFEST_LINK || (!*rest && last == AT_SYMLINK_NOFOLLOW))
			continue;
		if (links++ == LINKS_MAX)
			return -ELOOP;
		r = follow_link(at, todo, rest, x->data);
		p = todo;
	}
	if (r == 0)
		memcpy(ret, at, strlen(at) + 1);
	return r;
}

/*
 * Finds the entry of @path. An implied directory has none: then *@ret is NULL. *@ret_first: index
 * of the entry, or of the first one in an implied directory.
 * Return: 0, -ENOENT, -ELOOP, -ENAMETOOLONG, or the error of a fail entry.
 */
static int find_entry(const struct manifest *m, const char *path, int last, size_t *ret_first,
	const struct manifest_entry **ret)
{
	char at[FILE_PATH_MAX];

	int r = resolve_path(m, path, last, at);
	if (r < 0)
		return r;
	size_t i = lower_bound(m, at), n = strlen(at);
	const struct manifest_entry *x = i < m->entry_count ? &m->entries[i] : NULL;
	*ret_first = i;
	*ret = NULL;
	if (!x || strncmp(x->path, at, n) != 0)
		return -ENOENT;
	if (x->path[n] == '/')
		return 0;
	if (x->path[n] != '\0')
		return -ENOENT;
	*ret = x;
	return x->kind == MANIFEST_FAIL ? x->error : 0;
}

static ssize_t snapshot_read(struct host *h, const char *path, void *buf, size_t size)
{
	const struct manifest *m = manifest_of(h);
	const struct manifest_entry *x = find_exact(m, path);
	size_t first;

	if (!x || x->kind != MANIFEST_FILE) {
		int r = find_entry(m, path, 0, &first, &x);
		if (r < 0)
			return r;
		if (!x || x->kind != MANIFEST_FILE)
			return -EISDIR;
	}
	size_t n = min_u64(x->len, size);
	memcpy(buf, x->data, n);
	return (ssize_t)n;
}

static ssize_t snapshot_link(struct host *h, const char *path, char *buf, size_t size)
{
	const struct manifest_entry *x;
	size_t first;

	int r = find_entry(manifest_of(h), path, AT_SYMLINK_NOFOLLOW, &first, &x);
	if (r < 0)
		return r;
	if (!x || x->kind != MANIFEST_LINK)
		return -EINVAL;
	if (x->len >= size)
		return -ENAMETOOLONG;
	memcpy(buf, x->data, x->len + 1);
	return (ssize_t)x->len;
}

static int snapshot_list(
	struct host *h, const char *path, int (*each)(void *arg, const char *name), void *arg)
{
	const struct manifest *m = manifest_of(h);
	char at[FILE_PATH_MAX], name[FILE_PATH_MAX] = "";
	const struct manifest_entry *x;
	size_t i;

	int r = find_entry(m, path, 0, &i, &x);
	if (r < 0)
		return r;
	if (x && x->kind != MANIFEST_DIR)
		return -ENOTDIR;
	r = resolve_path(m, path, 0, at);
	size_t n = strlen(at);
	for (i += x != NULL; r == 0 && i < m->entry_count; i++) {
		const char *p = m->entries[i].path;

		if (strncmp(p, at, n) != 0 || p[n] != '/')
			break;
		size_t len = strcspn(p + n + 1, "/");
		if (strlen(name) == len && strncmp(name, p + n + 1, len) == 0)
			continue; /* deeper inside a name that @each has had */
		(void)file_path(name, sizeof(name), "%.*s", (int)len, p + n + 1);
		r = each(arg, name);
	}
	return r;
}

static int64_t snapshot_changed(struct host *h, const char *path)
{
	return 0;
}

static int64_t snapshot_modified(struct host *h, const char *path)
{
	const struct manifest_time *t = manifest_time_find(manifest_of(h), path);

	return t ? t->seconds : 0;
}

static int snapshot_node(struct host *h, const char *path, struct host_node *ret)
{
	const struct manifest_entry *x;
	size_t first;

	int r = find_entry(manifest_of(h), path, 0, &first, &x);
	if (r < 0)
		return r;
	if (!x || x->kind != MANIFEST_NODE)
		return -ENODEV;
	memcpy(ret, x->data, sizeof(*ret));
	return 0;
}

static int snapshot_block_busy(struct host *h, const char *disk)
{
	const struct manifest *m = manifest_of(h);
	const struct manifest_entry *x;
	char path[FILE_PATH_MAX];
	size_t first;

	for (size_t i = 0; i < m->busy_count; i++)
		if (strcmp(m->busy[i].name, disk) == 0)
			return m->busy[i].answer;
	int r = file_path(path, sizeof(path), "/sys/class/block/%s", disk);
	if (r == 0)
		r = find_entry(m, path, 0, &first, &x);
	/* The link alone is enough: few snapshots hold its target. */
	return r == -ENOENT ? find_entry(m, path, AT_SYMLINK_NOFOLLOW, &first, &x) : r;
}

static int snapshot_holders(struct host *h, enum host_look look,
	int (*each)(void *arg, const struct host_holder *o), void *arg)
{
	const struct manifest *m = manifest_of(h);
	int r = 0;

	for (size_t i = 0; r == 0 && i < m->holder_count; i++)
		if (look != HOST_LOOK_DESCRIPTORS || m->holders[i].way == HOST_HOLDER_OPEN)
			r = each(arg, &m->holders[i]);
	return r ? r : m->blind;
}

static int number_in(const struct manifest_numbers *n, const char *name, struct host_number *ret)
{
	const struct manifest_number *x = manifest_number_find(n, name);

	if (x)
		*ret = x->number;
	return x ? 0 : -ENOENT;
}

static int snapshot_number(struct host *h, const char *path, struct host_number *ret)
{
	return number_in(&manifest_of(h)->paths, path, ret);
}

static int snapshot_loop(struct host *h, const char *name, struct host_number *ret)
{
	return number_in(&manifest_of(h)->loops, name, ret);
}

static int snapshot_addresses(
	struct host *h, int (*each)(void *arg, const struct host_net_address *a), void *arg)
{
	const struct manifest *m = manifest_of(h);
	int r = 0;

	for (size_t i = 0; r == 0 && i < m->address_count; i++)
		r = each(arg, &m->addresses[i]);
	return r;
}

static int snapshot_way(struct host *h, int family, const uint8_t to[16], char interface[16])
{
	return manifest_way_find(manifest_of(h), family, to, interface);
}

static int snapshot_net_uses(
	struct host *h, int (*each)(void *arg, const struct host_net_use *u), void *arg)
{
	const struct manifest *m = manifest_of(h);
	int r = 0;

	for (size_t i = 0; r == 0 && i < m->use_count; i++)
		r = each(arg, &m->uses[i]);
	return r ? r : m->uses_error;
}

static int snapshot_other_nets(struct host *h)
{
	return manifest_of(h)->has_other_nets;
}

static int snapshot_socket(struct host *h, uint64_t inode, struct host_holder *ret)
{
	const struct manifest *m = manifest_of(h);

	for (size_t i = 0; i < m->socket_count; i++) {
		if (m->sockets[i].inode != inode)
			continue;
		*ret = m->sockets[i].holder;
		return 0;
	}
	return -ENOENT;
}

static void snapshot_close(struct host *h)
{
	struct snapshot *s = container_of(h, struct snapshot, host);

	manifest_fini(&s->m);
	free(s);
}

static const struct host_ops snapshot_ops = {
	.close = snapshot_close,
	.read = snapshot_read,
	.link = snapshot_link,
	.list = snapshot_list,
	.changed = snapshot_changed,
	.modified = snapshot_modified,
	.block_busy = snapshot_block_busy,
	.holders = snapshot_holders,
	.node = snapshot_node,
	.number = snapshot_number,
	.loop = snapshot_loop,
	.addresses = snapshot_addresses,
	.net_uses = snapshot_net_uses,
	.other_nets = snapshot_other_nets,
	.socket = snapshot_socket,
	.way = snapshot_way,
};

/* Reads a whole regular file and adds a NUL. */
static int load_text(const char *file, char **ret, size_t *ret_len, struct err *e)
{
	cleanup_fd int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(e, -errno, "open snapshot '%s'", file);
	if (!S_ISREG(st.st_mode))
		return err_say(e, -EINVAL, "open snapshot '%s': it is not a file", file);
	if (st.st_size < 0 || (uint64_t)st.st_size > TEXT_MAX)
		return err_say(e, -EFBIG, "read snapshot '%s': it is larger than 32 MiB", file);
	size_t len = (size_t)st.st_size;
	cleanup_free char *text = malloc(len + 1);
	if (!text)
		return err_set(e, -ENOMEM, "read snapshot '%s'", file);
	int r = fd_read_full(fd, text, len);
	if (r < 0)
		return err_set(e, r, "read snapshot '%s'", file);
	text[len] = '\0';
	*ret_len = len;
	*ret = TAKE_PTR(text);
	return 0;
}

/* @text: ends with a NUL; parsing changes it. */
static int parse_text(char *text, size_t len, struct host **ret, struct err *e)
{
	struct snapshot *s = calloc(1, sizeof(*s));

	if (!s)
		return err_set(e, -ENOMEM, "read a snapshot");
	s->host.ops = &snapshot_ops;
	int r = manifest_parse(&s->m, text, len, e);
	if (r < 0) {
		snapshot_close(&s->host);
		return r;
	}
	*ret = &s->host;
	return 0;
}

int host_snapshot_from(const char *text, size_t len, struct host **ret, struct err *e)
{
	cleanup_free char *copy = len > TEXT_MAX ? NULL : malloc(len + 1);

	if (!copy)
		return err_set(e, len > TEXT_MAX ? -EFBIG : -ENOMEM, "read a snapshot");
	memcpy(copy, text, len);
	copy[len] = '\0';
	return parse_text(copy, len, ret, e);
}

bool host_snapshot_is_proven(struct host *h)
{
	return manifest_of(h)->version > 1;
}

int host_snapshot_open(const char *file, struct host **ret, struct err *e)
{
	cleanup_free char *text = NULL;
	size_t len = 0;

	int r = load_text(file, &text, &len, e);
	if (r < 0)
		return r;
	r = parse_text(text, len, ret, e);
	return r < 0 ? err_in(e, r, "read snapshot '%s'", file) : 0;
}
