/* SPDX-License-Identifier: MIT */
/*
 * How it works
 *
 * Invariant: a reader sees the old entry or the new one, whole. usher writes a temporary file,
 * fsyncs it, renames it over the entry and fsyncs the folder.
 *
 * The parser accepts only what the formatter writes, in the same order, so a truncated or edited
 * entry is corrupt and never half believed. The first error stops it: `bad` names the key.
 */
#include "bind/journal.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/file.h"
#include "base/num.h"
#include "base/text.h"
#include "bind/owner.h"
#include "bind/vf_settings.h"
#include "host/host.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const state_names[] = {
	[BIND_STATE_TAKING] = "taking",
	[BIND_STATE_TAKEN] = "taken",
	[BIND_STATE_RETURNING] = "giving",
};

void bind_entry_fini(struct bind_entry *n)
{
	free(n->members);
	*n = BIND_ENTRY_NONE;
}

const struct bind_was *bind_entry_find(const struct bind_entry *n, struct pci_address a)
{
	for (size_t i = 0; i < n->count; i++)
		if (pci_address_equal(n->members[i].address, a))
			return &n->members[i];
	return NULL;
}

bool bind_entry_is_past(const struct bind_group *g, const struct bind_entry *old)
{
	for (size_t i = 0; i < g->count; i++) {
		const struct pci_device *d = &g->members[i].device;
		const struct bind_was *was = bind_entry_find(old, d->address);
		if (was && (strcmp(d->driver, was->driver) != 0 ||
				   strcmp(d->driver_override, was->override) != 0 ||
				   strcmp(was->driver, was->to) == 0))
			return false;
	}
	return true;
}

static const char *or_dash(const char *text)
{
	return *text ? text : "-";
}

/* The kernel has one type for uid_t and gid_t; -1 is no id. */
static const char *id_text(uint32_t id, char buf[12])
{
	(void)snprintf(buf, 12, "%u", id);
	return id == UINT32_MAX ? "-" : buf;
}

int bind_entry_format(const struct bind_entry *n, char **ret)
{
	char address[PCI_ADDRESS_TEXT], vf[BIND_VF_SETTINGS_TEXT], uid[12], gid[12];
	struct text t;

	if (text_begin(&t) < 0)
		return -ENOMEM;
	FILE *f = t.out;
	(void)fprintf(f, "usher-journal 1\ngroup %d\nboot %s\nstate %s\n", n->group, n->boot,
		state_names[n->state]);
	(void)fprintf(f, "owner %d %" PRIu64 " %s\n", n->owner.pid, n->owner.start,
		or_dash(n->owner.name));
	if (n->owner.domain[0])
		(void)fprintf(f, "domain %s\n", n->owner.domain);
	(void)fprintf(f, "writer %d %" PRIu64 "\n", n->writer, n->writer_start);
	if (n->owner.space)
		(void)fprintf(f, "space %" PRIu64 "\n", n->owner.space);
	(void)fprintf(f, "kept %s\nused %s\nreset %s\n", n->manual ? "yes" : "no",
		n->used ? "yes" : "no", n->reset_waived ? "waived" : "needed");
	if (bind_access_is(&n->access))
		(void)fprintf(f, "nodes %s %s %04o\n", id_text(n->access.uid, uid),
			id_text(n->access.gid, gid), (unsigned)n->access.mode);
	(void)fprintf(f, "members %zu\n", n->count);
	for (size_t i = 0; i < n->count; i++) {
		const struct bind_was *m = &n->members[i];
		(void)fprintf(f, "member %s %04x:%04x %06x\n",
			pci_address_format(m->address, address), m->vendor, m->device, m->class);
		(void)fprintf(f, "to %s\ndriver %s\noverride %s\ncontrol %s\nreset_method %s\n",
			or_dash(m->to), or_dash(m->driver), or_dash(m->override),
			or_dash(m->control), or_dash(m->reset_method));
		if (m->framebuffer[0])
			(void)fprintf(f, "framebuffer %s\n", m->framebuffer);
		for (unsigned k = 0; k < PCI_BAR_COUNT; k++)
			if (m->bar[k])
				(void)fprintf(f, "bar %u %u\n", k, m->bar[k] - 1u);
		if (m->has_vf)
			(void)fprintf(f, "vf %s\n", bind_vf_settings_format(&m->vf, vf));
		if (m->unwiped)
			(void)fprintf(f, "unwiped yes\n");
	}
	(void)fprintf(f, "end\n");
	return text_end(&t, ret);
}

/* Reads an entry line by line; the first line that is not as expected ends it. */
struct reader {
	char *next;
	unsigned line;
	const char *bad; /* what was expected in that line */
};

