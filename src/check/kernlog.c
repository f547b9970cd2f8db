/* SPDX-License-Identifier: MIT */
#include "check/kernlog.h"

#include "base/file.h"
#include "base/num.h"
#include "host/host.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * How it works. Invariant: an event comes from a line that this kernel wrote since its boot, about
 * the device that its prefix names.
 *
 * The log is a list of records "<FACILITY * 8 + LEVEL>[TIME] TEXT". User space may add records,
 * but not with facility 0. dev_printk() begins TEXT with "DRIVER ADDRESS: "; an address elsewhere,
 * or behind a ':', may be a quotation, such as a USB device's name for itself. So a pattern for
 * devices is compared with what follows that prefix, and the others with the beginning of TEXT.
 *
 * NVMe's lines name the controller, "nvme nvme0: ". Its own line in the log ties that to an
 * address, or else sysfs, which forgets a controller that is gone.
 */

#define ADDRESS_MIN 12 /* "0000:01:00.0" */
#define LINE_MAX_LEN 1024 /* of the text that is compared */
#define EVENTS_MAX 128 /* a snapshot may contain anything */
#define KNOWN_MAX 8192
#define NVMES_MAX 64
#define HUNG_LINES 60 /* a stack in the log is not longer */

struct nvme_name {
	char name[16];
	struct pci_address address;
};

struct reader {
	struct host *host;
	struct kernlog *log;
	int failed;
	size_t nvme_count;
	struct nvme_name nvmes[NVMES_MAX];
	struct kernlog_line hung; /* the line of a task whose stack follows */
	unsigned hung_left; /* lines in which its stack may follow */
	char text[LINE_MAX_LEN]; /* of this line, with a NUL */
};

bool kernlog_next(const char **at, struct kernlog_line *ret)
{
	while (**at) {
		const char *line = *at, *text = line;
		size_t len = strcspn(line, "\n");
		unsigned level = 0;

		*at = line + len + (line[len] == '\n');
		if (*text == '<') {
			for (text++; *text >= '0' && *text <= '9' && level < 10000; text++)
				level = level * 10 + (unsigned)(*text - '0');
			if (*text != '>' || level > 7)
				continue;
			text++;
		}
		/* "[    0.100000] ", and with CONFIG_PRINTK_CALLER "[    T1] ". */
		while (*text == '[') {
			size_t n = strspn(text + 1, " 0123456789.TC");
			if (text[n + 1] != ']')
				break;
			text += n + 2;
			text += *text == ' ';
		}
		*ret = (struct kernlog_line){line, text, len};
		return true;
	}
	return false;
}

/* An address at @s: "0000:01:00.0", "01:00.0", "0000:01:00". Return: its length; 0 for none. */
static size_t address_length(const char *s, struct pci_address *ret)
{
	char word[PCI_ADDRESS_TEXT + 2];
	size_t n = strspn(s, "0123456789abcdefABCDEF:.");

	while (n && (s[n - 1] == ':' || s[n - 1] == '.'))
		n--;
	if (!n || n >= PCI_ADDRESS_TEXT)
		return 0;
	(void)snprintf(word, sizeof(word), "%.*s", (int)n, s);
	if (pci_address_parse(word, ret) == 0)
		return n;
	(void)snprintf(word, sizeof(word), "%.*s.0", (int)n, s);
	return n >= 10 && pci_address_parse(word, ret) == 0 ? n : 0;
}

/* Compares a piece of a pattern without '*'. Return: what follows it in @s; NULL. */
static const char *piece_match(const char *p, size_t len, const char *s, struct pci_address *a)
{
	for (size_t i = 0; i < len; i++) {
		size_t n = 1;

		if (!*s)
			return NULL;
		if (p[i] == '&')
			n = address_length(s, a);
		else if (p[i] != '?' && p[i] != *s)
			return NULL;
		if (!n)
			return NULL;
		s += n;
	}
	return s;
}

/* Each piece is found where it comes first; no way back is needed, for the end is open. */
static bool pattern_match(const char *p, const char *s, struct pci_address *a)
{
	bool is_anchored = true;

	for (;;) {
		size_t len = strcspn(p, "*");
		const char *rest = piece_match(p, len, s, a);

		while (!rest && !is_anchored && *s)
			rest = piece_match(p, len, ++s, a);
		if (!rest)
			return false;
		s = rest;
		if (!p[len])
			return true;
		p += len + 1;
		is_anchored = false;
	}
}

