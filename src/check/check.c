/* SPDX-License-Identifier: MIT */
#include "check/check.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/num.h"
#include "check/rule.h"
#include "check/verdict.h"

#include <errno.h>
#include <string.h>

/*
 * How it works. Invariant: a rule only reads, and the state of a host is never an error of the
 * check.
 *
 * check_run() reads the facts that several rules need (struct check_case) and runs the host's
 * rules. Then it judges the named devices, or else all that a person may lend (verdict.c), and runs
 * the device rules on these. A rule calls check_found(), then check_seen() for the evidence and
 * check_fix() for the fix. If it cannot read what it needs, it calls check_blind(), so that "found
 * nothing" and "could not look" stay apart.
 *
 * Rules for named devices only (NAMED) are about lending a device now. For devices that nobody
 * named, an error counts as a warning, because the host itself works.
 */

#define RULE(id_, name_, scope_, run_, about_)                      \
	{                                                           \
		.info = {id_, name_, about_, scope_}, .run = (run_) \
	}
#define HOST(id, name, run, about) RULE(id, name, CHECK_HOST, run, about)
#define DEVICE(id, name, run, about) RULE(id, name, CHECK_DEVICE, run, about)
#define NAMED(id_, name_, run_, about_)                                                       \
	{                                                                                     \
		.info = {id_, name_, about_, CHECK_DEVICE}, .run = (run_), .named_only = true \
	}

/* All checks, in the order in which they run. Ids and names never change. */
static const struct check_rule rules[] = {
	HOST("H01", "firmware-iommu", check_firmware_iommu, "the firmware reports an IOMMU"),
	HOST("H02", "kernel-iommu", check_kernel_iommu, "the kernel uses the IOMMU"),
	HOST("H03", "cmdline", check_cmdline,
		"kernel command line options that affect passthrough"),
	HOST("H04", "not-booted", check_configured,
		"the configured kernel command line was booted"),
	HOST("H05", "interrupt-remapping", check_remapping,
		"interrupts are remapped, so no device can forge them"),
	HOST("H06", "modules", check_modules, "vfio-pci is loaded, or can be"),
	HOST("H07", "iommufd", check_iommufd, "whether iommufd is available"),
	HOST("H08", "noiommu", check_noiommu, "VFIO's no-IOMMU mode is off"),
	HOST("H09", "unsafe-options", check_unsafe, "unsafe options of VFIO's modules"),
	HOST("H10", "lockdown", check_lockdown, "Secure Boot and lockdown"),
	HOST("H11", "memlock", check_memlock, "how much memory this user can lock"),
	HOST("H12", "hugepages", check_hugepages,
		"huge pages are free on the NUMA nodes with devices"),
	HOST("H13", "kvm", check_kvm, "KVM exists and this user can open it"),
	HOST("H14", "nodes", check_nodes, "who can open /dev/vfio/vfio and /dev/iommu"),
	HOST("H15", "id-capture", check_capture,
		"ids that make vfio-pci bind every device of a model"),
	HOST("H16", "stale", check_stale, "no device is left half bound"),
	HOST("H17", "faults", check_faults, "the IOMMU blocked no DMA"),
	HOST("H18", "width", check_width, "the IOMMU's address width"),
	HOST("H19", "owners", check_owners, "no other tool manages these devices"),
	HOST("H20", "early-boot", check_early_boot,
		"the modules that the initramfs loads, and their options"),
	HOST("H21", "kernel-log", check_kernel_log, "the kernel's log names no lost device"),
	DEVICE("P01", "identity", check_identity,
		"addresses in other tools' files still name the same device"),
	NAMED("P02", "group", check_members, "which devices share its IOMMU group"),
	NAMED("P03", "acs", check_acs, "why its IOMMU group is large"),
	NAMED("P04", "platform", check_platform, "it is not a bridge or part of the chipset"),
	NAMED("P05", "driver", check_driver, "which driver it is bound to"),
	NAMED("P06", "fd", check_users, "no process has it open"),
	NAMED("P07", "gpu", check_display, "it is not the host's display"),
	DEVICE("P08", "framebuffer", check_framebuffer, "no firmware framebuffer uses its BARs"),
	NAMED("P09", "block", check_storage, "no mounted disk, swap or volume uses it"),
	NAMED("P10", "net", check_network, "no IP address, route or session uses it"),
	NAMED("P11", "input", check_input, "it does not have the last keyboard or a console"),
	NAMED("P12", "sriov", check_sriov, "virtual functions"),
	DEVICE("P13", "no-reset", check_reset, "it can be reset between two guests"),
	DEVICE("P14", "power", check_power, "it can leave its power state"),
	DEVICE("P15", "reserved", check_reserved, "the firmware has no DMA region for it"),
	DEVICE("P16", "denylist", check_denied,
		"vfio-pci accepts it, or a variant driver fits better"),
	DEVICE("P17", "bars", check_bars, "its BARs are assigned, well sized, and free"),
	DEVICE("P18", "rom", check_rom, "the ROM of a graphics card can be read"),
	NAMED("P19", "numa", check_numa, "which NUMA node it is on"),
	NAMED("P20", "link", check_link, "its link runs at full speed and width"),
	DEVICE("P21", "dead", check_alive, "its configuration space answers"),
	NAMED("P22", "twins", check_twins, "other devices have the same ids"),
	DEVICE("P23", "early", check_early, "no other driver binds it first at boot"),
	DEVICE("P24", "companions", check_companions,
		"whether parts of the card are in other groups"),
	DEVICE("P25", "viable", check_viable, "no other driver in its group keeps VFIO out"),
	DEVICE("P26", "device-log", check_device_log, "the kernel's log has no failure of it"),
	NAMED("P27", "unbind", check_unbind, "what to stop before its driver can give it up"),
};

