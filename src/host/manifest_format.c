/* SPDX-License-Identifier: MIT */
/* Formats struct manifest as text; host/snapshot.c describes the form. */
#include "base/file.h"
#include "base/num.h"
#include "base/text.h"
#include "host/manifest.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#define GAP 8 /* zeroes that start a new run: "OFFSET:" takes about as many characters */

static const struct {
	const char *name;
	int code;
} errors[] = {
	{"EACCES", -EACCES},
	{"EPERM", -EPERM},
	{"EIO", -EIO},
	{"ENODEV", -ENODEV},
	{"EINVAL", -EINVAL},
	{"ENXIO", -ENXIO},
	{"EBUSY", -EBUSY},
	{"EAGAIN", -EAGAIN},
	{"ENODATA", -ENODATA},
	{"ENOMEDIUM", -ENOMEDIUM},
	{"EOPNOTSUPP", -EOPNOTSUPP},
	{"ETIMEDOUT", -ETIMEDOUT},
};

int manifest_error_by_name(const char *name)
{
	for (size_t i = 0; i < COUNT(errors); i++)
		if (strcmp(name, errors[i].name) == 0)
			return errors[i].code;
	return 0;
}

const char *manifest_error_name(int error)
{
	for (size_t i = 0; i < COUNT(errors); i++)
		if (errors[i].code == error)
			return errors[i].name;
	return NULL;
}

/* Blanks separate words, newlines separate lines, and paths have no escapes. */
static bool word_ok(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text <= ' ' || (unsigned char)*text == 0x7f)
			return false;
	return true;
}

static void put_text(FILE *f, const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)data[i];

		if (c == '\n')
			(void)fputs("\\n", f);
		else if (c == '\\')
			(void)fputs("\\\\", f);
		else if (c < ' ' || c >= 0x7f)
			(void)fprintf(f, "\\x%02x", c);
		else
			(void)fputc(c, f);
	}
}

static size_t count_zeroes(const char *data, size_t len)
{
	size_t count = 0;

	while (count < len && !data[count])
		count++;
	return count;
}

static void put_runs(FILE *f, const char *data, size_t len)
{
	size_t i = count_zeroes(data, len);

	while (i < len) {
		(void)fprintf(f, " %zx:", i);
		for (;;) {
			size_t gap = count_zeroes(data + i, len - i);

			if (gap >= GAP || gap == len - i) {
				i += gap;
				break;
			}
			(void)fprintf(f, "%02x", (unsigned char)data[i++]);
		}
	}
}

static void put_file(FILE *f, const char *name, const struct manifest_entry *x)
{
	bool is_line = x->len && x->data[x->len - 1] == '\n' && !memchr(x->data, '\0', x->len);

	if (is_line || x->len > MANIFEST_BYTES_MAX) {
		(void)fprintf(f, "file %s ", name);
		put_text(f, x->data, x->len - is_line);
	} else {
		(void)fprintf(f, "bytes %s %zu", name, x->len);
		put_runs(f, x->data, x->len);
	}
}

static void put_entry(FILE *f, const char *name, const struct manifest_entry *x)
{
	const char *error = manifest_error_name(x->error);
	struct host_node node;

	switch (x->kind) {
	case MANIFEST_FILE:
		put_file(f, name, x);
		break;
	case MANIFEST_LINK:
		(void)fprintf(f, "link %s %s", name, x->data);
		break;
	case MANIFEST_DIR:
		(void)fprintf(f, "dir %s", name);
		break;
	case MANIFEST_NODE:
		memcpy(&node, x->data, sizeof(node));
		(void)fprintf(f, "node %s %o %u:%u", name, node.mode, (unsigned)node.uid,
			(unsigned)node.gid);
		break;
	case MANIFEST_FAIL:
		(void)fprintf(f, "fail %s %s", name, error ? error : "EIO");
		break;
	}
	(void)fputc('\n', f);
}

/* Entries are in the order of their paths, so those of one folder follow each other. */
static void put_entries(FILE *f, const struct manifest *m)
{
	char at[FILE_PATH_MAX] = "";

	for (size_t i = 0; i < m->entry_count; i++) {
		const struct manifest_entry *x = &m->entries[i];
		size_t n = (size_t)(file_base(x->path) - x->path) - 1; /* of its folder */

		if (!word_ok(x->path) || n >= sizeof(at) ||
			(x->kind == MANIFEST_LINK && (!x->len || strpbrk(x->data, "\n"))))
			continue;
		if (n == 0) {
			put_entry(f, x->path, x);
			continue;
		}
		if (strncmp(x->path, at, n) != 0 || at[n]) {
			memcpy(at, x->path, n);
			at[n] = '\0';
			(void)fprintf(f, "\nat %s\n", at);
		}
		put_entry(f, x->path + n + 1, x);
	}
}