/*
 * The text behind "DRIVER ADDRESS: ", "DRIVER ADDRESS:SERVICE: " or "DRIVER ADDRESS INTERFACE: ".
 * A driver's name may have two words. Return: NULL if the line does not begin so.
 */
static const char *device_text(const char *text, struct pci_address *ret)
{
	for (unsigned words = 0; words < 2; words++) {
		size_t n = strcspn(text, " :");

		if (!n || n >= KERNLOG_NAME_MAX || text[n] != ' ')
			return NULL;
		text += n + 1;
		n = strspn(text, "0123456789abcdefABCDEF:.");
		if (n < ADDRESS_MIN || !address_length(text, ret))
			continue;
		text = text[n - 1] == ':' && text[n] == ' ' ? text + n - 1 : strstr(text + n, ": ");
		return text ? text + 2 : NULL;
	}
	return NULL;
}

static void *list_grow(struct reader *r, void *list, size_t count, size_t size)
{
	if (count && !is_pow2(count))
		return list;
	void *p = reallocarray(list, count ? 2 * count : 1, size);

	if (!p)
		r->failed = -ENOMEM;
	return p;
}

static bool event_is_of(const struct kernlog_event *x, const struct kernlog_event *y)
{
	return x->cause == y->cause && x->has_address == y->has_address &&
	       (!x->has_address || pci_address_equal(x->address, y->address)) &&
	       strcmp(x->name, y->name) == 0;
}

static void event_add(struct reader *r, const struct kernlog_line *line, struct kernlog_event event)
{
	struct kernlog *l = r->log;

	for (size_t i = 0; i < l->event_count; i++) {
		if (event_is_of(&l->events[i], &event)) {
			l->events[i].count++;
			return;
		}
	}
	if (l->event_count == EVENTS_MAX)
		return;
	struct kernlog_event *list = list_grow(r, l->events, l->event_count, sizeof(*list));
	if (!list)
		return;
	event.count = 1;
	event.line = line->whole;
	event.len = line->len;
	l->events = list;
	l->events[l->event_count++] = event;
}

/* A device that the kernel finds has a new life: "pci 0000:01:00.0: [10de:2204] type 00 …". */
static void device_found(struct reader *r, struct pci_address a, unsigned vendor, unsigned device)
{
	struct kernlog *l = r->log;

	for (size_t i = 0; i < l->event_count; i++)
		if (l->events[i].has_address && pci_address_equal(l->events[i].address, a))
			l->events[i].cause = KERNLOG_CAUSES;
	if (l->known_count == KNOWN_MAX)
		return;
	struct kernlog_known *list = list_grow(r, l->known, l->known_count, sizeof(*list));
	if (!list)
		return;
	l->known = list;
	l->known[l->known_count++] = (struct kernlog_known){a, (uint16_t)vendor, (uint16_t)device};
}

static void log_restart(struct reader *r)
{
	r->log->event_count = 0;
	r->log->known_count = 0;
	r->nvme_count = 0;
	r->hung_left = 0;
}

static const struct nvme_name *nvme_find(const struct reader *r, const char *name)
{
	for (size_t i = r->nvme_count; i > 0; i--)
		if (strcmp(r->nvmes[i - 1].name, name) == 0)
			return &r->nvmes[i - 1];
	return NULL;
}

/* By sysfs: "../../devices/pci0000:00/0000:00:1d.0/0000:3d:00.0/nvme/nvme0". */
static bool nvme_find_live(struct reader *r, const char *name, struct pci_address *ret)
{
	char path[FILE_PATH_MAX], target[FILE_PATH_MAX], *end;

	if (file_path(path, sizeof(path), "/sys/class/nvme/%s", name) < 0 ||
		r->host->ops->link(r->host, path, target, sizeof(target)) < 0)
		return false;
	end = strstr(target, "/nvme/");
	if (!end)
		return false;
	*end = '\0';
	end = strrchr(target, '/');
	return end && pci_address_parse(end + 1, ret) == 0;
}

