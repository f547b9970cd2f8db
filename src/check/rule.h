/* SPDX-License-Identifier: MIT */
#ifndef CHECK_RULE_H
#define CHECK_RULE_H

#include "check/boot.h"
#include "check/check.h"
#include "check/early.h"
#include "check/kernlog.h"
#include "check/modprobe.h"
#include "hold/hold.h"
#include "host/host.h"
#include "pci/device.h"
#include "pci/iommu.h"

#include <stdarg.h>

struct claim;
struct claim_judgement;

/* The facts that all rules use, read once. */
struct check_case {
	struct host *host;
	struct check_report *report;
	const struct check_request *request;
	struct err *e;
	/* The host. */
	const struct pci_device *devices; /* by address */
	size_t device_count;
	enum pci_iommu iommu;
	struct boot boot;
	struct modprobe modprobe;
	struct early early;
	struct kernlog log;
	struct hold_view *view; /* only for named devices */
	struct claim *claims; /* usher's own claims, and where their devices are */
	struct claim_judgement *stands;
	size_t claim_count;
	int claims_error; /* -errno if they could not be read */
	/* The running rule and the checked device. */
	const struct check_rule_info *rule;
	const struct pci_device *device;
	char address[PCI_ADDRESS_TEXT];
	bool named; /* it is to be lent */
	struct holds holds; /* of a named device */
	struct check_finding *last; /* the target of check_seen() and check_fix() */
	struct check_finding spare; /* if there is no memory for another finding */
	int failed; /* -ENOMEM */
	bool spoke; /* the rule found something, or could not read what it needs */
};

struct check_rule {
	struct check_rule_info info;
	void (*run)(struct check_case *c);
	/* only for named devices: about lending this device now */
	bool named_only;
};

/*
 * Adds a finding of the running rule. For a device that was not named, CHECK_FAIL becomes
 * CHECK_WARN, because the host itself works. Followed by check_seen() and check_fix().
 */
void check_found(struct check_case *c, enum check_severity s, const char *object, const char *fmt,
	...) __attribute__((format(printf, 4, 5)));
