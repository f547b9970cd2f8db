/* SPDX-License-Identifier: MIT */
#include "cli/operand.h"

#include "base/err.h"
#include "base/file.h"
#include "cli/option.h"
#include "cli/report.h"
#include "host/host.h"
#include "view/word.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Return: 0; after a report LEAVE_FAILED, LEAVE_USAGE. */
static int word_resolve(
	const struct verb *v, struct host *h, const char *word, struct word_devices *ret)
{
	struct err e = {0};

	int r = word_find(h, word, ret, &e);
	if (r == 0)
		return 0;
	if (r == -EINVAL)
		err_in(&e, r, "%s", v->name);
	report(&e);
	return r == -EINVAL ? LEAVE_USAGE : LEAVE_FAILED;
}

/* What is acted on, where a name means less than that. */
static void note_controller(const char *word, const struct word_devices *w)
{
	char address[PCI_ADDRESS_TEXT], name[128];

	file_escape(name, sizeof(name), word);
	pci_address_format(w->list[0], address);
	if (w->usb[0])
		report_note(
			"note: '%s' is USB device %s; its controller is %s", name, w->usb, address);
	else if (w->is_part)
		report_note("note: '%s' is behind controller %s, which has all of its disks", name,
			address);
}

static int operand_add(struct operands *o, const struct word_devices *w)
{
	struct err e = {0};
	struct pci_address *list =
		reallocarray(o->addresses, o->count + w->count, sizeof(*o->addresses));

	if (!list) {
		(void)err_set(&e, -ENOMEM, "name devices");
		report(&e);
		return LEAVE_FAILED;
	}
	o->addresses = list;
	memcpy(&list[o->count], w->list, w->count * sizeof(*list));
	o->count += w->count;
	return 0;
}

int operands_open(
	struct operands *o, const struct verb *v, const char *file, int count, char **words)
{
	struct word_devices w;

	*o = (struct operands){0};
	int r = option_host(file, &o->host);
	for (int i = 0; r == 0 && i < count; i++) {
		r = word_resolve(v, o->host, words[i], &w);
		if (r)
			return r;
		note_controller(words[i], &w);
		r = operand_add(o, &w);
	}
	return r;
}

void operands_close(struct operands *o)
{
	host_close(o->host);
	free(o->addresses);
}

void operand_option(struct operand_words *w, int c, const char *text)
{
	w->host = c == OPERAND_HOST ? text : w->host;
	w->json = w->json || c == OPERAND_JSON;
	w->numeric = w->numeric || c == OPERAND_NUMERIC || c == 'n';
}

int operand_show(const struct verb *v, const char *host, char *word,
	int (*show)(void *arg, const struct operands *o), void *arg)
{
	struct operands o;

	int r = operands_open(&o, v, host, 1, &word);
	if (r == 0)
		r = show(arg, &o);
	operands_close(&o);
	return r;
}

static int refuse_several(const struct verb *v, const char *word, const struct word_devices *w)
{
	char list[320] = "", address[PCI_ADDRESS_TEXT], name[128];
	struct err e = {0};
	size_t shown = 0;

	for (; shown < w->count && strlen(list) + 2 * PCI_ADDRESS_TEXT < sizeof(list); shown++)
		(void)snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s",
			shown ? ", " : "", pci_address_format(w->list[shown], address));
	file_escape(name, sizeof(name), word);
	err_say(&e, -EINVAL, "%s: '%s' means %zu devices: %s%s", v->name, name, w->count, list,
		shown < w->count ? ", …" : "");
	err_hint(&e, "name one of them; 'usher list %s' shows what they are", name);
	report(&e);
	return LEAVE_USAGE;
}

static int refuse_usb(const struct verb *v, const char *word, const struct word_devices *w)
{
	char address[PCI_ADDRESS_TEXT], name[128];
	struct err e = {0};

	file_escape(name, sizeof(name), word);
	pci_address_format(w->list[0], address);
	err_say(&e, -EINVAL,
		"%s: '%s' is USB device %s, not a PCI device: only its whole controller %s can be "
		"lent",
		v->name, name, w->usb, address);
	err_hint(&e, "'usher check %s' shows what else the controller has", address);
	report(&e);
	return LEAVE_USAGE;
}

int operand_one(const struct verb *v, struct host *h, const char *word, struct pci_address *ret)
{
	struct word_devices w;

	/* Most words are this, and a verb that is started often asks no more than it has to. */
	if (pci_address_parse(word, ret) == 0)
		return 0;
	int r = word_resolve(v, h, word, &w);
	if (r)
		return r;
	if (w.count > 1)
		return refuse_several(v, word, &w);
	if (w.usb[0])
		return refuse_usb(v, word, &w);
	note_controller(word, &w);
	*ret = w.list[0];
	return 0;
}
