/* SPDX-License-Identifier: MIT */
#include "base/num.h"
#include "check/kernlog.h"
#include "check/rule.h"

#include <stdio.h>
#include <string.h>

/* What rules say about events: a cause in the log is said instead of what helps in general. */

/* Replaces the first two ADDRESS in the text. */
static const char *advice_fill(const char *text, const char *address, char *buf, size_t size)
{
	static const char word[] = "ADDRESS";
	const char *at;
	size_t n = 0;

	while ((at = strstr(text, word)) && n < size) {
		n += (size_t)snprintf(buf + n, size - n, "%.*s%s", (int)(at - text), text, address);
		text = at + strlen(word);
	}
	if (n < size)
		(void)snprintf(buf + n, size - n, "%s", text);
	return buf;
}

void check_logged_fix(struct check_case *c, const struct kernlog_event *x)
{
	const struct kernlog_advice *advice = kernlog_advice(x->cause);
	char address[PCI_ADDRESS_TEXT] = "ADDRESS", fix[sizeof(c->last->fix)];

	if (x->has_address)
		pci_address_format(x->address, address);
	if (advice->fix)
		check_fix(c, "%s", advice_fill(advice->fix, address, fix, sizeof(fix)));
}

void check_logged_seen(struct check_case *c, const struct kernlog_event *x)
{
	char value[sizeof(c->last->value)], count[32] = "";

	if (x->count > 1)
		(void)snprintf(count, sizeof(count), " (%zu lines)", x->count);
	int room = (int)(sizeof(value) - 1 - strlen(count));
	(void)snprintf(value, sizeof(value), "%.*s%s", (int)x->len < room ? (int)x->len : room,
		x->line, count);
	check_seen(c, HOST_KERNEL_LOG, value);
}

const struct kernlog_event *check_logged_own(const struct check_case *c, struct pci_address a)
{
	const struct kernlog *l = &c->log;
	const struct kernlog_event *cold = kernlog_find(l, a, KERNLOG_COLD);

	if (cold)
		return cold;
	/* Events are in the order of the log: what failed first made the rest fail. */
	for (size_t i = 0; i < l->event_count; i++) {
		const struct kernlog_event *x = &l->events[i];
		if (x->cause < KERNLOG_LOSSES && x->has_address && pci_address_equal(x->address, a))
			return x;
	}
	return NULL;
}

const struct kernlog_event *check_logged_loss(
	const struct check_case *c, const struct pci_device *d)
{
	const struct kernlog *l = &c->log;
	const struct kernlog_event *own = check_logged_own(c, d->address);

	if (own)
		return own;
	/* The clearest line about another function of the card, then the port's. */
	const struct kernlog_event *best = NULL;
	for (size_t i = 0; i < l->event_count; i++) {
		const struct kernlog_event *x = &l->events[i];
		if (x->cause < KERNLOG_LOSSES && x->has_address &&
			pci_address_same_slot(x->address, d->address) &&
			(!best || x->cause < best->cause))
			best = x;
	}
	if (best)
		return best;
	return d->has_parent ? kernlog_find(l, d->parent, KERNLOG_SLOT) : NULL;
}

void check_gone_text(const struct check_case *c, struct pci_address a, char *buf, size_t size)
{
	const struct kernlog_known *was = kernlog_was(&c->log, a);
	const struct kernlog_event *x = check_logged_own(c, a);
	char ids[32] = "";

	if (was)
		(void)snprintf(ids, sizeof(ids), " (it was %04x:%04x)", was->vendor, was->device);
	if (x)
		(void)snprintf(buf, size, "is gone%s: it %s", ids, kernlog_advice(x->cause)->text);
	else if (was)
		(void)snprintf(
			buf, size, "is gone%s: the kernel found it once, and removed it", ids);
	else
		buf[0] = '\0';
}
