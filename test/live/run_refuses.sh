#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: desktop
# Bad input gets a message and an exit status, and changes nothing.
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"

disk=$(nvme_address)
before=$(all_drivers)

# Exit status 2: the command line.
expect_status 2 guest poweroff --device 1:2:3:4
expect_text "'1:2:3:4' is neither a PCI address"
expect_status 2 guest poweroff --device "$disk" --device "$disk"
expect_text 'is named twice'
expect_status 2 guest poweroff --memory lots
expect_text "'lots' is not a size"
expect_status 2 guest poweroff --name ../../etc
expect_text "cannot be a guest's name"
expect_status 2 usher run --device "$disk"
expect_text 'no --kernel'

# Exit status 125: there is no such device.
expect_status 125 guest poweroff --device 0000:ff:00.0
expect_text 'there is no such PCI device'
expect_status 125 guest poweroff --device nonsense
expect_text "no PCI device has the name 'nonsense'"

# Exit status 3: the device.
expect_status 3 guest poweroff --device "$disk,id=8086:10d3"
expect_text 'expected 8086:10d3, found 1b36:0010'
expect_status 3 guest poweroff --device 0000:00:1f.2
expect_text 'ISA bridge'

# Exit status 3: the host. Plan and run refuse alike.
for wish in '--plan' '--quiet'; do
	expect_status 3 guest poweroff $wish --device "$disk" --memory 900G
	expect_text '921600 MiB, but the host has only'
	expect_status 3 guest poweroff $wish --device "$disk" --hugepages
	expect_text 'the guest needs 256 huge pages, but only 0 are free [hugepages]'
done
expect_status 3 usher run --engine=qemu --device "$disk" -- -m 900G
expect_text '[memory]'
expect_status 2 usher run --engine=qemu --stats --device "$disk" -- -m 900G
expect_ok guest poweroff --plan --device "$disk"
expect_text 'addresses: 39 bits; memory at 0x0-0x1fffffff'
expect_text 'of 640 MiB below 4 GiB'
expect_text 'checked: iommu in-use no-reset memlock memory hugepages reserved bars'
expect_ok guest poweroff --plan --json --device "$disk"
expect_text '"possible": true'
expect_text '"checked": '
expect_document
python3 - "$work/out" <<'PY' || fail_with_output 'the JSON of a plan'
import json, sys
told = json.load(open(sys.argv[1]))
assert "bars" in told["checked"] and told["partly_checked"] == told["unchecked"] == [], told
PY
# QEMU's firmware places the BARs, so the plan does not claim to have checked that.
expect_ok usher run --engine=qemu --plan --kernel "$kernel" --device "$disk"
expect_text 'checked: iommu in-use no-reset memlock memory hugepages reserved'
expect_text 'partly checked: bars (only that the guest can address as much'
expect_no_text 'not checked'
expect_ok usher run --engine=qemu --plan --json --kernel "$kernel" --device "$disk"
expect_document
python3 - "$work/out" <<'PY' || fail_with_output 'the JSON of a plan for QEMU'
import json, sys
told = json.load(open(sys.argv[1]))
assert told["checked"] == ["iommu", "in-use", "no-reset", "memlock", "memory", "hugepages", "reserved", "mmap", "rom"], \
    told
assert [c["name"] for c in told["partly_checked"]] == ["bars"], told
assert told["unchecked"] == [], told
PY

# What would run it: 2, by the plan and by the run alike, and named as on the command line.
expect_unusable() { # TEXT OPTION…
	text=$1
	shift
	for wish in --plan --quiet; do
		expect_status 2 timeout 60 usher run $wish --device "$disk" "$@"
		expect_text "$text"
		expect_no_text /proc/self
	done
}

echo 'no kernel' >"$work/kernel"
expect_unusable "$work/kernel' is not a kernel image" --kernel "$work/kernel"
for size in 2000 1000000; do
	head -c $size "$kernel" >"$work/kernel"
	expect_unusable "$work/kernel" --kernel "$work/kernel"
done
expect_unusable 'No such file or directory' --kernel "$work/none"
expect_unusable 'No such file or directory' --kernel "$kernel" --initrd "$work/none"
mkfifo "$work/fifo"
expect_unusable 'is not a regular file' --kernel "$work/fifo"
for special in "$work/fifo" "$work" /dev/null; do
	expect_unusable "$special' is not a regular file" --kernel "$kernel" --initrd "$special"
done
expect_unusable 'not a regular file' --kernel "$kernel" --device "$(e1000e_address),rom=$work/fifo"
# A disk comes with its controller, or alone.
expect_unusable "is a disk of $disk, which the guest gets itself" --kernel "$kernel" \
	--disk "/dev/$(block_of "$disk")"

# A disk is no file: the host may have a file system on it.
node=/dev/$(block_of "$disk")
expect_unusable "'$node' is a disk" --kernel "$kernel" --port "log,file=$node"
ln -s "$node" "$work/node"
expect_unusable "'$work/node' is a disk" --kernel "$kernel" --port "log,file=$work/node"
expect_unusable "${node##*/}' is a disk" --kernel "$kernel" --stats="$node"
expect_unusable "$work/none/stats" --kernel "$kernel" --stats="$work/none/stats"
words=$(printf %2039s '' | tr ' ' x)
expect_unusable 'a kernel takes at most 2047, and usher adds 9' --kernel "$kernel" --cmdline "$words"
expect_unusable '20390 bytes; a kernel takes at most 2047' --kernel "$kernel" \
	--cmdline "$words$words$words$words$words$words$words$words$words$words"
truncate -s 300M "$work/initrd"
for wish in --plan --quiet; do
	expect_status 3 usher run $wish --kernel "$kernel" --initrd "$work/initrd" --memory 256M \
		--device "$disk"
	expect_text "'$work/initrd' has 300 MiB and does not fit into 256 MiB"
	expect_text '[boot]'
done

expect_equal 'the drivers' "$before" "$(all_drivers)"
expect_equal 'the journal' '' "$(ls /run/usher/journal 2>/dev/null)"

# A plan changes nothing.
expect_ok guest poweroff --plan --device "$disk"
expect_text "$disk: nvme -> vfio-pci"
expect_driver "$disk" nvme
expect_status 3 guest poweroff --plan --json --device 0000:00:1f.2
expect_text '"possible": false'
