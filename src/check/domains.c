/* SPDX-License-Identifier: MIT */
/*
 * How it works
 *
 * Invariant: each domain is parsed as libvirt does it, or the check says that it could not look.
 *
 * libvirt keeps a file for each domain of QEMU, with addresses alone: nothing in it says which
 * device was meant. All files are read first, in order of their names, for a device that two
 * domains name concerns both.
 */
#include "base/clean.h"
#include "base/err.h"
#include "base/file.h"
#include "base/num.h"
#include "bind/gate.h"
#include "check/rule.h"
#include "claim/claim.h"
#include "libvirt/domain.h"
#include "libvirt/hostdev.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DOMAINS_DIR "/etc/libvirt/qemu"
#define DOMAINS_MAX 4096

struct domain_file {
	char *file; /* its name */
	struct libvirt_domain domain;
};

struct domains {
	struct check_case *c;
	struct domain_file *list;
	size_t count;
};

static void domains_fini(struct domains *s)
{
	for (size_t i = 0; i < s->count; i++) {
		free(s->list[i].file);
		libvirt_domain_fini(&s->list[i].domain);
	}
	free(s->list);
}

static int domain_note(void *arg, const char *name)
{
	struct domains *s = arg;
	size_t len = strlen(name);

	if (len <= 4 || strcmp(name + len - 4, ".xml") != 0 || s->count == DOMAINS_MAX)
		return 0;
	struct domain_file *list = reallocarray(s->list, s->count + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	s->list = list;
	list[s->count] = (struct domain_file){.file = strdup(name)};
	return list[s->count].file ? (s->count++, 0) : -ENOMEM;
}

static int by_file(const void *a, const void *b)
{
	const struct domain_file *x = a, *y = b;

	return strcmp(x->file, y->file);
}

/* A file that went meanwhile was no domain any more. */
static void domain_read(struct check_case *c, struct domain_file *f)
{
	char path[FILE_PATH_MAX], name[64];
	cleanup_free char *text = NULL;
	struct err why = {0};

	if (file_path(path, sizeof(path), DOMAINS_DIR "/%s", f->file) < 0)
		return;
	ssize_t len = host_read_all(c->host, path, &text);
	if (len < 0 && len != -ENOENT)
		check_blind(c, path, (int)len);
	if (len < 0 || !libvirt_hostdev_may_be(text, (size_t)len))
		return;
	int r = libvirt_domain_parse(text, (size_t)len, &f->domain, &why);
	if (r == -ENOMEM)
		c->failed = r;
	if (r == -ENOPKG)
		check_blind(c, path, r);
	if (r != -EBADMSG && r != -EFBIG)
		return;
	file_escape(name, sizeof(name), f->file);
	check_found(c, CHECK_WARN, name, "libvirt's domain cannot be read: it %s", why.msg);
	check_seen(c, path, "");
}

/* The name of a domain, for a sentence. Return: @buf. */
static const char *domain_name(const struct domain_file *f, char *buf, size_t size)
{
	file_escape(buf, size, f->domain.name && *f->domain.name ? f->domain.name : f->file);
	return buf;
}

/* The name as a word for a shell: as it is, or in quotes. Return: @buf; "NAME" if that fails. */
static const char *domain_word(const struct domain_file *f, char *buf, size_t size)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz0123456789._-"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	char name[64];
	size_t used = 0;

	domain_name(f, name, sizeof(name));
	bool is_cut = strlen(name) == sizeof(name) - 1;
	if (!name[strspn(name, plain)] && !is_cut) {
		(void)snprintf(buf, size, "%s", name);
		return buf;
	}
	used += (size_t)snprintf(buf, size, "'");
	for (const char *p = name; *p && used < size; p++)
		used += (size_t)snprintf(buf + used, size - used, *p == '\'' ? "'\\%c'" : "%c", *p);
	if (used + 1 < size && !is_cut && !strchr(name, '\\')) /* not escaped */
		(void)snprintf(buf + used, size - used, "'");
	else
		(void)snprintf(buf, size, "NAME");
	return buf;
}

static void domain_seen(struct check_case *c, const struct domain_file *f, const char *value)
{
	char path[FILE_PATH_MAX], name[128];

	file_escape(name, sizeof(name), f->file);
	(void)file_path(path, sizeof(path), DOMAINS_DIR "/%s", name);
	check_seen(c, path, value);
}

static bool domain_has(const struct domain_file *f, struct pci_address a)
{
	for (size_t i = 0; i < f->domain.count; i++)
		if (pci_address_equal(f->domain.devices[i].address, a))
			return true;
	return false;
}

/* A claim knows which device was at the address. Return: NULL without one. */
static const struct claim_judgement *claim_of(const struct check_case *c, struct pci_address a)
{
	for (size_t i = 0; i < c->claim_count; i++)
		if (c->stands[i].standing != CLAIM_STANDING_VOID &&
			pci_address_equal(c->claims[i].address, a))
			return &c->stands[i];
	return NULL;
}

