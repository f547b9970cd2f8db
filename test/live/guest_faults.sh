#!/bin/sh
# SPDX-License-Identifier: MIT
# boot: own
# timeout: 600
# Hardware fails while a guest has it: a card reports uncorrectable errors (AER), one of which
# resets its link, and the disk is unplugged. Each time the guest loses that device alone, finds its
# slot empty, and goes on. 'usher monitor' tells of all of it, to root and to an ordinary user.
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"

nvme=$(nvme_address) || fail 'no NVMe disk'

# The monitors, one of an ordinary user. They end without an error when they are told to.
for_anyone src/cli/usher src/cli/usher-whole
usher monitor --json --interval=1 >"$work/told.json" &
monitors=$!
setpriv --reuid 65534 --regid 65534 --clear-groups "$work/build/src/cli/usher" monitor --interval=1 \
	>"$work/told" &
monitors="$monitors $!"
at_exit 'cat "$work/told" "$work/told.json"; kill $monitors 2>/dev/null'
# told TEXT, told_json KEY=VALUE…: whether a monitor has a line with it.
told() { grep -q -- "$1" "$work/told"; }
told_json() {
	cp "$work/told.json" "$work/matches"
	for word_; do
		grep "\"${word_%%=*}\": *\"${word_#*=}\"" "$work/matches" >"$work/fewer" || return
		mv "$work/fewer" "$work/matches"
	done
}

# Replace the network card: QEMU 7.2 injects no error into that one, but does into this one.
card=$(e1000e_address) || fail 'no network card'
unplug nic "$card"
expect_ok qmp device_add '{"driver": "virtio-rng-pci", "id": "nic", "bus": "port2", "aer": true,
	"disable-legacy": "on", "iommu_platform": true}'
wait_until 30 test -e "$pci/$card"

words=iomem=relaxed
guest_script <<'END'
load_for_devices
ids() { # as the devices themselves say it, now
	for device in /sys/bus/pci/devices/*; do hexdump -n 4 -e '2/2 "%04x " "\n"' $device/config; done
}
try() {
	timeout 60 dd if=/dev/nvme0n1 of=/dev/null bs=4k count=100 iflag=direct 2>/dev/null &&
		echo "guest: the disk reads, $1"
	echo "guest: $1:" $(ids | grep -e '1af4 1044' -e '1b36 0010' -e 'ffff ffff') .
}
wait_for_loss() { # ID: until the kernel has taken notice
	n=0
	while grep -q "$1" /sys/bus/pci/devices/*/device && [ $((n += 1)) -lt 600 ]; do sleep 0.1; done
	dmesg | grep 'pciehp.*Slot'
}
wait_for /dev/nvme0n1
try 'at first'
# Read the card's registers all the time, also while the host resets the link.
for device in /sys/bus/pci/devices/*; do
	grep -q 0x1044 $device/device && card=$device
done
echo 1 >$card/enable
registers=$(($(sed -n 5p $card/resource | cut -d' ' -f1)))
echo "guest: registers $(devmem $registers 32)"
(while :; do devmem $registers 32 >/dev/null; done) &
echo 'guest: ready'
read word; wait_for_loss 0x1044; try "after $word"
read word; [ "$word" = end ] || wait_for_loss 0x0010; try "after $word"
END

open_guest_with_card() {
	open_guest --name faults --no-defaults --device "$nvme" --device "$card" --memory 256M
	wait_for_guest '^guest: ready'
	expect_guest '^guest: the disk reads, at first'
	expect_guest '^guest: at first: .*1af4 1044'
	expect_guest '^guest: registers 0x00000000' "the card's registers do not read"
}

# fail_card ERROR WORD: the card reports the error, and the guest loses the card and nothing else.
# With SERR on in card and port, QEMU 7.2 reports the error to the host's kernel.
fail_card() {
	port=$(basename "$(dirname "$(readlink -f "$pci/$card")")")
	echo "reporting, as the guest left it: $(setpci -s "$card" COMMAND CAP_EXP+8.w | tr '\n' ' ')"
	setpci -s "$port" COMMAND=100:100
	setpci -s "$card" COMMAND=100:100 CAP_EXP+8.w=0f:0f
	expect_ok qmp human-monitor-command \
		"{\"command-line\": \"pcie_aer_inject_error nic $1\"}"
	expect_text 'OK'
	wait_for_guest "$card: .*error"
	echo "$2" >&8
	wait_for_guest "^guest: after $2:"
	expect_guest "^guest: the disk reads, after $2" 'the disk went with the card'
	expect_guest "^guest: after $2: 1b36 0010 \." 'the guest still has a card that failed'
	expect_guest 'Slot(2): Link Down' 'the guest has not heard that its slot is empty'
}

# A fatal error (data link protocol): the host's kernel resets the link. The card's BARs vanish with
# it while the guest reads them.
dmesg -C
open_guest_with_card
fail_card DLP fatal
wait_until 60 sh -c 'dmesg | grep "AER:.*has been reset"'
wait_until 10 told "fault     $port aer-fatal: .*/aer_rootport_total_err_fatal was 0 and is 1\$"
wait_until 10 told "fault     $card recovery: .*ERROR_EVENT=BEGIN_RECOVERY"
wait_until 10 told "fault     $card recovery-failed: .*ERROR_EVENT=FAILED_RECOVERY"
wait_until 10 told_json event=fault "address=$port" cause=aer
wait_until 10 told_json event=fault "address=$port" cause=link
wait_until 10 told_json event=guest guest=faults state=running engine=usher
told "driver    $card virtio-pci -> no driver" || fail 'nothing is told of the driver'
told_json event=driver "address=$card" driver=vfio-pci || fail 'nothing is told of the driver'
echo end >&8
wait_for_guest '^usher ended'
cat "$console"
dmesg | grep -i -e aer -e vfio
expect_guest '^guest: the disk reads, after end'
expect_guest '^usher ended: 0'
expect_driver "$card" virtio-pci
expect_driver "$nvme" nvme
expect_equal "the card's identity" 10441af4 "$(setpci -s "$card" 0.l)"

