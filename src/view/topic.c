/* SPDX-License-Identifier: MIT */
#include "view/topic.h"

#include "base/num.h"
#include "view/fact.h"

#include <string.h>

/* A topic, and which facts stand below it. */
struct entry {
	struct topic topic;
	void (*facts)(const struct fact_source *s, struct facts *f);
};

static const struct entry topics[] = {
	{{"vfio", "VFIO",
		 "VFIO is the part of the Linux kernel that gives a device to a program in user "
		 "space: its registers, its interrupts, its DMA, all in an environment that an "
		 "IOMMU protects. It knows nothing of a certain IOMMU or a certain device, and "
		 "with it a driver, or a virtual machine, needs no privileges of its own: whoever "
		 "may open the device's node can use the device, and nothing else."},
		fact_vfio},
	{{"container", "VFIO container",
		 "A container is what opening /dev/vfio/vfio gives. By itself it answers two "
		 "questions only, which version of the interface it is and which extensions there "
		 "are. Once a group is put into it, it takes an IOMMU, and then memory is mapped "
		 "into it for DMA; groups in one container see the same addresses. Opening it is "
		 "safe for everybody: what is guarded are the groups."},
		fact_container},
	{{"group", "IOMMU group",
		 "A group is the smallest set of devices that the IOMMU can tell apart from all "
		 "others. Its members may reach each other past the IOMMU, so they are lent "
		 "together or not at all: before VFIO opens a group, each member has to be on a "
		 "VFIO driver, or on none, or on pci-stub or a bridge's own driver. Then the group "
		 "is viable. How large groups are is decided by the board and its switches: see "
		 "'usher help acs'."},
		fact_group},
	{{"iommu", "IOMMU",
		 "An IOMMU stands between devices and memory as the MMU stands between programs "
		 "and memory. Intel calls it VT-d, AMD calls it AMD-Vi, ARM has SMMUs. A device "
		 "that is lent reaches what was mapped for it, under addresses of the guest "
		 "(IOVA), and nothing else; its interrupts are remapped, so that it cannot forge "
		 "any. The firmware has to turn it on, and on Intel some kernels want "
		 "'intel_iommu=on'."},
		fact_iommu},
	{{"acs", "Access Control Services",
		 "PCI Express lets a switch send a request from one device straight to another "
		 "below it, without the IOMMU ever seeing it. Access Control Services of a port "
		 "forbid that. Where a port on the way to the root lacks them, all that is behind "
		 "it is one group. The patch 'pcie_acs_override' makes the kernel believe "
		 "otherwise; it does not make the hardware do otherwise."},
		fact_group},
	{{"passthrough", "PCI passthrough",
		 "The guest gets the device itself, as if it were plugged into it: its own driver, "
		 "the device's full speed, all its features. Doorbells and buffers are mapped into "
		 "the guest, so that steady work makes no trip to the host. In return the guest's "
		 "memory is locked, the guest cannot move to another host, and the host cannot use "
		 "the device meanwhile. 'usher run --device ADDRESS' does it from check to "
		 "return."},
		fact_passthrough},
	{{"binding", "binding to vfio-pci",
		 "A device is lent by taking it from its driver and giving it to vfio-pci. First, "
		 "when an id is given, it has to be the one that is found at the address. Then "
		 "every member of its IOMMU group leaves its driver, but for PCI Express bridges, "
		 "and is bound to vfio-pci. usher asks who uses each of them before, writes into a "
		 "journal what to restore, and looks at the result. It names devices by "
		 "driver_override, never by new_id, which would take their twins as well."},
		fact_binding},
	{{"kvm", "KVM and QEMU",
		 "KVM is the hypervisor in the Linux kernel: it runs the guest's processors on the "
		 "host's, by VT-x or SVM, and handles what has to be fast. What a guest sees of a "
		 "machine besides is made in user space, by QEMU for example, or by usher-vmm, "
		 "which is small because it makes little: a guest whose devices are real needs few "
		 "that are emulated."},
		fact_kvm},
	{{"virtio", "VirtIO",
		 "VirtIO devices are made for virtual machines: instead of imitating some real "
		 "network card register by register, guest and host share queues in memory. It is "
		 "several times as fast as emulation, needs no hardware, many guests share one "
		 "disk or card, and they can move. Passthrough is for what it cannot do."},
		fact_virtio},
	{{"libvirt", "libvirt and other tools",
		 "libvirt is an API, a daemon and a tool (virsh) that manage guests of KVM, QEMU "
		 "and other hypervisors; Proxmox and OpenStack stand on the same ground. Each of "
		 "them can lend a device as well (<hostdev managed='yes'>), and none knows what "
		 "the others lend: let one tool have a device. 'usher check' tells which others "
		 "have their hands on one, and a guest of theirs that uses it makes usher refuse "
		 "it."},
		fact_owners},
	{{"reset", "resets",
		 "Between two users a device has to forget the first. The good way is a function "
		 "level reset (flr), of this function alone. A change to D3hot and back (pm) is "
		 "one on some devices. A bus reset takes along all that is behind the bridge "
		 "above; VFIO does it when it has all of that. What has no reset that works stays "
		 "as the guest left it, and does not go back to the host by itself."},
		fact_reset},
	{{"sriov", "SR-IOV",
		 "A card with Single Root I/O Virtualization shows itself many times: one physical "
		 "function, which stays with the host's driver, and virtual functions, each with "
		 "queues and mostly with an IOMMU group of its own. Those are what is lent: 'usher "
		 "vfs ADDRESS N' makes them. A physical function that has virtual ones is not "
		 "taken by vfio-pci."},
		fact_sriov},
	{{"bar", "base address registers",
		 "A device's BARs say how much room it needs for its registers and memory, and the "
		 "firmware or kernel writes there where it got it. A guest sees BARs of its own; "
		 "what lies behind is mapped straight into it, page by page. Large ones need "
		 "'Above 4G Decoding' in the firmware setup, and the IOMMU's addresses have to "
		 "reach that far."},
		fact_bar},
};

/* Other words for the same thing. */
static const struct {
	const char *word, *topic;
} synonyms[] = {
	{"qemu", "kvm"},
	{"hypervisor", "kvm"},
	{"groups", "group"},
	{"vfio-pci", "binding"},
	{"bars", "bar"},
	{"flr", "reset"},
	{"sr-iov", "sriov"},
	{"vf", "sriov"},
	{"dma", "iommu"},
};

const struct topic *topic_find(const char *name)
{
	for (size_t i = 0; i < COUNT(synonyms); i++)
		if (strcasecmp(synonyms[i].word, name) == 0)
			name = synonyms[i].topic;
	for (size_t i = 0; i < COUNT(topics); i++)
		if (strcasecmp(topics[i].topic.name, name) == 0)
			return &topics[i].topic;
	return NULL;
}

const struct topic *topic_at(unsigned i)
{
	return i < COUNT(topics) ? &topics[i].topic : NULL;
}

void topic_facts(const struct topic *t, const struct fact_source *s, struct facts *f)
{
	const struct entry *x = topics;

	while (&x->topic != t)
		x++;
	x->facts(s, f);
}