static void put_holders(FILE *f, const struct manifest *m)
{
	static const char *const words[] = {[HOST_HOLDER_OPEN] = "holder",
		[HOST_HOLDER_MAPPED] = "mapped",
		[HOST_HOLDER_RING] = "ring"};

	for (size_t i = 0; i < m->holder_count; i++) {
		const struct host_holder *o = &m->holders[i];

		(void)fprintf(f, "%s %d %u ", words[o->way], (int)o->pid, (unsigned)o->uid);
		if (o->rdev)
			(void)fprintf(f, "%s%u:%u ", o->is_block ? "b" : "", major(o->rdev),
				minor(o->rdev));
		else
			(void)fprintf(
				f, "%s ", word_ok(o->resource) && *o->resource ? o->resource : "?");
		put_text(f, o->comm, strlen(o->comm));
		(void)fputc('\n', f);
	}
	if (m->blind) {
		const char *error = manifest_error_name(m->blind);

		(void)fprintf(f, "blind %s\n", error ? error : "EACCES");
	}
}

static void put_numbers(FILE *f, const char *word, const struct manifest_numbers *n)
{
	static const char kinds[] = {
		[HOST_NUMBER_CHAR] = 'c', [HOST_NUMBER_BLOCK] = 'b', [HOST_NUMBER_FILE] = 'f'};

	for (size_t i = 0; i < n->count; i++) {
		const struct host_number *x = &n->list[i].number;

		(void)fprintf(f, "%s %c%u:%u ", word, kinds[x->kind], major(x->dev), minor(x->dev));
		put_text(f, n->list[i].name, strlen(n->list[i].name));
		(void)fputc('\n', f);
	}
}

static void put_times(FILE *f, const struct manifest *m)
{
	for (size_t i = 0; i < m->time_count; i++)
		if (word_ok(m->times[i].path))
			(void)fprintf(
				f, "time %" PRId64 " %s\n", m->times[i].seconds, m->times[i].path);
}

static void put_owner(FILE *f, const struct host_net_use *u)
{
	(void)fprintf(f, "%d %u ", (int)u->pid, (unsigned)u->uid);
	put_text(f, u->owner, strlen(u->owner));
}

static void put_use(FILE *f, const struct host_net_use *u)
{
	if (u->kind == HOST_NET_AWAY) {
		(void)fprintf(f, "away %s %s ", u->detail, u->name);
		put_owner(f, u);
	} else if (u->kind == HOST_NET_UPPER && u->owner[0]) {
		(void)fprintf(f, "upper %s %s ", u->lower, u->name);
		put_owner(f, u);
	} else {
		const char *detail = u->kind == HOST_NET_UPPER ? u->name : u->detail;
		(void)fprintf(f, "use %s %s ", u->lower, manifest_use_words[u->kind]);
		put_text(f, detail, strlen(detail));
	}
	(void)fputc('\n', f);
}

static void put_uses(FILE *f, const struct manifest *m)
{
	const char *error = manifest_error_name(m->uses_error);

	for (size_t i = 0; i < m->use_count; i++) {
		const struct host_net_use *u = &m->uses[i];
		const char *first = u->kind == HOST_NET_AWAY ? u->detail : u->lower;
		bool is_named = u->kind == HOST_NET_AWAY || u->kind == HOST_NET_UPPER;

		if (!*first || !word_ok(first) || (is_named && (!*u->name || !word_ok(u->name))))
			continue;
		put_use(f, u);
	}
	if (m->uses_error)
		(void)fprintf(f, "unseen %s\n", error ? error : "EIO");
	if (m->has_other_nets)
		(void)fputs("namespaces\n", f);
}

static void put_sockets(FILE *f, const struct manifest *m)
{
	for (size_t i = 0; i < m->socket_count; i++) {
		const struct host_holder *o = &m->sockets[i].holder;

		(void)fprintf(f, "socket %" PRIu64 " %d %u ", m->sockets[i].inode, (int)o->pid,
			(unsigned)o->uid);
		put_text(f, o->comm, strlen(o->comm));
		(void)fputc('\n', f);
	}
}

static void put_others(FILE *f, const struct manifest *m)
{
	char text[INET6_ADDRSTRLEN];

	(void)fputc('\n', f);
	for (size_t i = 0; i < m->busy_count; i++) {
		const char *error = manifest_error_name(m->busy[i].answer);

		if (word_ok(m->busy[i].name))
			(void)fprintf(f, "busy %s%s%s\n", m->busy[i].name, error ? " " : "",
				error ? error : "");
	}
	put_numbers(f, "number", &m->paths);
	put_numbers(f, "loop", &m->loops);
	put_times(f, m);
	for (size_t i = 0; i < m->address_count; i++) {
		const struct host_net_address *a = &m->addresses[i];

		if (word_ok(a->interface) && inet_ntop(a->family, a->bytes, text, sizeof(text)))
			(void)fprintf(f, "address %s %s/%u\n", a->interface, text, a->prefix);
	}
	put_uses(f, m);
	put_sockets(f, m);
	put_holders(f, m);
}

ssize_t manifest_format(const struct manifest *m, char **ret)
{
	struct text t;

	if (text_begin(&t) < 0)
		return -ENOMEM;
	(void)fputs(MANIFEST_HEADER "\n", t.out);
	put_entries(t.out, m);
	put_others(t.out, m);
	return text_end(&t, ret);
}
