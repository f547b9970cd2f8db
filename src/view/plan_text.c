/* SPDX-License-Identifier: MIT */
#include "view/plan.h"

static const char *or_none(const char *driver)
{
	return *driver ? driver : "no driver";
}

static void print_member(FILE *to, const struct bind_group *g, const struct bind_member *m)
{
	char address[PCI_ADDRESS_TEXT];

	pci_address_format(m->device.address, address);
	switch (m->act) {
	case BIND_ACT_TAKE:
		(void)fprintf(to, "%s: %s -> %s (group %d)\n", address, or_none(m->device.driver),
			m->driver, g->number);
		break;
	case BIND_ACT_ALREADY:
		(void)fprintf(
			to, "%s: is on %s already (group %d)\n", address, m->driver, g->number);
		break;
	case BIND_ACT_STAYS:
		(void)fprintf(to, "%s: stays on %s (group %d%s)\n", address,
			or_none(m->device.driver), g->number,
			m->device.is_bridge ? ", bridge" : "");
		break;
	}
}

void plan_text(FILE *to, const struct bind_plan *p)
{
	for (size_t i = 0; i < p->group_count; i++)
		for (size_t k = 0; k < p->groups[i].count; k++)
			print_member(to, &p->groups[i], &p->groups[i].members[k]);
}

void plan_text_viability(FILE *to, const struct bind_plan *p)
{
	for (size_t i = 0; i < p->group_count; i++)
		(void)fprintf(to, "group %d: %s\n", p->groups[i].number,
			p->groups[i].viable ? "viable: no member is left on a host driver"
					    : "not viable: a member is left on a host driver");
}

void plan_text_steps(FILE *to, const struct bind_step *steps, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct bind_step *s = &steps[i];
		(void)fprintf(to, "  %-8s%s%s%s\n", bind_op_name(s->op), s->path,
			s->text[0] ? "  " : "", s->text);
	}
}