/* The device is not there, or by its claim it is another one. */
static void domain_check_place(
	struct check_case *c, const struct domain_file *f, struct pci_address a, bool is_there)
{
	const struct claim_judgement *claim = claim_of(c, a);
	char address[PCI_ADDRESS_TEXT], now[PCI_ADDRESS_TEXT], name[64], word[96];
	bool moved = claim && claim->standing == CLAIM_STANDING_MOVED;

	pci_address_format(a, address);
	domain_name(f, name, sizeof(name));
	if (is_there && !moved && !(claim && claim->standing == CLAIM_STANDING_OTHER))
		return;
	if (moved)
		check_found(c, CHECK_WARN, address,
			"domain '%s' names this address, but the claimed device is now at %s", name,
			pci_address_format(claim->device.address, now));
	else if (is_there)
		check_found(c, CHECK_WARN, address,
			"domain '%s' names this address, but another device than the claimed one "
			"is there",
			name);
	else
		check_found(c, CHECK_WARN, address,
			"domain '%s' names this address, but no device is there: it will not start",
			name);
	domain_seen(c, f, address);
	domain_word(f, word, sizeof(word));
	if (moved)
		check_fix(c, "virsh edit %s: the element for it is that of 'usher xml %s'", word,
			now);
	else
		check_fix(c, "change or remove its hostdev: virsh edit %s", word);
}

/* Return: whether @a takes part in a loan of its group. */
static bool is_lent_along(const struct pci_device *d)
{
	return !d->is_bridge && !bind_is_platform(d);
}

/* Members of the device's group that the domain does not name. */
static void domain_check_group(
	struct check_case *c, const struct domain_file *f, const struct pci_device *d)
{
	char address[PCI_ADDRESS_TEXT], first[PCI_ADDRESS_TEXT] = "", name[64], more[32] = "";
	char word[96];
	size_t missing = 0;

	for (size_t i = 0; i < c->device_count; i++) {
		const struct pci_device *x = &c->devices[i];
		bool same = d->group != PCI_GROUP_NONE && x->group == d->group;
		if (same && domain_has(f, x->address) &&
			pci_address_compare(x->address, d->address) < 0)
			return; /* told of that one */
		if (!same || !is_lent_along(x) || domain_has(f, x->address))
			continue;
		if (!missing++)
			pci_address_format(x->address, first);
	}
	if (!missing)
		return;
	pci_address_format(d->address, address);
	if (missing > 1)
		(void)snprintf(more, sizeof(more), " and %zu more", missing - 1);
	check_found(c, CHECK_WARN, address,
		"domain '%s' names it, but not %s%s of its IOMMU group, which VFIO lends as a "
		"whole",
		domain_name(f, name, sizeof(name)), first, more);
	domain_seen(c, f, address);
	check_fix(c, "virsh edit %s: all elements are those of 'usher xml %s'",
		domain_word(f, word, sizeof(word)), address);
}

/* The first domain before @i that names the device; NULL for none. */
static const struct domain_file *first_of(const struct domains *s, size_t i, struct pci_address a)
{
	for (size_t k = 0; k < i; k++)
		if (domain_has(&s->list[k], a))
			return &s->list[k];
	return NULL;
}

static void domains_check_shared(const struct domains *s, size_t i, struct pci_address a)
{
	const struct domain_file *other = first_of(s, i, a);
	char address[PCI_ADDRESS_TEXT], name[64], first[64], word[96];

	if (!other)
		return;
	check_found(s->c, CHECK_WARN, pci_address_format(a, address),
		"domains '%s' and '%s' both name it: only one of them can run",
		domain_name(other, first, sizeof(first)),
		domain_name(&s->list[i], name, sizeof(name)));
	domain_seen(s->c, &s->list[i], address);
	check_fix(s->c, "give one of them another device: virsh edit %s",
		domain_word(&s->list[i], word, sizeof(word)));
}

static void domains_check(const struct domains *s, size_t i)
{
	const struct domain_file *f = &s->list[i];

	for (size_t k = 0; k < f->domain.count; k++) {
		struct pci_address a = f->domain.devices[k].address;
		const struct pci_device *d = check_find(s->c, a);

		domain_check_place(s->c, f, a, d != NULL);
		if (d)
			domain_check_group(s->c, f, d);
		domains_check_shared(s, i, a);
	}
}

void check_domains(struct check_case *c)
{
	struct domains s = {.c = c};

	int r = c->host->ops->list(c->host, DOMAINS_DIR, domain_note, &s);
	if (r == -ENOMEM)
		c->failed = r;
	else if (r < 0 && r != -ENOENT)
		check_blind(c, DOMAINS_DIR, r);
	if (s.count)
		qsort(s.list, s.count, sizeof(*s.list), by_file);
	for (size_t i = 0; i < s.count; i++)
		domain_read(c, &s.list[i]);
	for (size_t i = 0; i < s.count; i++)
		domains_check(&s, i);
	domains_fini(&s);
}
