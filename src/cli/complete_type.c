/* SPDX-License-Identifier: MIT */
/* The types of options and operands: what a shell offers for each. */
#include "base/num.h"
#include "cli/complete.h"

#include <string.h>

/* @verb: NULL for all verbs that have such an option; a row of one verb comes first. */
static const struct {
	const char *verb, *option;
	struct complete_type type;
} options[] = {
	{"list", "driver", {COMPLETE_DRIVER, NULL}},
	{"list", "id", {COMPLETE_ID, NULL}},
	{"rom", "from", {COMPLETE_FILE, NULL}},
	{"metrics", "output", {COMPLETE_FILE, NULL}},
	{"run", "port", {COMPLETE_NOTHING, NULL}},
	{"start", "port", {COMPLETE_NOTHING, NULL}},
	{"rom", "allow", {COMPLETE_WORD, "driver rom"}},
	{NULL, "allow", {COMPLETE_CHECK, NULL}},
	{NULL, "at-boot", {COMPLETE_WORD, "yes no"}},
	{NULL, "backing", {COMPLETE_FILE, NULL}},
	{NULL, "bar", {COMPLETE_NOTHING, NULL}},
	{NULL, "class", {COMPLETE_CLASS, NULL}},
	{NULL, "cmdline", {COMPLETE_NOTHING, NULL}},
	{NULL, "console", {COMPLETE_WORD, "serial virtio none"}},
	{NULL, "cpu-limit", {COMPLETE_NOTHING, NULL}},
	{NULL, "cpus", {COMPLETE_NOTHING, NULL}},
	{NULL, "device", {COMPLETE_DEVICE, NULL}},
	{NULL, "disk", {COMPLETE_FILE, NULL}},
	{NULL, "display", {COMPLETE_WORD, "none vnc spice"}},
	{NULL, "driver", {COMPLETE_VFIO_DRIVER, NULL}},
	{NULL, "display-handover", {COMPLETE_WORD, "unit= timeout="}},
	{NULL, "engine", {COMPLETE_WORD, "usher qemu libvirt"}},
	{NULL, "env", {COMPLETE_VARIABLE, NULL}},
	{NULL, "firmware", {COMPLETE_WORD, "none bios uefi uefi-secure"}},
	{NULL, "format", {COMPLETE_WORD, "raw qcow2 vmdk vhdx vdi vpc"}},
	{NULL, "for", {COMPLETE_NOTHING, NULL}},
	{NULL, "group", {COMPLETE_GROUP, NULL}},
	{NULL, "host", {COMPLETE_SNAPSHOT, NULL}},
	{NULL, "hook", {COMPLETE_FILE, NULL}},
	{NULL, "id", {COMPLETE_ID, NULL}},
	{NULL, "include", {COMPLETE_NOTHING, NULL}},
	{NULL, "initrd", {COMPLETE_FILE, NULL}},
	{NULL, "interval", {COMPLETE_NOTHING, NULL}},
	{NULL, "key", {COMPLETE_LEASE, NULL}},
	{NULL, "kernel", {COMPLETE_FILE, NULL}},
	{NULL, "kernel-from", {COMPLETE_FILE, NULL}},
	{NULL, "libvirt", {COMPLETE_WORD, "qemu:///system xen:///system"}},
	{NULL, "managed", {COMPLETE_WORD, "yes no"}},
	{NULL, "memlock", {COMPLETE_NOTHING, NULL}},
	{NULL, "memory", {COMPLETE_NOTHING, NULL}},
	{NULL, "memory-limit", {COMPLETE_WORD, "none"}},
	{NULL, "mirror", {COMPLETE_NOTHING, NULL}},
	{NULL, "name", {COMPLETE_NOTHING, NULL}},
	{NULL, "net", {COMPLETE_WORD, "tap= user vhost-user,path= none"}},
	{NULL, "only", {COMPLETE_WORD, "devices drivers faults leases guests"}},
	{NULL, "on-sleep", {COMPLETE_WORD, "refuse release"}},
	{NULL, "output", {COMPLETE_COLUMN, NULL}},
	{NULL, "owner", {COMPLETE_NOTHING, NULL}},
	{NULL, "port", {COMPLETE_ADDRESS, NULL}},
	{NULL, "return", {COMPLETE_WORD, "driver vfio none"}},
	{NULL, "rings", {COMPLETE_WORD, "split packed"}},
	{NULL, "rng", {COMPLETE_WORD, "on off"}},
	{NULL, "save", {COMPLETE_SAVED, NULL}},
	{NULL, "share", {COMPLETE_FILE, NULL}},
	{NULL, "size", {COMPLETE_NOTHING, NULL}},
	{NULL, "snapshot", {COMPLETE_FILE, NULL}},
	{NULL, "ssh-key", {COMPLETE_FILE, NULL}},
	{NULL, "stats", {COMPLETE_FILE, NULL}},
	{NULL, "suite", {COMPLETE_WORD, "bullseye bookworm trixie sid"}},
	{NULL, "system", {COMPLETE_WORD, "windows linux"}},
	{NULL, "timeout", {COMPLETE_NOTHING, NULL}},
	{NULL, "trace-bar", {COMPLETE_ADDRESS, NULL}},
	{NULL, "usb", {COMPLETE_NOTHING, NULL}},
	{NULL, "user", {COMPLETE_USER, NULL}},
	{NULL, "user-group", {COMPLETE_USER_GROUP, NULL}},
	{NULL, "vfs", {COMPLETE_NOTHING, NULL}},
	{NULL, "vsock", {COMPLETE_NOTHING, NULL}},
	{NULL, "watch", {COMPLETE_NOTHING, NULL}},
};