void check_seen(struct check_case *c, const char *path, const char *value);
void check_fix(struct check_case *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Records that the rule could not read @path. -ENOENT is ignored for files that may be missing. */
void check_blind(struct check_case *c, const char *path, int error);

/*
 * Reads a text attribute of the checked device.
 * Return: length, -ENOENT, -errno after check_blind().
 */
int check_attribute(struct check_case *c, const char *attr, char *buf, size_t size);
/* Its path, for check_seen(). Return: @buf. */
const char *check_attribute_path(
	const struct check_case *c, const char *attr, char *buf, size_t size);

/*
 * True if the framebuffer of the firmware keeps the memory of @c->device, and vfio-pci leaves it:
 * P08 reports that.
 */
bool check_framebuffer_stays(struct check_case *c);

/* The class of @d with its article: "an ISA bridge". Return: @buf. */
const char *check_class_text(const struct pci_device *d, char *buf, size_t size);

/* True if a module parameter is "Y", "1" or "y". */
bool check_flag_set(struct check_case *c, const char *path);

/* True if the kernel remaps interrupts. */
bool check_remaps_interrupts(struct check_case *c);

/* True if a file, directory or link of this name exists. */
bool check_exists(struct host *h, const char *path);

/*
 * What makes the configured @words count at the next boot: the owner's command and a reboot, or a
 * look for the loader that booted this host past its owner.
 */
void check_how_to_apply(struct check_case *c, const char *words, char *buf, size_t size);

/* True if this kernel says of itself that it is Linux @major.@minor or later. */
bool check_kernel_since(struct check_case *c, unsigned major, unsigned minor);

/* The number of functions of the host with these ids. */
size_t check_count_ids(const struct check_case *c, unsigned vendor, unsigned device);

const struct pci_device *check_find(const struct check_case *c, struct pci_address a);

/* True for a display that is no virtual function. */
bool check_is_display(const struct check_case *c, const struct pci_device *d);
/* True for a display on a board of its own: neither the processor's nor a virtual function. */
bool check_is_card(const struct check_case *c, const struct pci_device *d);

/* True if vfio-pci has an option to take the ids of @d at boot; @buf: where it is set. */
bool check_early_ids(struct check_case *c, const struct pci_device *d, char *buf, size_t size);

/* The verdict on a device of the report; CHECK_UNKNOWN for another one. */
enum check_verdict_kind check_verdict_of(const struct check_case *c, struct pci_address a);

/* Claims, read once for all rules. check_claims_hold() is true if a claim's device is at @a. */
void check_claims_read(struct check_case *c);
void check_claims_free(struct check_case *c);
bool check_claims_hold(const struct check_case *c, struct pci_address a);
/* Fills in the claim of virtual functions that a device is about. */
void check_claim_describe(const struct check_case *c, struct check_verdict *v);

/*
 * Return: 1 if the checked device does not answer, 0 if it does, -EAGAIN if only a look that wakes
 * it could tell, -errno.
 */
int check_device_is_dead(struct check_case *c);

/* Why @d does not answer, by the kernel's log: its own line, its card's or its port's; NULL. */
const struct kernlog_event *check_logged_loss(
	const struct check_case *c, const struct pci_device *d);
/* Its own line alone. */
const struct kernlog_event *check_logged_own(const struct check_case *c, struct pci_address a);
/* "is gone (it was 10de:2204): …" of an address without a device; "" if the log does not tell. */
void check_gone_text(const struct check_case *c, struct pci_address a, char *buf, size_t size);
/* The line as evidence of the last finding, and what helps against its cause. */
void check_logged_seen(struct check_case *c, const struct kernlog_event *x);
void check_logged_fix(struct check_case *c, const struct kernlog_event *x);

/* The flags of the first processor. */
struct check_cpu {
	bool known;
	bool intel;
	bool amd;
	bool is_guest; /* this host is a virtual machine */
	bool has_virtualisation; /* vmx or svm */
};

struct check_cpu check_cpu_read(struct check_case *c);

/* True on a machine that a device tree describes, and no ACPI: no firmware setup has an IOMMU. */
bool check_is_board(struct check_case *c);

/* The rules; each file has a family. */
void check_firmware_iommu(struct check_case *c);
void check_kernel_iommu(struct check_case *c);
void check_remapping(struct check_case *c);
void check_faults(struct check_case *c);
void check_width(struct check_case *c);

void check_cmdline(struct check_case *c);
void check_configured(struct check_case *c);
void check_capture(struct check_case *c);
void check_early_boot(struct check_case *c);

void check_modules(struct check_case *c);
void check_iommufd(struct check_case *c);
void check_noiommu(struct check_case *c);
void check_unsafe(struct check_case *c);
void check_nodes(struct check_case *c);

void check_lockdown(struct check_case *c);
void check_memlock(struct check_case *c);
void check_hugepages(struct check_case *c);
void check_kvm(struct check_case *c);

/* Parts of P01, H16 and H19. */
void check_claimed(struct check_case *c);
void check_claims(struct check_case *c);
void check_domains(struct check_case *c);
void check_running(struct check_case *c);

void check_stale(struct check_case *c);
void check_owners(struct check_case *c);
void check_kernel_log(struct check_case *c);

void check_identity(struct check_case *c);
void check_platform(struct check_case *c);
void check_driver(struct check_case *c);
void check_denied(struct check_case *c);
void check_alive(struct check_case *c);
void check_twins(struct check_case *c);
void check_early(struct check_case *c);

void check_members(struct check_case *c);
void check_acs(struct check_case *c);
void check_reserved(struct check_case *c);
void check_companions(struct check_case *c);
void check_viable(struct check_case *c);

void check_users(struct check_case *c);
void check_storage(struct check_case *c);
void check_network(struct check_case *c);
void check_input(struct check_case *c);
void check_sriov(struct check_case *c);

void check_display(struct check_case *c);
void check_framebuffer(struct check_case *c);
void check_rom(struct check_case *c);

void check_reset(struct check_case *c);
void check_power(struct check_case *c);
void check_bars(struct check_case *c);
void check_numa(struct check_case *c);
void check_link(struct check_case *c);
void check_device_log(struct check_case *c);
void check_unbind(struct check_case *c);

#endif
