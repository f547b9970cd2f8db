/* SPDX-License-Identifier: MIT */
#include "cli/topic.h"
#include "base/num.h"
#include "cli/fact.h"
#include "cli/option.h"
#include "pci/host.h"

#include <stdio.h>
#include <string.h>

/* A topic, and which facts stand below it. */
struct entry {
	struct topic topic;
	void (*facts)(const struct facts *f);
};

static const struct entry topics[] = {
	{{"vfio", "VFIO",
		 "VFIO is the part of the Linux kernel that gives a device to a program in user\n"
		 "space: its registers, its interrupts, its DMA, all in an environment that an "
		 "IOMMU\n"
		 "protects. It knows nothing of a certain IOMMU or a certain device, and with it "
		 "a\n"
		 "driver, or a virtual machine, needs no privileges of its own: whoever may open "
		 "the\n"
		 "device's node can use the device, and nothing else.\n"},
		fact_vfio},
	{{"container", "VFIO container",
		 "A container is what opening /dev/vfio/vfio gives. By itself it answers two\n"
		 "questions only, which version of the interface it is and which extensions there\n"
		 "are. Once a group is put into it, it takes an IOMMU, and then memory is mapped "
		 "into\n"
		 "it for DMA; groups in one container see the same addresses. Opening it is safe "
		 "for\n"
		 "everybody: what is guarded are the groups.\n"},
		fact_container},
	{{"group", "IOMMU group",
		 "A group is the smallest set of devices that the IOMMU can tell apart from all\n"
		 "others. Its members may reach each other past the IOMMU, so they are lent "
		 "together\n"
		 "or not at all: before VFIO opens a group, each member has to be on a VFIO "
		 "driver, or\n"
		 "on none, or on pci-stub or a bridge's own driver. Then the group is viable. How "
		 "large\n"
		 "groups are is decided by the board and its switches: see 'usher help acs'.\n"},
		fact_group},
	{{"iommu", "IOMMU",
		 "An IOMMU stands between devices and memory as the MMU stands between programs "
		 "and\n"
		 "memory. Intel calls it VT-d, AMD calls it AMD-Vi, ARM has SMMUs. A device that "
		 "is\n"
		 "lent reaches what was mapped for it, under addresses of the guest (IOVA), and\n"
		 "nothing else; its interrupts are remapped, so that it cannot forge any. The\n"
		 "firmware has to turn it on, and on Intel some kernels want 'intel_iommu=on'.\n"},
		fact_iommu},
	{{"acs", "Access Control Services",
		 "PCI Express lets a switch send a request from one device straight to another "
		 "below\n"
		 "it, without the IOMMU ever seeing it. Access Control Services of a port forbid "
		 "that.\n"
		 "Where a port on the way to the root lacks them, all that is behind it is one "
		 "group.\n"
		 "The patch 'pcie_acs_override' makes the kernel believe otherwise; it does not "
		 "make\n"
		 "the hardware do otherwise.\n"},
		fact_group},
	{{"passthrough", "PCI passthrough",
		 "The guest gets the device itself, as if it were plugged into it: its own driver, "
		 "the\n"
		 "device's full speed, all its features. Doorbells and buffers are mapped into "
		 "the\n"
		 "guest, so that steady work makes no trip to the host. In return the guest's "
		 "memory\n"
		 "is locked, the guest cannot move to another host, and the host cannot use the "
		 "device\n"
		 "meanwhile. 'usher run --device ADDRESS' does it from check to return.\n"},
		fact_passthrough},
	{{"binding", "binding to vfio-pci",
		 "A device is lent by taking it from its driver and giving it to vfio-pci. First, "
		 "when\n"
		 "an id is given, it has to be the one that is found at the address. Then every "
		 "member\n"
		 "of its IOMMU group leaves its driver, but for PCI Express bridges, and is bound "
		 "to\n"
		 "vfio-pci. usher asks who uses each of them before, writes into a journal what "
		 "to\n"
		 "restore, and looks at the result. It names devices by driver_override, never by\n"
		 "new_id, which would take their twins as well.\n"},
		fact_binding},
	{{"kvm", "KVM and QEMU",
		 "KVM is the hypervisor in the Linux kernel: it runs the guest's processors on "
		 "the\n"
		 "host's, by VT-x or SVM, and handles what has to be fast. What a guest sees of a\n"
		 "machine besides is made in user space, by QEMU for example, or by usher-vmm, "
		 "which\n"
		 "is small because it makes little: a guest whose devices are real needs few that "
		 "are\n"
		 "emulated.\n"},
		fact_kvm},
	{{"virtio", "VirtIO",
		 "VirtIO devices are made for virtual machines: instead of imitating some real "
		 "network\n"
		 "card register by register, guest and host share queues in memory. It is several\n"
		 "times as fast as emulation, needs no hardware, many guests share one disk or "
		 "card,\n"
		 "and they can move. Passthrough is for what it cannot do.\n"},
		fact_virtio},
	{{"reset", "resets",
		 "Between two users a device has to forget the first. The good way is a function "
		 "level\n"
		 "reset (flr), of this function alone. A change to D3hot and back (pm) is one on "
		 "some\n"
		 "devices. A bus reset takes along all that is behind the bridge above; VFIO does "
		 "it\n"
		 "when it has all of that. What has no reset that works stays as the guest left "
		 "it,\n"
		 "and does not go back to the host by itself.\n"},
		fact_reset},
	{{"sriov", "SR-IOV",
		 "A card with Single Root I/O Virtualization shows itself many times: one "
		 "physical\n"
		 "function, which stays with the host's driver, and virtual functions, each with\n"
		 "queues and mostly with an IOMMU group of its own. Those are what is lent: 'echo "
		 "N >\n"
		 "/sys/bus/pci/devices/ADDRESS/sriov_numvfs' makes them, 0 before any other "
		 "number.\n"
		 "A physical function that has virtual ones is not taken by vfio-pci.\n"},
		fact_sriov},
	{{"bar", "base address registers",
		 "A device's BARs say how much room it needs for its registers and memory, and "
		 "the\n"
		 "firmware or kernel writes there where it got it. A guest sees BARs of its own; "
		 "what\n"
		 "lies behind is mapped straight into it, page by page. Large ones need 'Above 4G\n"
		 "Decoding' in the firmware setup, and the IOMMU's addresses have to reach that "
		 "far.\n"},
		fact_passthrough},
};

const struct topic *topic_find(const char *name)
{
	for (size_t i = 0; i < COUNT(topics); i++)
		if (strcasecmp(topics[i].topic.name, name) == 0)
			return &topics[i].topic;
	return NULL;
}

const struct topic *topic_at(unsigned i)
{
	return i < COUNT(topics) ? &topics[i].topic : NULL;
}

int topic_print(const struct topic *t, const char *file)
{
	const struct entry *x = topics;
	struct host *h = NULL;
	struct facts f;

	while (&x->topic != t)
		x++;
	int r = option_host(file, &h);
	if (r)
		return r;
	(void)printf("%s\n\n%s", t->title, t->text);
	if (facts_read(h, &f) == 0) {
		(void)printf("\nOn %s:\n", file ? "that host" : "this host");
		x->facts(&f);
	}
	facts_fini(&f);
	host_close(h);
	return LEAVE_OK;
}
