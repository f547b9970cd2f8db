# SPDX-License-Identifier: MIT
# For the tests in this folder: '. "${0%/*}/lib.sh"'. POSIX shell. The tests run as root inside the
# emulated host (lab/), which they may break.
set -u

top=$(cd "${0%/*}/../.." && pwd)
PATH=$top/build/src/cli:$top/build/src/vmm:$PATH
pci=/sys/bus/pci/devices
work=$(mktemp -d)
undo=
trap 'eval "$undo"; rm -rf "$work"' EXIT

# for_anyone PROGRAM…: copies programs of the build to $work/build, under the same names. Only the
# owner may enter a folder above our tree (/root, mktemp -d). The copy includes libusher, which a
# program finds relative to itself.
for_anyone() {
	chmod 755 "$work"
	for program_ in "$@" src/lib/libusher.so.0; do
		mkdir -p "$work/build/${program_%/*}"
		cp -L "$top/build/$program_" "$work/build/$program_" || fail "copy $program_"
		chmod 755 "$work/build/$program_"
	done
}

# fail TEXT: ends the test as failed, after what is known of its guest.
fail() {
	for file_ in console keeper; do
		[ ! -s "$work/$file_" ] || { echo "$file_:"; tail -n 60 "$work/$file_"; }
	done
	show_guests 2>&1
	echo "FAILED: $*"
	exit 1
}

# show_guests: what the threads of each running guest wait for, how often they waited and were
# preempted, and what KVM has counted.
show_guests() {
	for vmm_ in $(pidof usher-vmm qemu-system-x86_64); do
		for task_ in "/proc/$vmm_/task"/*; do
			echo "$vmm_, $(cat "$task_/comm"):" $(sed -n 's/_ctxt_switches:/ switches/p' "$task_/status")
			head -n 3 "$task_/stack"
		done
		mountpoint -q /sys/kernel/debug || mount -t debugfs debug /sys/kernel/debug
		grep -rs '[1-9]' /sys/kernel/debug/kvm/"$vmm_"-*
	done
}

# skip REASON: the test cannot run here; the reason is its last line.
skip() {
	echo "$*"
	exit 77
}

# at_exit COMMAND: runs when the test ends, in whatever way; the last one registered runs first.
at_exit() {
	undo="$*; $undo"
}

# expect_status N COMMAND…: runs the command; $work/out and $work/err get its output.
expect_status() {
	expected=$1
	shift
	command="$*"
	"$@" >"$work/out" 2>"$work/err"
	status=$?
	[ "$status" -eq "$expected" ] || fail_with_output "exit status $status, expected $expected"
}

expect_ok() {
	expect_status 0 "$@"
}

# expect_text TEXT: the last command printed TEXT, which is not a pattern, on stdout or stderr.
expect_text() {
	grep -qF -e "$1" "$work/out" "$work/err" || fail_with_output "does not say '$1'"
}

expect_no_text() {
	! grep -qF -e "$1" "$work/out" "$work/err" || fail_with_output "says '$1'"
}

# expect_equal WHAT EXPECTED FOUND
expect_equal() {
	[ "$2" = "$3" ] || fail "$1: '$3', expected '$2'"
}

# expect_document [FILE…]: the last command printed a JSON document, or each of these files is one,
# with the keys that usher-json(7) has. lab/tests.py checks them when the test has ended.
expect_document() {
	[ $# -gt 0 ] || set -- "$work/out"
	mkdir -p /run/lab/documents
	for file_; do
		document_=$(mktemp /run/lab/documents/XXXXXX)
		cat "$file_" >"$document_"
		echo "$command" >"$document_.of"
	done
}

fail_with_output() {
	echo "\$ $command"
	cat "$work/out" "$work/err"
	fail "$*"
}

# expect_driver ADDRESS DRIVER: 'none' for a device without one.
expect_driver() {
	expect_equal "$1's driver" "$2" "$(driver_of "$1")"
}

# expect_override ADDRESS DRIVER: 'none' when nothing is set.
expect_override() {
	read -r override_ <"$pci/$1/driver_override"
	[ "$override_" != '(null)' ] || override_=none
	expect_equal "$1's driver_override" "$2" "$override_"
}

# wait_until SECONDS COMMAND…: repeats the command until it succeeds. The limit is by the clock,
# because on a busy machine each try takes time, too.
wait_until() {
	until_=$(($(seconds_up) + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		read -r up_ _ </proc/uptime
		[ "${up_%.*}" -lt "$until_" ] || fail "waited in vain for: $*"
		sleep 0.1
	done
}

# wait_for_line SECONDS FILE PATTERN [COUNT [PID]]: until so many lines of the file match (default: 1), or
# the process has ended.
# wait_until would take a quarter of the processor from a guest that has to write the line.
wait_for_line() {
	"$top/build/test/live/await_line" "$@"
	case $? in
	0 | 3) ;;
	1) fail "waited in vain for '$3' in $2" ;;
	*) fail "cannot wait for '$3' in $2" ;;
	esac
}

seconds_up() {
	read -r up_ _ </proc/uptime
	echo "${up_%.*}"
}

driver_of() {
	name_of "$pci/$1/driver" || echo none
}

# name_of LINK: the last part of the path of the folder that it points to. Without a program: each
# takes long to start in the emulation.
name_of() {
	(cd -P "$1" 2>/dev/null && echo "${PWD##*/}")
}

