/* SPDX-License-Identifier: MIT */
#include "view/topic.h"

#include "base/num.h"
#include "view/fact.h"

#include <string.h>

/* A topic and the function for its facts. */
struct entry {
	struct topic topic;
	void (*facts)(const struct fact_source *s, struct facts *f);
};

static const struct entry topics[] = {
	{{"vfio", "VFIO",
		 "VFIO is the part of the Linux kernel that gives a device to a program in "
		 "user space: its registers, its interrupts and its DMA, in an environment "
		 "that an IOMMU protects. VFIO does not depend on a particular IOMMU or "
		 "device. With it, a driver or a virtual machine needs no privileges: "
		 "whoever can open the device's node can use this device, and no other."},
		fact_vfio},
	{{"container", "VFIO container",
		 "A container is the descriptor that opening /dev/vfio/vfio returns. On its "
		 "own it answers only two queries: the version of the interface, and the "
		 "supported extensions. After a group was added, the container accepts an "
		 "IOMMU type, and then memory can be mapped for DMA. All groups in a "
		 "container see the same addresses. Every user may open it: the protected "
		 "objects are the groups."},
		fact_container},
	{{"group", "IOMMU group",
		 "A group is the smallest set of devices that the IOMMU can isolate from all "
		 "others. Its members may reach each other without passing the IOMMU, so "
		 "they are bound together. Before VFIO opens a group, each member must be on "
		 "a VFIO driver, without a driver, on pci-stub, or a bridge on its own "
		 "driver. Then the group is viable. The board and its switches determine how "
		 "large groups are: see 'usher help acs'."},
		fact_group},
	{{"iommu", "IOMMU",
		 "An IOMMU translates the addresses of device DMA, as the MMU translates "
		 "those of programs. Intel calls it VT-d, AMD calls it AMD-Vi, ARM has "
		 "SMMUs. A device on VFIO reaches only the memory that was mapped for it, at "
		 "addresses called IOVA. The IOMMU also remaps interrupts, so that a device "
		 "cannot forge them. The firmware must enable it, and on Intel some kernels "
		 "need 'intel_iommu=on'."},
		fact_iommu},
	{{"acs", "Access Control Services",
		 "A PCI Express switch may forward a request from one device below it "
		 "directly to another, without passing the IOMMU. Access Control Services "
		 "(ACS) of a port prevent that. If a port on the way to the root lacks them, "
		 "all devices behind it are in one group. The kernel patch "
		 "'pcie_acs_override' only makes the kernel assume ACS; it does not change "
		 "the hardware."},
		fact_group},
	{{"passthrough", "PCI passthrough",
		 "The guest gets the device itself, as if it were physically attached: its "
		 "own driver, the full speed, all features. Doorbells and buffers are mapped "
		 "into the guest, so steady I/O does not exit to the host. In return, the "
		 "guest's memory is locked, the guest cannot migrate, and the host cannot "
		 "use the device meanwhile. 'usher run --device ADDRESS' does all of it, "
		 "from the check to the return."},
		fact_passthrough},
	{{"binding", "binding to vfio-pci",
		 "To lend a device, usher unbinds it from its driver and binds it to vfio- "
		 "pci. First, if an id is given, the device at the address must have it. "
		 "Then every member of its IOMMU group, except PCI Express bridges, is bound "
		 "to vfio-pci. Before that, usher checks what uses each of them, records the "
		 "original state in a journal, and afterwards verifies the result. It "
		 "selects devices by driver_override, never by new_id, which would also bind "
		 "other devices of the same model."},
		fact_binding},
	{{"kvm", "KVM and QEMU",
		 "KVM is the hypervisor in the Linux kernel. It runs the guest's processors "
		 "on those of the host, with VT-x or SVM, and emulates what must be fast. A "
		 "program in user space emulates the rest of the machine: QEMU, for example, "
		 "or usher-vmm. usher-vmm is small, because a guest with real devices needs "
		 "few emulated ones."},
		fact_kvm},
	{{"virtio", "VirtIO",
		 "VirtIO devices are designed for virtual machines: instead of emulating the "
		 "registers of a real network card, guest and host share queues in memory. "
		 "VirtIO is several times faster than emulation and needs no hardware; many "
		 "guests can share one disk or card, and they can migrate. Passthrough is "
		 "for what VirtIO cannot do."},
		fact_virtio},
	{{"libvirt", "libvirt and other tools",
		 "libvirt is an API, a daemon and a tool (virsh) that manage guests of KVM, "
		 "QEMU and other hypervisors. Proxmox and OpenStack use the same kernel "
		 "interfaces. Each of them can pass devices through (<hostdev "
		 "managed='yes'>), and none knows what the others do: let only one tool "
		 "manage a device. 'usher check' shows which other tools manage one, and "
		 "usher refuses a device that a guest of theirs uses."},
		fact_owners},
	{{"reset", "resets",
		 "Between two users, a reset must erase the state of a device. The best "
		 "method is a function level reset (flr), which affects this function only. "
		 "On some devices, a change to D3hot and back (pm) is a reset as well. A bus "
		 "reset affects all devices behind the bridge above; VFIO does it only if it "
		 "owns all of them. A device without a working reset keeps the state of its "
		 "last guest, so usher does not return it to the host by default."},
		fact_reset},
	{{"sriov", "SR-IOV",
		 "A card with Single Root I/O Virtualization (SR-IOV) has one physical "
		 "function, which stays on the host's driver, and virtual functions. Each "
		 "virtual function has its own queues, and usually its own IOMMU group, and "
		 "can be lent: 'usher vfs ADDRESS N' creates them. vfio-pci refuses a "
		 "physical function that has virtual ones."},
		fact_sriov},
	{{"bar", "base address registers",
		 "Base address registers (BARs) state how much address space a device needs "
		 "for its registers and memory; the firmware or the kernel assigns the "
		 "addresses. A guest sees BARs of its own, and the pages behind them are "
		 "mapped directly into the guest. Large BARs need 'Above 4G Decoding' in the "
		 "firmware setup, and an IOMMU that supports such addresses."},
		fact_bar},
};

/* Synonyms of topics. */
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
