/* SPDX-License-Identifier: MIT */
#include "base/num.h"
#include "check/kernlog.h"

/*
 * Lines of the kernel and of its drivers, as old and new versions write them. A line belongs here
 * only if it says why something fails: most lines with 'error' in them do not.
 */

#define DEVICE(cause, text)                           \
	{                                             \
		KERNLOG_DEVICE, KERNLOG_##cause, text \
	}
#define WHOLE(cause, text)                           \
	{                                            \
		KERNLOG_WHOLE, KERNLOG_##cause, text \
	}

const struct kernlog_pattern kernlog_patterns[] = {
	/* The PCI core, on power: Linux 5.18 and later; 5.5; 5.4; before. */
	DEVICE(COLD, "Unable to change power state from D3cold to D0, device inaccessible"),
	DEVICE(LOST, "Unable to change power state from * to *, device inaccessible"),
	DEVICE(COLD, "can't change power state from D3cold to D0 (config space inaccessible)"),
	DEVICE(LOST, "can't change power state from * (config space inaccessible)"),
	DEVICE(COLD, "?efused to change power state from D3cold to D0"),
	DEVICE(COLD, "?efused to change power state (currently D3cold)"),
	DEVICE(LOST, "?efused to change power state from D3* to D0"),
	DEVICE(LOST, "?efused to change power state (currently D3"),
	DEVICE(LOST, "?efused to change power state, currently in D3"),
	/* pci_dev_wait(): "after FLR", "after bus reset", "after resume", "after DPC". */
	DEVICE(LOST, "not ready *ms after resume; giving up"),
	DEVICE(RESET, "not ready *ms after *; giving up"),
	DEVICE(LOST, "not ready after *ms; giving up"),
	DEVICE(RESET, "Failed to return from FLR"),
	DEVICE(RESET, "vfio_bar_restore: reset recovery - restoring BARs"),
	DEVICE(RESET, "reset recovery - restoring BARs"),
	WHOLE(RESET, "vfio_bar_restore: & reset recovery - restoring BARs"),
	/* Ports. */
	DEVICE(SLOT, "pciehp: Slot(*): Link Down"),
	DEVICE(SLOT, "pciehp: Slot(*): Card not present"),
	DEVICE(SLOT, "pciehp: Slot(*): Power fault"),
	DEVICE(SLOT, "pciehp: Slot(*): Cannot train link"),
	DEVICE(SLOT, "pciehp: Slot(*): No link"),
	DEVICE(SLOT, "Slot(*): Link Down"),
	DEVICE(SLOT, "Slot(*): Card not present"),
	DEVICE(SLOT, "Slot(*): Power fault"),
	DEVICE(SLOT, "Data Link Layer Link Active not set in *"),
	DEVICE(SLOT, "DPC: containment event"),
	DEVICE(SLOT, "retraining failed"),
	/* Drivers that read all-ones. */
	WHOLE(LOST, "NVRM: GPU &: GPU has fallen off the bus"),
	WHOLE(LOST, "NVRM: Xid (PCI:&): 79,"),
	WHOLE(LOST, "NVRM: Xid (PCI:&): 154,*Reboot"),
	WHOLE(LOST, "NVRM: The NVIDIA GPU &*fallen off the bus"),
	DEVICE(LOST, "unknown chipset (ffffffff)"),
	DEVICE(LOST, "*device lost from bus"),
	DEVICE(LOST, "CORB reset timeout*CORBRP = 65535"),
	DEVICE(LOST, "xHCI host controller not responding, assume dead"),
	DEVICE(LOST, "HC died; cleaning up"),
	DEVICE(LOST, "Controller not ready at resume"),
	DEVICE(LOST, "PCIe link lost"),
	DEVICE(LOST, "Adapter removed"),
	DEVICE(LOST, "controller is down; will reset: CSTS=0xffffffff"),
	DEVICE(LOST, "Removing after probe failure status: -"),
	DEVICE(LOST, "Disabling device after reset failure: -"),
	DEVICE(LOST, "Device not ready; aborting"),
	WHOLE(LOST, "AMD-Vi: Event logged [IOTLB_INV_TIMEOUT device=&"),
	WHOLE(LOST, "iommu ivhd?: *Event logged [IOTLB_INV_TIMEOUT device=&"),
	/* Resets of graphics. */
	DEVICE(RESET, "*GPU reset(*) failed"),
	DEVICE(RESET, "*GPU mode? reset failed"),
	DEVICE(RESET, "*ASIC reset failed with error"),
	DEVICE(RESET, "*GPU reset end with ret = -"),
	DEVICE(RESET, "AMD_*: failed to reset device"), /* the module vendor-reset */
	/* Probing: Linux 6.11 and later; before. */
	DEVICE(PROBE, "probe with driver * failed with error -"),
	WHOLE(PROBE, "*: probe of & failed with error -"),
	DEVICE(FAILED, "*Fatal error during GPU init"),
	DEVICE(FAILED, "*Device initialization failed (-"),
	DEVICE(FAILED, "can't setup: -"), /* USB controllers */
	DEVICE(FAILED, "*Firmware over * MS in pre-initializing state, aborting"),
	WHOLE(FAILED, "NVRM: GPU &: RmInitAdapter failed!"),
	/* Unbinds that wait. */
	DEVICE(WAITS, "No device request channel registered, blocked until released by user"),
	DEVICE(WAITS, "Relaying device request to user (#"),
	WHOLE(WAITS, "NVRM: Attempting to remove device & with non-zero usage count!"),
	WHOLE(WAITS, "NVRM: Attempting to remove minor device * with non-zero usage count!"),
	WHOLE(HUNG, "INFO: task *blocked for more than * seconds"),
	/* DMA that the firmware wants: Intel's driver; the IOMMU core since Linux 6.6. */
	DEVICE(RESERVED, "Device is ineligible for IOMMU domain attach due to platform RMRR"),
	DEVICE(RESERVED, "Firmware has requested this device have a 1:1 IOMMU mapping"),
	/* BARs and ROMs. */
	DEVICE(TAKEN, "BAR *: can't reserve"),
	DEVICE(ROOM, "BAR *: no space for ["),
	DEVICE(ROOM, "BAR *: can't assign"),
	DEVICE(ROOM, "BAR *: failed to assign"),
	DEVICE(ROOM, "can't claim BAR "),
	DEVICE(UNUSABLE, "can't enable device: BAR * not assigned"),
	DEVICE(UNUSABLE, "can't enable device: BAR * not claimed"),
	DEVICE(UNUSABLE, "device not available (can't reserve "),
	WHOLE(ROOM, "NVRM: BAR* is 0M @ 0x0 (PCI:&)"),
	DEVICE(VFS, "not enough MMIO resources for SR-IOV"),
	DEVICE(VFS, "can't enable * VFs (bus * out of range"),
	DEVICE(VFS, "SR-IOV: bus number out of range"),
	DEVICE(VFS, "VF BAR *: can't assign"),
	DEVICE(VFS, "VF BAR *: failed to assign"),
	DEVICE(RESIZE, "*Problem resizing BAR"),
	DEVICE(RESIZE, "*Not enough PCI address space for a large BAR"),
	DEVICE(RESIZE, "*Failed to resize BAR"),
	DEVICE(ROM, "Invalid PCI ROM header signature"),
	DEVICE(ROM, "Invalid PCI ROM data signature"),
	/* Errors of PCI Express: "Uncorrected (Fatal)"; "Uncorrectable" since Linux 6.15. */
	DEVICE(ERRORS, "PCIe Bus Error: severity=Uncorrect"),
	DEVICE(ERRORS, "AER: can't recover (no error_detected callback)"),
	DEVICE(ERRORS, "AER: device recovery failed"),
	DEVICE(CORRECTED, "PCIe Bus Error: severity=Correct"),
	/* Interrupt remapping and IOMMUs. */
	WHOLE(ERRATUM, "DMAR-IR: This system BIOS has enabled interrupt remapping"),
	WHOLE(ERRATUM, "This system BIOS has enabled interrupt remapping"),
	WHOLE(REMAPPING, "[Firmware Bug]: AMD-Vi: *not in IVRS table"),
	WHOLE(REMAPPING, "AMD-Vi: [Firmware Bug]: *not in IVRS table"),
	WHOLE(REMAPPING, "[Firmware Bug]: AMD-Vi: No southbridge IOAPIC found"),
	WHOLE(REMAPPING, "AMD-Vi: [Firmware Bug]: *No southbridge IOAPIC found"),
	WHOLE(REMAPPING, "AMD-Vi: Disabling interrupt remapping"),
	WHOLE(REMAPPING, "DMAR-IR: [Firmware Bug]: ioapic * has no mapping iommu"),
	WHOLE(REMAPPING, "[Firmware Bug]: ioapic * has no mapping iommu"),
	WHOLE(FIRMWARE, "DMAR: [Firmware Bug]: Your BIOS is broken; DMAR reported at address"),
	WHOLE(FIRMWARE, "[Firmware Bug]: Your BIOS is broken; DMAR reported at address"),
	WHOLE(FIRMWARE, "Your BIOS is broken; DMAR reported at address"),
	WHOLE(FIRMWARE, "DMAR: parse DMAR table failure"),
	WHOLE(FIRMWARE, "[Firmware Bug]: AMD-Vi: IVRS invalid checksum"),
	WHOLE(FIRMWARE, "AMD-Vi: [Firmware Bug]: *IVRS invalid checksum"),
	WHOLE(GRAPHICS, "DMAR: Disabling IOMMU for graphics on this chipset"),
	WHOLE(GRAPHICS, "DMAR: BIOS has allocated no shadow GTT; disabling IOMMU for graphics"),
	DEVICE(GRAPHICS, "DMAR: Disabling IOMMU for graphics on this chipset"),
	WHOLE(INVALIDATION, "AMD-Vi: Completion-Wait loop timed out"),
	WHOLE(INVALIDATION, "iommu ivhd?: *Completion-Wait loop timed out"),
	WHOLE(INVALIDATION, "DMAR: VT-d detected Invalidation Time-out Error"),
	/* Guests. */
	WHOLE(MEMLOCK, "vfio_pin_pages_remote: *RLIMIT_MEMLOCK (*) exceeded"),
	WHOLE(MEMLOCK, "vfio_pin_page_external: *RLIMIT_MEMLOCK (*) exceeded"),
	WHOLE(LINE, "irq *: nobody cared"),
	/* KVM; by version "disabled by bios", "support for 'kvm_amd' disabled by bios". */
	WHOLE(KVM, "kvm:*disabled by bios"),
	WHOLE(KVM, "kvm_amd: SVM disabled (by BIOS)"),
	WHOLE(KVM, "kvm_intel: VMX not enabled (by BIOS)"),
	WHOLE(KVM, "x86/cpu: VMX (outside TXT) disabled by BIOS"),
};