/* "nvme nvme0: TEXT". Return: TEXT, NULL if it is none of those. */
static const char *nvme_text(struct reader *r, struct kernlog_event *event)
{
	static const char function[] = "pci function ";
	struct pci_address a;
	char name[16];
	int n = 0;

	if (sscanf(r->text, "nvme %15[nvme0123456789]:%n", name, &n) != 1 || !n ||
		r->text[n] != ' ')
		return NULL;
	const char *text = r->text + n + 1;
	if (strncmp(text, function, strlen(function)) == 0 &&
		pci_address_parse(text + strlen(function), &a) == 0 && r->nvme_count < NVMES_MAX) {
		struct nvme_name *x = &r->nvmes[r->nvme_count++];
		(void)snprintf(x->name, sizeof(x->name), "%s", name);
		x->address = a;
		return NULL;
	}
	const struct nvme_name *known = nvme_find(r, name);
	if (known)
		event->address = known->address;
	event->has_address = known || nvme_find_live(r, name, &event->address);
	if (!event->has_address)
		(void)snprintf(event->name, sizeof(event->name), "%s", name);
	return text;
}

static void patterns_compare(struct reader *r, const struct kernlog_line *line, const char *text,
	enum kernlog_subject subject, struct kernlog_event event)
{
	for (size_t i = 0; i < kernlog_pattern_count; i++) {
		const struct kernlog_pattern *p = &kernlog_patterns[i];

		if (p->subject != subject || !pattern_match(p->text, text, &event.address))
			continue;
		event.cause = p->cause;
		event.has_address = event.has_address || strchr(p->text, '&');
		if (p->cause == KERNLOG_HUNG) {
			r->hung = *line;
			r->hung_left = HUNG_LINES;
		} else {
			event_add(r, line, event);
		}
		return;
	}
}

/* Whether the stack of a task that hangs shows an unbind. */
static bool is_unbind(const char *text)
{
	static const char *const functions[] = {"unbind_store+", "bind_store+", "remove_store+",
		"device_release_driver_internal+", "vfio_unregister_group_dev+",
		"vfio_del_group_dev+", "pci_device_remove+", "driver_unregister+"};

	for (size_t i = 0; i < COUNT(functions); i++)
		if (strstr(text, functions[i]))
			return true;
	return false;
}

static void line_read(struct reader *r, const struct kernlog_line *line)
{
	struct kernlog_event event = {0};
	unsigned vendor, device;

	(void)snprintf(r->text, sizeof(r->text), "%.*s",
		(int)(line->len - (size_t)(line->text - line->whole)), line->text);
	if (strncmp(r->text, "Linux version ", 14) == 0) {
		log_restart(r); /* what is before it is of another kernel: ramoops, kexec */
		return;
	}
	if (r->hung_left && r->hung_left-- && is_unbind(r->text)) {
		r->hung_left = 0;
		event.cause = KERNLOG_HUNG;
		event_add(r, &r->hung, event);
		return;
	}
	const char *text = device_text(r->text, &event.address);
	event.has_address = text;
	if (text && sscanf(text, "[%4x:%4x] type ", &vendor, &device) == 2)
		device_found(r, event.address, vendor, device);
	if (!text)
		text = nvme_text(r, &event);
	if (text)
		patterns_compare(r, line, text, KERNLOG_DEVICE, event);
	else
		patterns_compare(r, line, r->text, KERNLOG_WHOLE, event);
}

int kernlog_read(struct host *h, struct kernlog *ret)
{
	struct reader r = {.host = h, .log = ret};
	struct kernlog_line line;

	*ret = (struct kernlog){0};
	ssize_t n = host_read_all(h, HOST_KERNEL_LOG, &ret->text);
	if (n < 0) {
		ret->error = (int)n;
		return n == -ENOMEM ? -ENOMEM : 0;
	}
	const char *at = ret->text;
	while (!r.failed && kernlog_next(&at, &line))
		line_read(&r, &line);
	return r.failed;
}

void kernlog_fini(struct kernlog *l)
{
	free(l->text);
	free(l->events);
	free(l->known);
	*l = (struct kernlog){0};
}

const struct kernlog_event *kernlog_find(
	const struct kernlog *l, struct pci_address a, enum kernlog_cause cause)
{
	for (size_t i = 0; i < l->event_count; i++) {
		const struct kernlog_event *x = &l->events[i];

		if (x->cause == cause && x->has_address && pci_address_equal(x->address, a))
			return x;
	}
	return NULL;
}

const struct kernlog_event *kernlog_any(const struct kernlog *l, enum kernlog_cause cause)
{
	for (size_t i = 0; i < l->event_count; i++)
		if (l->events[i].cause == cause)
			return &l->events[i];
	return NULL;
}

const struct kernlog_known *kernlog_was(const struct kernlog *l, struct pci_address a)
{
	for (size_t i = l->known_count; i > 0; i--)
		if (pci_address_equal(l->known[i - 1].address, a))
			return &l->known[i - 1];
	return NULL;
}