const struct check_rule_info *check_rule_at(size_t i)
{
	return i < COUNT(rules) ? &rules[i].info : NULL;
}

const char *check_severity_name(enum check_severity s)
{
	static const char *const names[] = {
		[CHECK_INFO] = "info", [CHECK_WARN] = "warn", [CHECK_FAIL] = "fail"};

	return names[s];
}

const char *check_verdict_name(enum check_verdict_kind k)
{
	static const char *const names[] = {
		[CHECK_LENDABLE] = "yes",
		[CHECK_STEP] = "step",
		[CHECK_CANNOT] = "no",
		[CHECK_UNKNOWN] = "unknown",
	};

	return names[k];
}

static void run_rules(struct check_case *c, enum check_scope scope)
{
	for (size_t i = 0; i < COUNT(rules); i++) {
		const struct check_rule *r = &rules[i];

		if (r->info.scope != scope || (r->named_only && !c->named))
			continue;
		c->rule = &r->info;
		c->spoke = false;
		r->run(c);
		c->report->rules_run++;
		c->report->rules_quiet += !c->spoke;
	}
}

static int run_device(struct check_case *c, const struct pci_device *d, bool named)
{
	struct pci_device whole;
	int r = 0;

	c->device = d;
	c->named = named;
	pci_address_format(d->address, c->address);
	if (named) {
		/* A listing leaves out the override. */
		r = pci_device_read(c->host, d->address, &whole, c->e);
		c->device = r == 0 ? &whole : d;
		if (r == 0)
			r = hold_find_in(c->view, c->device, &c->holds, c->e);
	}
	if (r == 0)
		run_rules(c, CHECK_DEVICE);
	holds_fini(&c->holds);
	c->device = NULL;
	c->named = false;
	return r;
}

/* A device that is gone is no wrong address. */
static int refuse_absent(struct check_case *c, struct pci_address a)
{
	char address[PCI_ADDRESS_TEXT], text[160];

	pci_address_format(a, address);
	check_gone_text(c, a, text, sizeof(text));
	if (!text[0]) {
		int r = err_say(c->e, -ENODEV, "%s: there is no such PCI device", address);
		err_hint(c->e, "usher list");
		return r;
	}
	int r = err_say(c->e, -ENODEV, "%s: %s", address, text);
	err_hint(c->e, "usher revive %s", address);
	return r;
}

