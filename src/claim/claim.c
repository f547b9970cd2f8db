/* SPDX-License-Identifier: MIT */
#include "claim/claim.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/file.h"
#include "base/num.h"
#include "base/text.h"
#include "bind/owner.h"
#include "host/host.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SUFFIX ".claim"

int claim_format(const struct claim *c, char **ret)
{
	const struct claim_identity *n = &c->identity;
	char address[PCI_ADDRESS_TEXT];
	struct text t;

	if (text_begin(&t) < 0)
		return -ENOMEM;
	FILE *f = t.out;
	(void)fprintf(f, "# %s at every boot. After a change: usher apply\n",
		c->vfs ? "Has virtual functions" : "Set aside for VFIO");
	(void)fprintf(f, "usher-claim 1\naddress %s\npath %s\n",
		pci_address_format(c->address, address), n->path);
	(void)fprintf(f, "id %04x:%04x\nsubsystem %04x:%04x\n", n->vendor, n->device, n->subvendor,
		n->subdevice);
	if (n->has_serial)
		(void)fprintf(f, "serial %016" PRIx64 "\n", n->serial);
	if (c->driver[0])
		(void)fprintf(f, "driver %s\n", c->driver);
	if (c->user[0])
		(void)fprintf(f, "user %s\n", c->user);
	if (c->user_group[0])
		(void)fprintf(f, "user-group %s\n", c->user_group);
	if (c->vfs)
		(void)fprintf(f, "vfs %u\n", c->vfs);
	return text_end(&t, ret);
}

static bool take_version(const char *value, struct claim *c)
{
	return strcmp(value, "1") == 0;
}

static bool take_address(const char *value, struct claim *c)
{
	return pci_address_parse(value, &c->address) == 0;
}

static bool take_path(const char *value, struct claim *c)
{
	if (!claim_path_ok(value))
		return false;
	(void)snprintf(c->identity.path, sizeof(c->identity.path), "%s", value);
	return true;
}

static bool take_pair(const char *value, uint16_t *first, uint16_t *second)
{
	uint64_t a, b;
	char word[10];

	if (strlen(value) != 9 || value[4] != ':')
		return false;
	memcpy(word, value, sizeof(word));
	word[4] = '\0';
	if (num_parse(word, 16, UINT16_MAX, &a) < 0 || num_parse(word + 5, 16, UINT16_MAX, &b) < 0)
		return false;
	*first = (uint16_t)a;
	*second = (uint16_t)b;
	return true;
}

static bool take_id(const char *value, struct claim *c)
{
	return take_pair(value, &c->identity.vendor, &c->identity.device);
}

static bool take_subsystem(const char *value, struct claim *c)
{
	return take_pair(value, &c->identity.subvendor, &c->identity.subdevice);
}

static bool take_serial(const char *value, struct claim *c)
{
	c->identity.has_serial = true;
	return strlen(value) == 16 && num_parse(value, 16, UINT64_MAX, &c->identity.serial) == 0;
}

static bool take_driver(const char *value, struct claim *c)
{
	if (!bind_name_is_vfio(value))
		return false;
	(void)snprintf(c->driver, sizeof(c->driver), "%s", value);
	return true;
}

/* `usher apply` checks that the user exists, which may be added later. */
static bool take_name(const char *value, char ret[BIND_NAME_MAX])
{
	if (!bind_name_ok(value))
		return false;
	(void)snprintf(ret, BIND_NAME_MAX, "%s", value);
	return true;
}

static bool take_user(const char *value, struct claim *c)
{
	return take_name(value, c->user);
}

static bool take_user_group(const char *value, struct claim *c)
{
	return take_name(value, c->user_group);
}

static bool take_vfs(const char *value, struct claim *c)
{
	uint64_t n;

	if (num_parse(value, 10, CLAIM_VFS_MAX, &n) < 0 || !n)
		return false;
	c->vfs = (unsigned)n;
	return true;
}

static const struct key {
	const char *name;
	bool (*take)(const char *value, struct claim *c);
	bool optional;
} keys[] = {
	{"usher-claim", take_version, false},
	{"address", take_address, false},
	{"path", take_path, false},
	{"id", take_id, false},
	{"subsystem", take_subsystem, false},
	{"serial", take_serial, true},
	{"driver", take_driver, true},
	{"user", take_user, true},
	{"user-group", take_user_group, true},
	{"vfs", take_vfs, true},
};

