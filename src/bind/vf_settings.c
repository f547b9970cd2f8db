/* SPDX-License-Identifier: MIT */
#include "bind/vf_settings.h"

#include "base/err.h"
#include "base/file.h"
#include "base/num.h"
#include "bind/kernel_ops.h"
#include "host/rtnl.h"
#include "pci/device.h"
#include "pci/vfs.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

/* "-" for what the driver does not tell. */
static const char *value_text(uint32_t value, char buf[12])
{
	(void)snprintf(buf, 12, "%u", value);
	return value == HOST_VF_UNTOLD ? "-" : buf;
}

const char *bind_vf_settings_format(const struct host_vf *vf, char buf[BIND_VF_SETTINGS_TEXT])
{
	const uint8_t *m = vf->mac;
	char spoofchk[12], state[12], rss[12], trust[12];

	(void)snprintf(buf, BIND_VF_SETTINGS_TEXT,
		"%u %02x:%02x:%02x:%02x:%02x:%02x %u %u 0x%04x %u %u %s %s %s %s", vf->index, m[0],
		m[1], m[2], m[3], m[4], m[5], vf->vlan, vf->qos, vf->proto, vf->min_rate,
		vf->max_rate, value_text(vf->spoofchk, spoofchk), value_text(vf->link_state, state),
		value_text(vf->rss_query, rss), value_text(vf->trust, trust));
	return buf;
}

static uint32_t value_parse(const char *text)
{
	uint64_t n;

	return num_parse(text, 10, UINT32_MAX, &n) == 0 ? (uint32_t)n : HOST_VF_UNTOLD;
}

/* What was read loosely has to come out as the same text again: that makes it strict. */
int bind_vf_settings_parse(const char *text, struct host_vf *ret)
{
	char spoofchk[12], state[12], rss[12], trust[12], again[BIND_VF_SETTINGS_TEXT];
	struct host_vf v = {0};
	uint8_t *m = v.mac;

	if (sscanf(text,
		    "%10u %2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx %5hu %10u 0x%4hx %10u %10u %11s %11s "
		    "%11s %11s",
		    &v.index, &m[0], &m[1], &m[2], &m[3], &m[4], &m[5], &v.vlan, &v.qos, &v.proto,
		    &v.min_rate, &v.max_rate, spoofchk, state, rss, trust) != 16)
		return -EBADMSG;
	v.spoofchk = value_parse(spoofchk);
	v.link_state = value_parse(state);
	v.rss_query = value_parse(rss);
	v.trust = value_parse(trust);
	if (strcmp(text, bind_vf_settings_format(&v, again)) != 0)
		return -EBADMSG;
	*ret = v;
	return 0;
}

struct names {
	unsigned count;
	char first[BIND_INTERFACE_MAX];
};

static int count_name(void *arg, const char *name)
{
	struct names *n = arg;

	if (n->count++ == 0 && strlen(name) < sizeof(n->first))
		memcpy(n->first, name, strlen(name) + 1);
	return 0;
}

int bind_vf_settings_interface(
	struct host *h, struct pci_address physical, char ret[BIND_INTERFACE_MAX])
{
	struct names n = {0};
	char path[FILE_PATH_MAX];

	int r = pci_device_path(physical, "net", path, sizeof(path));
	if (r < 0 || h->ops->list(h, path, count_name, &n) < 0 || n.count != 1 || !n.first[0])
		return -ENOENT;
	memcpy(ret, n.first, sizeof(n.first));
	return 0;
}

struct found {
	struct host_vf *list;
	size_t count, max;
};

static int settings_add(void *arg, const struct host_vf *vf)
{
	struct found *f = arg;

	if (f->count < f->max)
		f->list[f->count++] = *vf;
	return 0;
}

int bind_vf_settings_list(struct host *h, const char *interface, struct host_vf *ret, size_t max)
{
	struct found f = {ret, 0, max};

	int r = host_functions(h, interface, settings_add, &f);
	return r < 0 ? r : (int)f.count;
}

/* The physical function's interface, and which virtual one of it the device is. */
static int find_place(
	struct host *h, struct pci_address a, char interface[BIND_INTERFACE_MAX], uint32_t *index)
{
	char attr[24], path[FILE_PATH_MAX], name[PCI_ADDRESS_TEXT];
	struct pci_address at;

	const struct pci_vfs v = pci_vfs_read(h, a);
	int r = v.is_virtual ? bind_vf_settings_interface(h, v.physical, interface) : -ENOENT;
	for (unsigned i = 0; r == 0 && i <= UINT16_MAX; i++) {
		(void)snprintf(attr, sizeof(attr), "virtfn%u", i);
		r = pci_device_path(v.physical, attr, path, sizeof(path));
		if (r == 0 && host_link_name(h, path, name, sizeof(name)) < 0)
			return -ENOENT;
		if (r == 0 && pci_address_parse(name, &at) == 0 && pci_address_equal(at, a)) {
			*index = i;
			return 0;
		}
	}
	return r < 0 ? r : -ENOENT;
}

struct one {
	uint32_t index;
	struct host_vf *ret;
};

static int settings_match(void *arg, const struct host_vf *vf)
{
	const struct one *o = arg;

	if (vf->index != o->index)
		return 0;
	*o->ret = *vf;
	return 1;
}

static int settings_read_at(
	struct host *h, const char *interface, uint32_t index, struct host_vf *ret)
{
	struct one o = {index, ret};

	int r = host_functions(h, interface, settings_match, &o);
	return r == 1 ? 0 : r < 0 ? r : -ENOENT;
}

int bind_vf_settings_read(struct host *h, struct pci_address a, struct host_vf *ret)
{
	char interface[BIND_INTERFACE_MAX];
	uint32_t index = 0;

	int r = find_place(h, a, interface, &index);
	return r < 0 ? r : settings_read_at(h, interface, index, ret);
}

int bind_vf_settings_apply(const struct bind_env *env, const char *interface,
	const struct host_vf *now, const struct host_vf *want, struct err *e)
{
	int changed = 0, first = 0;

	for (enum rtnl_setting s = 0; s < RTNL_SETTINGS; s++) {
		if (rtnl_setting_equal(s, now, want))
			continue;
		int r = env->kernel->set_vf(interface, (int)s, want);
		changed += r == 0;
		if (r == 0 || first)
			continue;
		first = err_set(e, r, "%s: set %s of virtual function %u", interface,
			rtnl_setting_name(s), want->index);
		err_hint(e, "see 'ip link show %s'", interface);
	}
	return first ? first : changed;
}

int bind_vf_settings_restore(
	const struct bind_env *env, struct pci_address a, const struct host_vf *want, struct err *e)
{
	char interface[BIND_INTERFACE_MAX];
	struct host_vf here = *want, now = {0};

	int r = find_place(env->host, a, interface, &here.index);
	if (r < 0)
		return r;
	r = settings_read_at(env->host, interface, here.index, &now);
	if (r < 0)
		return err_set(e, r, "%s: read the settings of virtual function %u", interface,
			here.index);
	return bind_vf_settings_apply(env, interface, &now, &here, e);
}

int bind_vf_settings_change(const char *interface, int setting, const struct host_vf *vf)
{
	uint8_t request[RTNL_REQUEST_MAX] __attribute__((aligned(8)));

	unsigned index = if_nametoindex(interface);
	if (!index)
		return -errno;
	rtnl_ask_setting(request, (int)index, (enum rtnl_setting)setting, vf);
	return rtnl_talk(request, NULL, NULL);
}