/* The devices that the report is about: the named ones, or those that a person may lend. */
static int choose_devices(struct check_case *c, struct pci_device **ret, size_t *ret_count)
{
	const struct check_request *q = c->request;
	size_t room = q->address_count > c->device_count ? q->address_count : c->device_count;
	struct pci_device *list = calloc(room + 1, sizeof(*list));
	size_t count = 0;

	*ret = list;
	if (!list)
		return err_set(c->e, -ENOMEM, "check this host");
	for (size_t i = 0; i < q->address_count; i++) {
		const struct pci_device *d = check_find(c, q->addresses[i]);

		if (!d) {
			return refuse_absent(c, q->addresses[i]);
		}
		list[count++] = *d;
	}
	for (size_t i = 0; !q->address_count && i < c->device_count; i++)
		if (q->all || check_may_lend(&c->devices[i]))
			list[count++] = c->devices[i];
	*ret_count = count;
	return 0;
}

static int run_devices(struct check_case *c)
{
	cleanup_free struct pci_device *list = NULL;
	bool named = c->request->address_count;
	size_t count = 0;

	int r = choose_devices(c, &list, &count);
	if (r < 0)
		return r;
	r = check_verdicts(c, list, count);
	if (r == 0 && named && !c->view)
		r = hold_view_new(c->host, HOLD_EVERYTHING, &c->view, c->e);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = run_device(c, &list[i], named);
	return r;
}

/* The host comes first, then what is no device (a node, a module), then devices by address. */
static int object_order(const char *a, const char *b)
{
	bool host_a = strcmp(a, "host") == 0, host_b = strcmp(b, "host") == 0;
	struct pci_address x, y;

	if (host_a != host_b)
		return host_a ? -1 : 1;
	bool device_a = pci_address_parse(a, &x) == 0, device_b = pci_address_parse(b, &y) == 0;
	if (device_a != device_b)
		return device_a ? 1 : -1;
	return device_a ? pci_address_compare(x, y) : strcmp(a, b);
}

static int finding_order(const void *a, const void *b)
{
	const struct check_finding *x = a, *y = b;

	if (x->severity != y->severity)
		return x->severity > y->severity ? -1 : 1;
	int n = object_order(x->object, y->object);
	if (n == 0)
		n = strcmp(x->rule->id, y->rule->id);
	return n ? n : strcmp(x->text, y->text);
}

int check_run(
	struct host *h, const struct check_request *q, struct check_report *ret, struct err *e)
{
	cleanup_free struct pci_device *devices = NULL;
	struct check_case *c = calloc(1, sizeof(*c));
	struct err why = {0};

	*ret = (struct check_report){0};
	if (!c)
		return err_set(e, -ENOMEM, "check this host");
	*c = (struct check_case){.host = h, .report = ret, .request = q, .e = e};
	int r = pci_device_list(h, &devices, &c->device_count, &why);
	if (r == -ENOENT)
		r = 0; /* the host's own checks work without PCI */
	else if (r < 0)
		(void)err_say(e, r, "%s", why.msg);
	c->devices = devices;
	r = r < 0 ? r : kernlog_read(h, &c->log);
	if (r == 0) {
		c->iommu = pci_iommu_state(h);
		boot_read(h, &c->boot);
		modprobe_read(h, &c->modprobe);
		early_read(h, &c->boot, &c->early);
		check_claims_read(c);
		run_rules(c, CHECK_HOST);
		r = run_devices(c);
	}
	hold_view_free(c->view);
	check_claims_free(c);
	boot_fini(&c->boot);
	modprobe_fini(&c->modprobe);
	early_fini(&c->early);
	kernlog_fini(&c->log);
	if (r == 0 && c->failed)
		r = err_set(e, c->failed, "check this host");
	if (ret->count)
		qsort(ret->list, ret->count, sizeof(*ret->list), finding_order);
	free(c);
	return r;
}

void check_report_fini(struct check_report *r)
{
	free(r->verdicts);
	free(r->list);
	free(r->blind);
	*r = (struct check_report){0};
}

size_t check_report_count(const struct check_report *r, enum check_severity s)
{
	size_t n = 0;

	for (size_t i = 0; i < r->count; i++)
		n += r->list[i].severity == s;
	return n;
}