static char *line_trim(char *text)
{
	while (*text == ' ' || *text == '\t')
		text++;
	size_t n = strlen(text);
	while (n && (text[n - 1] == ' ' || text[n - 1] == '\t' || text[n - 1] == '\r'))
		text[--n] = '\0';
	return text;
}

/* One line; @seen: a bit for each key. Return: 0, -EBADMSG. */
static int take_line(char *text, unsigned number, unsigned *seen, struct claim *c, struct err *e)
{
	char *line = line_trim(text);
	char word[64];

	if (!*line || *line == '#')
		return 0;
	size_t n = strcspn(line, " \t");
	char *value = line + n;
	if (*value) {
		*value = '\0';
		value = line_trim(value + 1);
	}
	file_escape(word, sizeof(word), line);
	for (size_t i = 0; i < COUNT(keys); i++) {
		if (strcmp(keys[i].name, line) != 0)
			continue;
		if (*seen & 1U << i)
			return err_say(e, -EBADMSG, "line %u: a second '%s'", number, word);
		*seen |= 1U << i;
		if (keys[i].take(value, c))
			return 0;
		file_escape(word, sizeof(word), value);
		return err_say(e, -EBADMSG, "line %u: '%s' is no %s", number, word, keys[i].name);
	}
	return err_say(e, -EBADMSG, "line %u: there is no key '%s'", number, word);
}

int claim_parse(char *text, struct claim *ret, struct err *e)
{
	struct claim c = {0};
	unsigned seen = 0, number = 0;
	int r = 0;

	for (char *line = text; r == 0 && line;) {
		char *end = strchr(line, '\n');
		if (end)
			*end++ = '\0';
		r = take_line(line, ++number, &seen, &c, e);
		line = end;
	}
	for (size_t i = 0; r == 0 && i < COUNT(keys); i++)
		if (!keys[i].optional && !(seen & 1U << i))
			r = err_say(e, -EBADMSG, "the line '%s' is missing", keys[i].name);
	if (r == 0 && c.vfs && (c.driver[0] || c.user[0] || c.user_group[0]))
		r = err_say(e, -EBADMSG, "'vfs' excludes driver, user and user-group");
	if (r < 0)
		return r;
	(void)snprintf(c.name, sizeof(c.name), "%s", ret->name);
	*ret = c;
	return 0;
}

struct listing {
	struct host *host;
	const char *folder;
	struct claim *claims;
	size_t count;
};

/* An unreadable file is listed as well: a claim must not disappear without a message. */
static void read_file(struct listing *l, const char *file, struct claim *c)
{
	char path[FILE_PATH_MAX], text[CLAIM_BYTES_MAX + 1];
	struct err e = {0};

	int r = file_path(path, sizeof(path), "%s/%s", l->folder, file);
	ssize_t n = r < 0 ? r : l->host->ops->read(l->host, path, text, sizeof(text));
	if (n < 0)
		err_set(&e, (int)n, "read");
	else if ((size_t)n == sizeof(text) || memchr(text, '\0', (size_t)n))
		err_say(&e, -EBADMSG, "too long, or not a text");
	if (!e.code) {
		text[n] = '\0';
		(void)claim_parse(text, c, &e);
	}
	if (e.code)
		(void)snprintf(c->bad, sizeof(c->bad), "%.250s", e.msg);
}

static int add_file(void *arg, const char *name)
{
	struct listing *l = arg;
	size_t n = strlen(name), suffix = strlen(SUFFIX);

	if (name[0] == '.' || n <= suffix || strcmp(name + n - suffix, SUFFIX) != 0)
		return 0;
	if (l->count == CLAIMS_MAX)
		return -E2BIG;
	struct claim *list = reallocarray(l->claims, l->count + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	l->claims = list;
	struct claim *c = &list[l->count++];
	*c = (struct claim){0};
	file_escape(c->name, sizeof(c->name), name);
	size_t len = strlen(c->name);
	if (len > suffix && strcmp(c->name + len - suffix, SUFFIX) == 0)
		c->name[len - suffix] = '\0';
	read_file(l, name, c);
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct claim *)a)->name, ((const struct claim *)b)->name);
}

/* Two claims of one place would give it two drivers. */
static void refuse_doubles(struct claim *claims, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < i && !claims[i].bad[0]; k++)
			if (!claims[k].bad[0] &&
				strcmp(claims[k].identity.path, claims[i].identity.path) == 0)
				(void)snprintf(claims[i].bad, sizeof(claims[i].bad),
					"claims the place of '%s'", claims[k].name);
	}
}