# An error that is not fatal: no link is reset.
open_guest_with_card
fail_card POISON_TLP error
wait_until 10 told "fault     $card aer-nonfatal: .*/aer_dev_nonfatal was 0 and is 1: TLP 1"

expect_ok qmp device_del '{"id": "nvme"}'
wait_for_guest "$nvme: the host wants the device back"
wait_for_guest "$nvme: the guest has released the device"
wait_unplugged nvme "$nvme"
wait_until 10 told "removed   $nvme 1b36:0010 NVM Express controller"
echo removal >&8
wait_for_guest '^usher ended'
cat "$console"
expect_guest '^guest: after removal: \.' 'the guest still has a disk that was unplugged'
expect_guest '^usher ended: 0'
expect_equal 'the journal' '' "$(ls /run/usher/journal)"

# Put the hardware back for the tests that follow.
expect_ok qmp device_add '{"driver": "nvme", "id": "nvme", "bus": "port1", "serial": "lab-disk", "drive": "disk"}'
wait_until 30 test -e "$pci/$nvme/driver"
wait_until 10 told "driver    $nvme no driver -> nvme"
wait_until 10 told_json event=guest guest=faults state=ended
expect_ok usher metrics
expect_text "usher_device_errors_total{device=\"$card\",severity=\"nonfatal\"} 1"
expect_text 'usher_journal_entries{state="taken"} 0'
split -l 1 "$work/told.json" "$work/document."
command='usher monitor --json'
expect_document "$work"/document.*
for monitor in $monitors; do
	kill -INT "$monitor"
	wait "$monitor" || fail "a monitor ended with status $?"
done
unplug nic "$card"
expect_ok qmp device_add '{"driver": "e1000e", "id": "nic", "bus": "port2"}'
wait_until 30 test -e "$pci/$card/driver"
