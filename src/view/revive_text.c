/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "base/num.h"
#include "view/plan.h"
#include "view/revive.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *speed_text(unsigned speed)
{
	static const char *const names[] = {
		"?", "2.5 GT/s", "5 GT/s", "8 GT/s", "16 GT/s", "32 GT/s", "64 GT/s"};

	return speed < COUNT(names) ? names[speed] : "?";
}

static void put_known(const struct revive_known *k)
{
	if (!k->has_id) {
		(void)printf(" (nothing is known of a device there)");
		return;
	}
	(void)printf(" (%04x:%04x", k->vendor, k->device);
	if (k->driver[0])
		(void)printf(" on %s", k->driver);
	(void)printf(", from %s)", k->source);
}

static void put_beside(const struct revive_plan *p)
{
	char address[PCI_ADDRESS_TEXT];

	for (size_t i = 0; i < p->beside_count; i++) {
		const struct pci_device *d = &p->beside[i];
		(void)printf("  %s: shares the port%s%s\n", pci_address_format(d->address, address),
			d->driver[0] ? ", on " : "", d->driver);
	}
}

static const char *state_text(enum revive_state s)
{
	static const char *const texts[] = {
		[REVIVE_ANSWERS] = "answers",
		[REVIVE_BLANK] = "answers, but it lost its power, and its registers with it",
		[REVIVE_DEAD] = "does not answer",
		[REVIVE_GONE] = "is not there",
	};

	return texts[s];
}

void revive_text_plan(const struct revive_plan *p)
{
	char address[PCI_ADDRESS_TEXT], port[PCI_ADDRESS_TEXT];

	pci_address_format(p->address, address);
	if (p->state == REVIVE_ANSWERS && p->says.refusals)
		return;
	if (p->state == REVIVE_ANSWERS) {
		(void)printf("%s: answers (%04x:%04x, %s): nothing to do\n", address,
			p->device.vendor, p->device.device,
			p->device.driver[0] ? p->device.driver : "no driver");
		return;
	}
	(void)printf("%s: %s", address, state_text(p->state));
	put_known(&p->known);
	if (p->has_port)
		(void)printf(", behind port %s", pci_address_format(p->port.address, port));
	(void)printf("\n");
	put_beside(p);
}

void revive_text_steps(const struct revive_plan *p)
{
	for (size_t i = 0; i < p->step_count; i++) {
		const struct revive_step *s = &p->steps[i];
		(void)printf("%s: %s%s\n", revive_kind_name(s->kind), revive_kind_text(s->kind),
			s->withheld ? ": left out" : "");
		if (!s->withheld)
			plan_text_steps(stdout, p->writes + s->first, s->count);
	}
}

void revive_text_begin(enum revive_kind k)
{
	(void)printf("  %s: ", revive_kind_text(k));
	if (k == REVIVE_RESET)
		(void)printf("(up to two minutes) ");
}

void revive_text_outcome(const struct revive_outcome *o)
{
	if (o->withheld)
		(void)printf("  %s: left out: it would touch other devices behind the port\n",
			revive_kind_text(o->kind));
	else if (o->text[0] && o->state != REVIVE_ANSWERS)
		(void)printf("%s (%s)\n", state_text(o->state), o->text);
	else
		(void)printf("%s\n", state_text(o->state));
}

void revive_text_end(const struct revive_plan *p, const struct revive_report *t)
{
	const struct pci_device *d = &t->device;
	char address[PCI_ADDRESS_TEXT];

	if (t->state != REVIVE_ANSWERS || p->state == REVIVE_ANSWERS)
		return;
	(void)printf("%s: %s: %04x:%04x, %s", pci_address_format(p->address, address),
		t->is_other ? "another device is there" : "is back", d->vendor, d->device,
		d->driver[0] ? d->driver : "no driver");
	if (t->has_link)
		(void)printf(", link %s x%u", speed_text(t->speed), t->width);
	if (t->has_link && (t->speed < t->speed_max || t->width < t->width_max))
		(void)printf(
			" (it and its port can do %s x%u)", speed_text(t->speed_max), t->width_max);
	(void)printf("\n");
}

void revive_keep_text(
	const struct revive_plan *p, const struct revive_report *t, char *buf, size_t size)
{
	char address[PCI_ADDRESS_TEXT];

	buf[0] = '\0';
	if (!t->by_wake || t->state != REVIVE_ANSWERS)
		return;
	(void)snprintf(buf, size,
		"it stays awake until the next boot; for each boot, a file in /etc/udev/rules.d: "
		"ACTION==\"add\", SUBSYSTEM==\"pci\", KERNEL==\"%s\", "
		"ATTR{power/control}=\"on\", ATTR{d3cold_allowed}=\"0\"",
		pci_address_format(p->address, address));
}

/* The first reason for which steps were left out. Return: false if none was. */
static bool advise_withheld(const struct revive_plan *p, const char *address, struct err *e)
{
	for (size_t i = 0; revive_is_withheld(p) && i < p->aside.problem_count; i++) {
		const struct bind_problem *b = &p->aside.problems[i];
		if (!b->refuses)
			continue;
		err_say(e, -EPERM, "%s: is not back, and some steps were left out: %s: %s", address,
			b->object, b->text);
		err_hint(e, "%s", b->fix);
		return true;
	}
	return false;
}

void revive_advise(const struct revive_plan *p, const struct revive_report *t, struct err *e)
{
	static const char cycle[] = "shut down, unplug the power for ten seconds, start again: "
				    "standby power keeps a card as it is";
	char address[PCI_ADDRESS_TEXT], port[PCI_ADDRESS_TEXT];

	pci_address_format(p->address, address);
	if (t->is_other) {
		err_say(e, -ENODEV, "%s: is not the device of before, %04x:%04x", address,
			p->known.vendor, p->known.device);
		err_hint(e, "usher list shows where each device is");
		return;
	}
	if (advise_withheld(p, address, e))
		return;
	if (p->has_port && t->port.presence == REVIVE_PRESENCE_EMPTY) {
		err_say(e, -ENODEV, "%s: is not back: the slot of port %s reports no card", address,
			pci_address_format(p->port.address, port));
		err_hint(e, "put the card in; if it is in, only a power cycle helps: %s", cycle);
		return;
	}
	err_say(e, -EIO, "%s: is not back: no step helped", address);
	err_hint(e, "only a power cycle helps: %s", cycle);
}
