/* SPDX-License-Identifier: MIT */
#include "bind/resize.h"

#include "base/err.h"
#include "base/file.h"
#include "base/num.h"
#include "bind/problem.h"
#include "host/host.h"
#include "pci/bar.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SIZES 44 /* 1 MiB << 43 is the largest that the capability can say: 8 EiB */

uint8_t bind_resize_code(uint64_t bytes)
{
	uint64_t mib = bytes >> 20;

	if (!mib || bytes & (bytes - 1))
		return 0;
	return (uint8_t)(1 + __builtin_ctzll(mib));
}

uint8_t bind_resize_now(struct host *h, struct pci_address a, unsigned bar)
{
	struct pci_bar bars[PCI_BAR_MAX];
	int n = pci_bar_read(h, a, bars, NULL);

	for (int i = 0; i < n; i++)
		if (bars[i].index == bar)
			return bind_resize_code(bars[i].size);
	return 0;
}

static int resize_path(struct pci_address a, unsigned bar, char *buf, size_t size)
{
	char attr[20];

	(void)snprintf(attr, sizeof(attr), "resource%u_resize", bar);
	return pci_device_path(a, attr, buf, size);
}

const char *bind_resize_text(uint8_t code, char buf[4])
{
	(void)snprintf(buf, 4, "%u", (code - 1u) % 100);
	return buf;
}

static void append_size(char *buf, size_t size, unsigned bit)
{
	static const char *const units[] = {"MiB", "GiB", "TiB", "PiB", "EiB"};
	size_t n = strlen(buf);

	(void)snprintf(
		buf + n, size - n, "%s%u %s", n ? ", " : "", 1u << bit % 10, units[bit / 10]);
}

static int plan_bar(struct bind_case *c, struct bind_member *m, unsigned bar, uint8_t wanted)
{
	static const struct problem_kind none = {"bar", PROBLEM_REFUSES,
		"only BARs in the Resizable BAR capability can be: see usher show"};
	static const struct problem_kind other = {"bar", PROBLEM_REFUSES, NULL};
	static const struct problem_kind bound = {"bar", PROBLEM_REFUSES, "usher release it first"};
	char address[PCI_ADDRESS_TEXT], path[FILE_PATH_MAX], text[32], sizes[160] = "",
								       size[16] = "";
	struct pci_address a = m->device.address;
	uint64_t offered = 0;

	pci_address_format(a, address);
	int r = resize_path(a, bar, path, sizeof(path));
	if (r == 0)
		r = host_read_text(c->env->host, path, text, sizeof(text));
	/* Hex without 0x. */
	if (r < 0 || num_parse(text, 16, UINT64_MAX, &offered) < 0 || !offered)
		return bind_problem_add(
			c->plan, c->q, &none, address, "its BAR %u cannot be resized", bar);
	for (unsigned i = 0; i < SIZES; i++)
		if (offered >> i & 1)
			append_size(sizes, sizeof(sizes), i);
	append_size(size, sizeof(size), wanted - 1u);
	if (wanted > SIZES || !(offered >> (wanted - 1) & 1))
		return bind_problem_add(c->plan, c->q, &other, address,
			"its BAR %u cannot have %s, only %s", bar, size, sizes);
	if (bind_resize_now(c->env->host, a, bar) == wanted)
		return 0;
	if (m->act != BIND_ACT_TAKE)
		return bind_problem_add(c->plan, c->q, &bound, address,
			"is on %s already, and its BAR %u is not resized under a driver", m->driver,
			bar);
	m->bar[bar] = wanted;
	return 0;
}

int bind_resize_plan(struct bind_case *c, const struct bind_target *t, struct bind_member *m)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < COUNT(t->bar); i++)
		if (t->bar[i])
			r = plan_bar(c, m, i, t->bar[i]);
	return r;
}

int bind_resize_back(struct bind_worker *w, const struct bind_was *was, struct err *e)
{
	char path[FILE_PATH_MAX], text[4];
	int r = 0;

	for (unsigned i = 0; r == 0 && i < COUNT(was->bar); i++) {
		if (!was->bar[i] ||
			bind_resize_now(w->transaction->env->host, was->address, i) == was->bar[i])
			continue;
		r = resize_path(was->address, i, path, sizeof(path));
		if (r < 0)
			return err_set(e, r, "resize BAR %u", i);
		r = bind_worker_write(w, path, bind_resize_text(was->bar[i], text), e);
	}
	return r;
}