/* The last operand of a row may be repeated, but for ports and commands. */
static const struct {
	const char *verb;
	enum complete_value first, rest;
	const char *words; /* of @first, if it is COMPLETE_WORD */
} operands[] = {
	{"list", COMPLETE_DEVICE, COMPLETE_DEVICE},
	{"show", COMPLETE_DEVICE, COMPLETE_DEVICE},
	{"snapshot", COMPLETE_FILE, COMPLETE_NOTHING},
	{"check", COMPLETE_DEVICE, COMPLETE_DEVICE},
	{"rom", COMPLETE_DEVICE, COMPLETE_FILE},
	{"prove", COMPLETE_DEVICE, COMPLETE_NOTHING},
	{"guide", COMPLETE_DEVICE, COMPLETE_NOTHING},
	{"revive", COMPLETE_DEVICE, COMPLETE_NOTHING},
	{"bind", COMPLETE_DEVICE, COMPLETE_DEVICE},
	{"release", COMPLETE_TAKEN, COMPLETE_TAKEN},
	{"vfs", COMPLETE_PHYSICAL, COMPLETE_NOTHING},
	{"image", COMPLETE_WORD, COMPLETE_FILE, "create info resize overlay from-debootstrap"},
	{"run", COMPLETE_FILE, COMPLETE_FILE}, /* a guest file; QEMU's own words */
	{"start", COMPLETE_SAVED, COMPLETE_FILE},
	{"edit", COMPLETE_SAVED, COMPLETE_NOTHING},
	{"exec", COMPLETE_COMMAND, COMPLETE_FILE},
	{"lease", COMPLETE_DEVICE, COMPLETE_DEVICE},
	{"leases", COMPLETE_NOTHING, COMPLETE_NOTHING},
	{"revoke", COMPLETE_LEASE, COMPLETE_NOTHING},
	{"ps", COMPLETE_NOTHING, COMPLETE_NOTHING},
	{"stop", COMPLETE_GUEST, COMPLETE_NOTHING},
	{"console", COMPLETE_GUEST, COMPLETE_PORT},
	{"stat", COMPLETE_GUEST, COMPLETE_NOTHING},
	{"control", COMPLETE_GUEST, COMPLETE_COMMANDS},
	{"monitor", COMPLETE_NOTHING, COMPLETE_NOTHING},
	{"metrics", COMPLETE_NOTHING, COMPLETE_NOTHING},
	{"attach", COMPLETE_GUEST, COMPLETE_DEVICE},
	{"detach", COMPLETE_GUEST, COMPLETE_DEVICE},
	{"guests", COMPLETE_NOTHING, COMPLETE_NOTHING},
	{"xml", COMPLETE_DEVICE, COMPLETE_DEVICE},
	{"restore", COMPLETE_TAKEN, COMPLETE_TAKEN},
	{"claim", COMPLETE_DEVICE, COMPLETE_DEVICE},
	{"unclaim", COMPLETE_CLAIM, COMPLETE_CLAIM},
	{"claims", COMPLETE_NOTHING, COMPLETE_NOTHING},
	{"apply", COMPLETE_NOTHING, COMPLETE_NOTHING},
	{"vfio-pci-bind", COMPLETE_ADDRESS, COMPLETE_ADDRESS},
	{"help", COMPLETE_VERB, COMPLETE_NOTHING},
};

struct complete_type complete_option(const char *verb, const char *option)
{
	for (size_t i = 0; i < COUNT(options); i++)
		if ((!options[i].verb || strcmp(options[i].verb, verb) == 0) &&
			strcmp(options[i].option, option) == 0)
			return options[i].type;
	return (struct complete_type){COMPLETE_UNKNOWN, NULL};
}

static enum complete_value operand_value(size_t row, unsigned index)
{
	const enum complete_value rest = operands[row].rest;

	if (!index)
		return operands[row].first;
	/* One of these, behind the guest's name. */
	if (index > 1 && (rest == COMPLETE_PORT || rest == COMPLETE_COMMANDS))
		return COMPLETE_NOTHING;
	return rest;
}

struct complete_type complete_operand(const char *verb, unsigned index)
{
	for (size_t i = 0; i < COUNT(operands); i++)
		if (strcmp(operands[i].verb, verb) == 0)
			return (struct complete_type){operand_value(i, index), operands[i].words};
	return (struct complete_type){COMPLETE_UNKNOWN, NULL};
}
