/* SPDX-License-Identifier: MIT */
#include "check/hypervisor.h"

#include "base/num.h"
#include "check/rule.h"

#include <stdio.h>
#include <string.h>

/*
 * What stands between Linux and the IOMMU. A virtual machine has one if its hypervisor emulates
 * one; Xen keeps the real one also from the domain that controls it.
 */

struct hypervisor {
	const char *vendor; /* of the system, in its DMI tables */
	bool has_iommu; /* it can give one to its guests */
	const char *fix;
};

static const struct hypervisor hypervisors[] = {
	{"VMware", true,
		"this host is a virtual machine: shut it down, and put 'vvtd.enable = \"TRUE\"' "
		"into its .vmx file, or enable IOMMU among its processor settings"},
	{"innotek", true,
		"this host is a virtual machine: shut it down; VBoxManage modifyvm NAME "
		"--chipset=ich9 --iommu=automatic"},
	{"Amazon EC2", false, "use a type of instance that ends in .metal"},
	{"Google", false, "use a bare metal machine type: no other has an IOMMU"},
	{"Microsoft", false,
		"this host is a guest of Hyper-V, which gives no guest an IOMMU: lend the "
		"devices on another host"},
	{"Xen", false,
		"this host is a guest of Xen, which gives no guest an IOMMU: lend the "
		"devices on another host"},
	{"", true,
		"this host is a virtual machine: give it an IOMMU (QEMU: -device "
		"intel-iommu,intremap=on; Proxmox VE: qm set VMID --machine q35,viommu=intel)"},
};

static const struct hypervisor *hypervisor_find(struct check_case *c)
{
	char vendor[64];
	size_t i = 0;

	if (host_read_text(c->host, "/sys/class/dmi/id/sys_vendor", vendor, sizeof(vendor)) < 0)
		vendor[0] = '\0';
	while (strncmp(vendor, hypervisors[i].vendor, strlen(hypervisors[i].vendor)) != 0)
		i++; /* the last row is for all others */
	return &hypervisors[i];
}

bool hypervisor_is_xen(struct check_case *c)
{
	char text[64];

	return host_read_text(c->host, "/proc/xen/capabilities", text, sizeof(text)) > 0 &&
	       strstr(text, "control_d");
}

bool hypervisor_has_iommu(struct check_case *c)
{
	return !hypervisor_is_xen(c) && hypervisor_find(c)->has_iommu;
}

const char *hypervisor_fix(struct check_case *c)
{
	return hypervisor_find(c)->fix;
}

void hypervisor_tell_xen(struct check_case *c)
{
	check_found(c, CHECK_FAIL, "host",
		"Linux runs under Xen here, which keeps the IOMMU to itself: VFIO has none");
	check_seen(c, "/proc/xen/capabilities", "control_d");
	check_fix(c, "lend devices by Xen (xl pci-assignable-add ADDRESS; Qubes: qvm-pci), or boot "
		     "Linux without Xen");
}