/* The value of line "@key value", or NULL, and then for every later line too. */
static char *value_of(struct reader *rd, const char *key)
{
	size_t len = strlen(key);
	char *line = rd->next;

	if (rd->bad)
		return NULL;
	rd->line++;
	char *end = strchr(line, '\n');
	if (!end || strncmp(line, key, len) != 0 || line[len] != ' ') {
		rd->bad = key;
		return NULL;
	}
	*end = '\0';
	rd->next = end + 1;
	return line + len + 1;
}

static bool next_is(const struct reader *rd, const char *key)
{
	size_t len = strlen(key);

	return !rd->bad && strncmp(rd->next, key, len) == 0 && rd->next[len] == ' ';
}

static uint64_t text_number(struct reader *rd, const char *key, char *text, uint64_t max)
{
	uint64_t v = 0;

	if (!rd->bad && (!text || num_parse(text, 10, max, &v) < 0))
		rd->bad = key;
	return v;
}

static uint64_t read_number(struct reader *rd, const char *key, uint64_t max)
{
	return text_number(rd, key, value_of(rd, key), max);
}

static unsigned read_word(
	struct reader *rd, const char *key, const char *const *words, unsigned count)
{
	const char *value = value_of(rd, key);

	for (unsigned i = 0; value && i < count; i++)
		if (strcmp(value, words[i]) == 0)
			return i;
	rd->bad = rd->bad ? rd->bad : key;
	return 0;
}

static void read_name(struct reader *rd, const char *key, char ret[PCI_NAME_MAX])
{
	const char *value = value_of(rd, key);

	ret[0] = '\0';
	if (!value || strcmp(value, "-") == 0)
		return;
	if (bind_name_ok(value))
		(void)snprintf(ret, PCI_NAME_MAX, "%s", value);
	else
		rd->bad = key;
}

/* "flr bus": words of [a-z_], one blank between them. */
static void read_methods(struct reader *rd, const char *key, char ret[PCI_NAME_MAX])
{
	const char *value = value_of(rd, key);

	ret[0] = '\0';
	if (!value || strcmp(value, "-") == 0)
		return;
	if (*value && strlen(value) < PCI_NAME_MAX &&
		strspn(value, "abcdefghijklmnopqrstuvwxyz_ ") == strlen(value))
		(void)snprintf(ret, PCI_NAME_MAX, "%s", value);
	else
		rd->bad = key;
}

static void read_boot(struct reader *rd, char ret[BIND_BOOT_MAX])
{
	const char *value = value_of(rd, "boot");

	if (!value)
		return;
	if (*value && strlen(value) < BIND_BOOT_MAX &&
		strspn(value, "0123456789abcdef-") == strlen(value))
		(void)snprintf(ret, BIND_BOOT_MAX, "%s", value);
	else
		rd->bad = "boot";
}

static void read_owner(struct reader *rd, struct bind_entry *n)
{
	char *save = NULL;
	char *value = value_of(rd, "owner");
	char *pid = value ? strtok_r(value, " ", &save) : NULL;
	char *start = pid ? strtok_r(NULL, " ", &save) : NULL;
	char *name = start ? strtok_r(NULL, "", &save) : NULL;

	n->owner.pid = (pid_t)text_number(rd, "owner", pid, INT32_MAX);
	n->owner.start = text_number(rd, "owner", start, UINT64_MAX);
	if (rd->bad)
		return;
	if (!name || (strcmp(name, "-") != 0 && !bind_name_ok(name)))
		rd->bad = "owner";
	else if (strcmp(name, "-") != 0)
		(void)snprintf(n->owner.name, sizeof(n->owner.name), "%s", name);
}

/* The rest of the line: a name may have blanks. */
static void read_domain(struct reader *rd, char ret[BIND_DOMAIN_MAX])
{
	if (!next_is(rd, "domain"))
		return;
	const char *value = value_of(rd, "domain");
	if (value && bind_owner_domain_ok(value))
		(void)snprintf(ret, BIND_DOMAIN_MAX, "%s", value);
	else
		rd->bad = "domain";
}

static void read_writer(struct reader *rd, struct bind_entry *n)
{
	char *save = NULL;
	char *value = value_of(rd, "writer");
	char *pid = value ? strtok_r(value, " ", &save) : NULL;
	char *start = pid ? strtok_r(NULL, "", &save) : NULL;

	n->writer = (pid_t)text_number(rd, "writer", pid, INT32_MAX);
	n->writer_start = text_number(rd, "writer", start, UINT64_MAX);
}