const size_t kernlog_pattern_count = COUNT(kernlog_patterns);

static const struct kernlog_advice advices[KERNLOG_CAUSES] = {
	[KERNLOG_COLD] = {"did not come back from D3cold, where it has no power",
		KERNLOG_REVIVE ". Then keep it out of D3cold: "
			       "echo 0 > /sys/bus/pci/devices/ADDRESS/d3cold_allowed"},
	[KERNLOG_LOST] = {"stopped answering", KERNLOG_REVIVE},
	[KERNLOG_RESET] = {"did not come back from a reset",
		KERNLOG_REVIVE ". Then try another reset: usher prove ADDRESS"},
	[KERNLOG_SLOT] = {"lost its link",
		"seat the card and its power cables again; then: " KERNLOG_REVIVE},
	[KERNLOG_PROBE] = {"a driver refused it",
		"the driver's lines before this one say why: dmesg | grep ADDRESS"},
	[KERNLOG_FAILED] = {"its driver could not start it",
		"the driver's lines near this one say why: dmesg | grep ADDRESS"},
	[KERNLOG_WAITS] = {"an unbind waited for a program that had it open",
		"end the program before the next unbind: usher check ADDRESS names it"},
	[KERNLOG_HUNG] = {"a task hung while a driver gave up its device",
		"end the programs that use the device; if the task still hangs, only a reboot ends "
		"it"},
	[KERNLOG_RESERVED] = {"the firmware does DMA with it (RMRR), so VFIO refuses it",
		"look for a firmware setting or update that removes the region (HPE: 'HP Shared "
		"Memory Features' of the card)"},
	[KERNLOG_TAKEN] = {"another driver has the memory of its BAR",
		"find the owner: grep -i -A3 ADDRESS /proc/iomem"},
	[KERNLOG_UNUSABLE] = {"cannot be enabled, because a BAR has no address: no driver works",
		"enable 'Above 4G Decoding' in the firmware setup; or boot with pci=realloc"},
	[KERNLOG_ROOM] = {"the kernel found no address space for a BAR", NULL},
	[KERNLOG_VFS] = {"has no room for virtual functions",
		"enable SR-IOV, ARI and 'Above 4G Decoding' in the firmware setup; or boot with "
		"pci=realloc"},
	[KERNLOG_RESIZE] = {"a BAR could not be resized",
		"enable 'Resizable BAR' and 'Above 4G Decoding' in the firmware setup"},
	[KERNLOG_ROM] = {"its ROM cannot be read", "give the guest a copy of the ROM from a file"},
	[KERNLOG_ERRORS] = {"PCI Express errors were not corrected",
		"seat the card again, and try it without a riser or in another slot"},
	[KERNLOG_CORRECTED] = {"PCI Express errors were corrected",
		"if they go on: seat the card again, or try another slot"},
	[KERNLOG_ERRATUM] = {"the chipset has an erratum, so the kernel keeps interrupt remapping "
			     "off",
		"no setting turns it on"},
	[KERNLOG_REMAPPING] = {"the firmware's tables are wrong, so the kernel keeps interrupt "
			       "remapping off",
		"update the firmware"},
	[KERNLOG_FIRMWARE] = {"the firmware's tables are wrong, so the kernel does not use the "
			      "IOMMU",
		"update the firmware: no kernel option helps"},
	[KERNLOG_GRAPHICS] = {"the kernel excludes the graphics of this chipset from the IOMMU",
		"look for a firmware update; this device cannot be lent as it is"},
	[KERNLOG_INVALIDATION] = {"an IOMMU waited in vain for an answer: a device hangs",
		"find the device in the lines near this one; power the host off and on"},
	[KERNLOG_MEMLOCK] = {"a guest could not lock its memory: RLIMIT_MEMLOCK is too small",
		"raise the limit of the user who starts guests: 'USER hard memlock unlimited' and "
		"'USER soft memlock unlimited' in /etc/security/limits.d/, LimitMEMLOCK=infinity "
		"in a unit"},
	[KERNLOG_KVM] = {"the firmware keeps KVM off",
		"enable SVM (AMD) or VT-x (Intel) in the firmware setup, then power the host off "
		"and on"},
	[KERNLOG_LINE] = {"the kernel turned an interrupt line off: no driver answered for it",
		"find its devices in /proc/interrupts, and let them use MSI"},
};

const struct kernlog_advice *kernlog_advice(enum kernlog_cause cause)
{
	return &advices[cause];
}
