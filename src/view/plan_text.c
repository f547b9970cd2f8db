/* SPDX-License-Identifier: MIT */
#include "base/file.h"
#include "view/plan.h"

const char *plan_driver(const char *driver, char buf[PLAN_DRIVER_TEXT])
{
	file_escape(buf, PLAN_DRIVER_TEXT, *driver ? driver : "no driver");
	return buf;
}

static void print_member(FILE *to, const struct bind_group *g, const struct bind_member *m)
{
	char address[PCI_ADDRESS_TEXT], was[PLAN_DRIVER_TEXT], then[PLAN_DRIVER_TEXT];

	pci_address_format(m->device.address, address);
	switch (m->act) {
	case BIND_ACT_TAKE:
		(void)fprintf(to, "%s: %s -> %s (group %d)\n", address,
			plan_driver(m->device.driver, was), plan_driver(m->driver, then),
			g->number);
		break;
	case BIND_ACT_ALREADY:
		(void)fprintf(to, "%s: is on %s already (group %d)\n", address,
			plan_driver(m->driver, then), g->number);
		break;
	case BIND_ACT_STAYS:
		(void)fprintf(to, "%s: stays on %s (group %d%s)\n", address,
			plan_driver(m->device.driver, was), g->number,
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
	char path[2 * FILE_PATH_MAX], text[2 * FILE_PATH_MAX];

	for (size_t i = 0; i < count; i++) {
		const struct bind_step *s = &steps[i];
		file_escape(path, sizeof(path), s->path);
		file_escape(text, sizeof(text), s->text);
		(void)fprintf(
			to, "  %-8s%s%s%s\n", bind_op_name(s->op), path, text[0] ? "  " : "", text);
	}
}