static void read_identity(struct reader *rd, struct bind_was *m)
{
	uint64_t vendor, device, class;
	char *save = NULL;
	char *value = value_of(rd, "member");
	char *address = value ? strtok_r(value, " ", &save) : NULL;
	char *v = address ? strtok_r(NULL, ":", &save) : NULL;
	char *d = v ? strtok_r(NULL, " ", &save) : NULL;
	char *c = d ? strtok_r(NULL, "", &save) : NULL;

	if (rd->bad)
		return;
	if (!c || pci_address_parse(address, &m->address) < 0 ||
		num_parse(v, 16, UINT16_MAX, &vendor) < 0 ||
		num_parse(d, 16, UINT16_MAX, &device) < 0 ||
		num_parse(c, 16, 0xffffff, &class) < 0) {
		rd->bad = "member";
		return;
	}
	m->vendor = (uint16_t)vendor;
	m->device = (uint16_t)device;
	m->class = (uint32_t) class;
}

/* "efi-framebuffer/efi-framebuffer.0" */
static void read_framebuffer(struct reader *rd, char ret[PCI_NAME_MAX])
{
	const char *key = "framebuffer";

	ret[0] = '\0';
	if (!next_is(rd, key))
		return;
	char *value = value_of(rd, key);
	char *slash = value ? strchr(value, '/') : NULL;
	if (!slash || strlen(value) >= PCI_NAME_MAX) {
		rd->bad = key;
		return;
	}
	*slash = '\0';
	if (bind_name_ok(value) && bind_name_ok(slash + 1))
		(void)snprintf(ret, PCI_NAME_MAX, "%s/%s", value, slash + 1);
	else
		rd->bad = key;
}

/* "1 8": a line for each BAR that was resized, in their order. */
static void read_bars(struct reader *rd, uint8_t ret[PCI_BAR_COUNT])
{
	uint64_t least = 0;

	while (next_is(rd, "bar")) {
		char *save = NULL;
		char *value = value_of(rd, "bar");
		char *index = value ? strtok_r(value, " ", &save) : NULL;
		char *power = index ? strtok_r(NULL, "", &save) : NULL;
		uint64_t i = text_number(rd, "bar", index, PCI_BAR_COUNT - 1);
		uint64_t n = text_number(rd, "bar", power, 43);
		if (i < least)
			rd->bad = "bar";
		if (rd->bad)
			return;
		ret[i] = (uint8_t)(n + 1);
		least = i + 1;
	}
}

static void read_vf(struct reader *rd, struct bind_was *m)
{
	if (!next_is(rd, "vf"))
		return;
	const char *value = value_of(rd, "vf");
	m->has_vf = value && bind_vf_settings_parse(value, &m->vf) == 0;
	if (!m->has_vf)
		rd->bad = "vf";
}

static void read_unwiped(struct reader *rd, bool *ret)
{
	static const char *const yes[] = {"yes"};

	*ret = next_is(rd, "unwiped") && read_word(rd, "unwiped", yes, COUNT(yes)) == 0;
}

static void read_members(struct reader *rd, struct bind_entry *n)
{
	for (size_t i = 0; !rd->bad && i < n->count; i++) {
		struct bind_was *m = &n->members[i];
		read_identity(rd, m);
		read_name(rd, "to", m->to);
		read_name(rd, "driver", m->driver);
		read_name(rd, "override", m->override);
		read_name(rd, "control", m->control);
		read_methods(rd, "reset_method", m->reset_method);
		read_framebuffer(rd, m->framebuffer);
		read_bars(rd, m->bar);
		read_vf(rd, m);
		read_unwiped(rd, &m->unwiped);
	}
}

static uint32_t read_id(struct reader *rd, char *text)
{
	return text && strcmp(text, "-") == 0
		       ? UINT32_MAX
		       : (uint32_t)text_number(rd, "nodes", text, UINT32_MAX - 1);
}

static void read_access(struct reader *rd, struct bind_access *a)
{
	char *save = NULL;
	uint64_t mode = 0;

	*a = BIND_ACCESS_NONE;
	if (!next_is(rd, "nodes"))
		return;
	char *value = value_of(rd, "nodes");
	char *uid = value ? strtok_r(value, " ", &save) : NULL;
	char *gid = uid ? strtok_r(NULL, " ", &save) : NULL;
	char *text = gid ? strtok_r(NULL, "", &save) : NULL;
	a->uid = read_id(rd, uid);
	a->gid = read_id(rd, gid);
	if (!text || num_parse(text, 8, 07777, &mode) < 0)
		rd->bad = "nodes";
	a->mode = (mode_t)mode;
}