int claim_list(
	struct host *h, const char *folder, struct claim **ret, size_t *ret_count, struct err *e)
{
	struct listing l = {.host = h, .folder = folder};

	int r = h->ops->list(h, folder, add_file, &l);
	if (r < 0 && r != -ENOENT) {
		free(l.claims);
		return err_set(e, r, "read %s", folder);
	}
	if (l.count)
		qsort(l.claims, l.count, sizeof(*l.claims), by_name);
	refuse_doubles(l.claims, l.count);
	*ret = l.claims;
	*ret_count = l.count;
	return 0;
}

int claim_make(struct host *h, struct pci_address a, struct claim *ret, struct err *e)
{
	char address[PCI_ADDRESS_TEXT], path[FILE_PATH_MAX], target[FILE_PATH_MAX];
	struct claim c = {.address = a};
	struct pci_device d;

	pci_address_format(a, address);
	int r = pci_device_read(h, a, &d, e);
	if (r < 0)
		return r;
	if (d.is_bridge) {
		err_say(e, -EPERM, "%s: claim: is a PCI bridge, and stays with its driver",
			address);
		err_hint(e, "name a device behind it");
		return -EPERM;
	}
	r = pci_device_path(a, "physfn", path, sizeof(path));
	if (r == 0 && h->ops->link(h, path, target, sizeof(target)) >= 0) {
		err_say(e, -EPERM, "%s: claim: is a virtual function, which no boot finds",
			address);
		err_hint(e, "usher claim --vfs N %s makes N of them at each boot",
			file_base(target));
		return -EPERM;
	}
	r = claim_identity_read(h, &d, &c.identity, e);
	if (r == 0)
		*ret = c;
	return r;
}

static int refuse_place(const struct claim *c, const struct claim *other, struct err *e)
{
	char address[PCI_ADDRESS_TEXT], what[48] = "for VFIO";

	if (other->vfs)
		(void)snprintf(what, sizeof(what), "with %u virtual functions", other->vfs);
	err_say(e, -EPERM, "%s: is claimed %s already: %s", pci_address_format(c->address, address),
		what,
		c->vfs ? "its driver makes the virtual functions"
		       : "they need the driver that this claim keeps away");
	err_hint(e, "usher unclaim %s", other->name);
	return -EPERM;
}

int claim_check_place(struct host *h, const char *folder, const struct claim *c, struct err *e)
{
	cleanup_free struct claim *claims = NULL;
	size_t count = 0;

	int r = claim_list(h, folder, &claims, &count, e);
	for (size_t i = 0; r == 0 && i < count; i++)
		if (!claims[i].bad[0] && !claims[i].vfs != !c->vfs &&
			strcmp(claims[i].identity.path, c->identity.path) == 0)
			r = refuse_place(c, &claims[i], e);
	return r;
}

/* A name made of the place, in characters that every file system accepts. */
static void name_claim(struct claim *c)
{
	(void)snprintf(c->name, sizeof(c->name), "%s", c->identity.path);
	for (char *p = c->name; *p; p++)
		if (*p == '/')
			*p = '-';
}

int claim_write(const char *folder, struct claim *c, struct err *e)
{
	char path[FILE_PATH_MAX];

	name_claim(c);
	int r = file_path(path, sizeof(path), "%s/%s" SUFFIX, folder, c->name);
	if (r < 0)
		return err_set(e, r, "%s", folder);
	cleanup_free char *text = NULL;
	int len = claim_format(c, &text);
	if (len < 0)
		return err_set(e, len, "claim");
	r = file_mkdirs(folder, 0755);
	if (r == 0)
		r = file_replace(path, text, (size_t)len, 0644);
	return r < 0 ? err_set(e, r, "write %s", path) : 0;
}

int claim_remove(const char *folder, const struct claim *c, struct err *e)
{
	char path[FILE_PATH_MAX];

	/* An escaped name is not the file's own. */
	int r = strchr(c->name, '\\')
			? -EINVAL
			: file_path(path, sizeof(path), "%s/%s" SUFFIX, folder, c->name);
	if (r < 0)
		return err_set(e, r, "claim %s: remove", c->name);
	r = access(path, F_OK) < 0 ? -errno : file_remove(path);
	if (r < 0)
		return err_set(e, r, "remove %s", path);
	r = file_sync_dir(folder);
	return r < 0 ? err_set(e, r, "sync %s", folder) : 0;
}