# has_driver ADDRESS DRIVER: a condition for wait_until.
has_driver() {
	[ "$(driver_of "$1")" = "$2" ]
}

# all_drivers: one line for each device, with its driver and its override.
all_drivers() {
	for device_ in "$pci"/*; do
		override_=
		read -r override_ <"$device_/driver_override"
		echo "${device_##*/} $(driver_of "${device_##*/}") $override_"
	done
}

# group_of ADDRESS; members_of GROUP
group_of() {
	name_of "$pci/$1/iommu_group"
}

members_of() {
	ls "/sys/kernel/iommu_groups/$1/devices"
}

# address_of VENDOR:DEVICE [N]: the N-th such device, counted from 1 by address.
address_of() {
	n_=${2:-1}
	for device_ in "$pci"/*; do
		read -r vendor_ <"$device_/vendor"
		read -r id_ <"$device_/device"
		[ "$vendor_:$id_" = "0x${1%:*}:0x${1#*:}" ] || continue
		n_=$((n_ - 1))
		[ $n_ -gt 0 ] || { echo "${device_##*/}"; return; }
	done
	return 1
}

nvme_address() { address_of 1b36:0010 "$@"; }
e1000e_address() { address_of 8086:10d3 "$@"; }
e1000_address() { address_of 8086:100e "$@"; }
edu_address() { address_of 1234:11e8 "$@"; }

# block_of ADDRESS: the name of an NVMe device's disk, such as nvme0n1.
block_of() {
	for disk_ in "$pci/$1"/nvme/nvme*/nvme*n*; do
		[ ! -e "$disk_" ] || { echo "${disk_##*/}"; return; }
	done
	return 1
}

# qmp COMMAND [ARGUMENTS]: has the outer QEMU, which controls the hardware, do something; prints its
# answer. Example: qmp device_del '{"id": "nvme"}'. lab/topology/NAME has the ids.
qmp() {
	exec 9<>/dev/virtio-ports/usher.qmp
	# QEMU accepts qmp_capabilities only once; later it answers with an error, which does no
	# harm.
	for request_ in '{"execute": "qmp_capabilities", "id": "ready"}' \
		"{\"execute\": \"$1\", \"arguments\": ${2:-{\}}, \"id\": \"done\"}"; do
		echo "$request_" >&9
		while read -r answer_ <&9; do
			case $answer_ in *'"id": "ready"'* | *'"id": "done"'*) break ;; esac
		done
	done
	exec 9>&-
	echo "$answer_"
	case $answer_ in *'"error"'*) return 1 ;; esac
}

# unplug ID ADDRESS: unplugs a device, and waits until the outer QEMU has forgotten it: only then
# can another device have its id and its back end. Linux removes the device first, and turns the
# slot off later.
unplug() {
	expect_ok qmp device_del "{\"id\": \"$1\"}"
	wait_unplugged "$@"
}

wait_unplugged() {
	wait_until 60 test ! -e "$pci/$2"
	wait_until 60 qmp_forgot "$1"
}

qmp_forgot() {
	qmp qom-list '{"path": "/machine/peripheral"}' >"$work/peripheral" || return 1
	! grep -q "\"name\": \"$1\"" "$work/peripheral"
}

# power_off: cuts the power. For tests with '# boots: 2' or more.
power_off() {
	qmp quit
	sleep 60
}

# calls_of TRACE PROGRAM: what the last process that executes the program calls from then on, out of
# `strace -ff -o TRACE`. With one file for all, a call that another process interrupts is two lines.
calls_of() {
	file_=$(grep -l "^execve(\"[^\"]*$2\".*= 0\$" "$1".* | sort -V | tail -n 1)
	[ -z "$file_" ] || sed -n "\|^execve(\"[^\"]*$2\"|,\$p" "$file_"
}

# to_vfio ADDRESS…: binds devices to vfio-pci by plain writes, without usher, until the test ends.
# No module depends firmly on vfio_iommu_type1, so it must be loaded by name.
to_vfio() {
	modprobe -a vfio-pci vfio_iommu_type1
	for address_; do
		at_exit "to_driver $address_ $(driver_of "$address_") ''"
		to_driver "$address_" vfio-pci vfio-pci
	done
}

# to_driver ADDRESS DRIVER OVERRIDE
to_driver() {
	echo "$3" >"$pci/$1/driver_override"
	[ ! -e "$pci/$1/driver" ] || echo "$1" >"$pci/$1/driver/unbind"
	[ "$2" = none ] || echo "$1" >"/sys/bus/pci/drivers/$2/bind"
}