static void read_head(struct reader *rd, struct bind_entry *n)
{
	static const char *const yes_no[] = {"no", "yes"};
	static const char *const waivers[] = {"needed", "waived"};

	if (read_number(rd, "usher-journal", UINT32_MAX) != 1)
		rd->bad = rd->bad ? rd->bad : "usher-journal 1";
	n->group = (int)read_number(rd, "group", INT32_MAX);
	read_boot(rd, n->boot);
	n->state = (enum bind_state)read_word(rd, "state", state_names, COUNT(state_names));
	read_owner(rd, n);
	read_domain(rd, n->owner.domain);
	read_writer(rd, n);
	if (next_is(rd, "space"))
		n->owner.space = read_number(rd, "space", UINT32_MAX);
	n->manual = read_word(rd, "kept", yes_no, COUNT(yes_no));
	n->used = read_word(rd, "used", yes_no, COUNT(yes_no));
	n->reset_waived = read_word(rd, "reset", waivers, COUNT(waivers));
	read_access(rd, &n->access);
	n->count = (size_t)read_number(rd, "members", BIND_MEMBERS_MAX);
}

int bind_entry_parse(char *text, struct bind_entry *ret, struct err *e)
{
	struct reader rd = {.next = text};
	struct bind_entry n = BIND_ENTRY_NONE;

	read_head(&rd, &n);
	if (!rd.bad && n.count) {
		n.members = calloc(n.count, sizeof(*n.members));
		if (!n.members)
			return err_set(e, -ENOMEM, "journal entry");
	}
	read_members(&rd, &n);
	if (!rd.bad && strcmp(rd.next, "end\n") != 0) {
		rd.bad = "end";
		rd.line++;
	}
	if (rd.bad) {
		bind_entry_fini(&n);
		return err_say(
			e, -EBADMSG, "journal entry: line %u: expected '%s'", rd.line, rd.bad);
	}
	*ret = n;
	return 0;
}

int bind_journal_path(const struct bind_env *env, int group, char *buf, size_t size)
{
	return file_path(buf, size, "%s/journal/%d", env->state, group);
}

int bind_journal_read(const struct bind_env *env, int group, struct bind_entry *ret, struct err *e)
{
	char path[FILE_PATH_MAX];

	int r = bind_journal_path(env, group, path, sizeof(path));
	if (r < 0)
		return err_set(e, r, "journal of group %d", group);
	cleanup_free char *text = NULL;
	ssize_t len = host_read_all(env->host, path, &text);
	if (len < 0)
		return err_set(e, (int)len, "read %s", path);
	if (len >= BIND_JOURNAL_MAX || memchr(text, '\0', (size_t)len))
		return err_say(e, -EBADMSG, "%s: too long or not a text", path);
	struct bind_entry n = BIND_ENTRY_NONE;
	r = bind_entry_parse(text, &n, e);
	if (r < 0)
		return err_in(e, r, "%s", path);
	if (n.group != group) {
		bind_entry_fini(&n);
		return err_say(e, -EBADMSG, "%s: is an entry of group %d", path, n.group);
	}
	*ret = n;
	return 0;
}

bool bind_journal_is_full(int error)
{
	return error == -ENOSPC || error == -EDQUOT || error == -EROFS || error == -EFBIG ||
	       error == -EIO;
}

int bind_journal_write(const struct bind_env *env, const struct bind_entry *n, struct err *e)
{
	char path[FILE_PATH_MAX];

	int r = bind_journal_path(env, n->group, path, sizeof(path));
	if (r < 0)
		return err_set(e, r, "journal of group %d", n->group);
	cleanup_free char *text = NULL;
	int len = bind_entry_format(n, &text);
	if (len < 0)
		return err_set(e, len, "journal of group %d", n->group);
	r = file_replace_deep(path, text, (size_t)len, 0644);
	return r < 0 ? err_set(e, r, "write %s", path) : 0;
}

int bind_journal_remove(const struct bind_env *env, int group, struct err *e)
{
	char path[FILE_PATH_MAX];

	int r = bind_journal_path(env, group, path, sizeof(path));
	if (r < 0)
		return err_set(e, r, "journal of group %d", group);
	r = file_remove(path);
	if (r < 0)
		return err_set(e, r, "remove %s", path);
	*strrchr(path, '/') = '\0';
	r = file_sync_dir(path);
	return r < 0 ? err_set(e, r, "sync %s", path) : 0;
}

int bind_boot_id(struct host *h, char ret[BIND_BOOT_MAX], struct err *e)
{
	static const char path[] = "/proc/sys/kernel/random/boot_id";

	int r = host_read_text(h, path, ret, BIND_BOOT_MAX);
	return r < 0 ? err_set(e, r, "read %s", path) : 0;
}
