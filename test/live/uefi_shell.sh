# SPDX-License-Identifier: MIT
# UEFI with a lent disk, by QEMU: the firmware's shell lists the disk behind its root port, and reads it. A
# variable that is set there survives the guest's end. For ./dev bench firmware, in the lab's host 'minimal'.
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"

[ -e /usr/share/OVMF/OVMF_CODE_4M.fd ] || fail 'the package ovmf is not installed'
disk=$(nvme_address)
block=$(block_of "$disk")
# As the shell writes it: 'XX XX XX XX XX XX XX XX-XX …'
start=$(od -An -tx1 -N16 -v "/dev/$block" | tr a-f A-F | cut -c 2-48 | sed 's/ /-/8')
console=$work/console
variables=/var/lib/usher/guest/box/uefi.vars

# QEMU, which is the hardware here, aborts when a guest writes CR8 while KVM waits until it takes interrupts.
# OVMF does that at the end of each interrupt. So KVM intercepts this write for good: it asks for that at the
# start, and the function that takes it back returns at once.
python3 - "$(modinfo -n kvm_amd)" "$work/kvm-amd.ko" <<'PY' || fail 'kvm_amd is another one'
import re, subprocess, sys
def said(*words):
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout
at = int(re.search(r"(\w+) t svm_update_cr8_intercept", said("nm", sys.argv[1]))[1], 16)
at += int(re.search(r"\.text +\w+ +\w+ +\w+ +(\w+)", said("objdump", "-h", "-j", ".text", sys.argv[1]))[1], 16)
with open(sys.argv[1], "rb") as file:
    code = bytearray(file.read())
at += 4 if code[at:at + 4] == b"\xf3\x0f\x1e\xfa" else 0  # endbr64
assert code[at] == 0xe8, code[at:at + 16]  # the call for ftrace stays
code[at + 5] = 0xc3  # ret
if code.endswith(b"~Module signature appended~\n"):
    del code[-1]  # unsigned: the kernel refuses only a signature that is wrong
with open(sys.argv[2], "wb") as file:
    file.write(code)
PY
rmmod kvm_amd
insmod "$work/kvm-amd.ko" || fail 'the kernel does not load it'

# open_shell: starts the guest, and waits until the firmware's shell takes commands.
open_shell() {
	from=$(seconds_up)
	: >"$console" # of the start before
	{
		usher run --engine=qemu --firmware uefi --no-defaults --memory 256M --name box \
			--device "$disk,rom=off" <"$work/keys"
		echo "usher ended: $?"
	} >>"$console" 2>&1 &
	await_text 'Press .*ESC'
	printf '\033' >&8
	await_text 'Shell> '
}

await_text() { # PATTERN [SECONDS]
	wait_for_line "${2:-400}" "$console" "$1\|^usher ended"
	expect_guest "$1"
}

# Key by key: the firmware's serial port has a small buffer.
type_line() {
	echo "$1" | sed 's/./&\n/g' | while read -r key; do
		printf '%s' "${key:- }" >&8
		sleep 0.05
	done
	printf '\r' >&8
}

close_shell() {
	type_line 'reset -s'
	await_text '^usher ended: 0'
	expect_driver "$disk" nvme
	expect_override "$disk" none
	echo "$1: $(($(seconds_up) - from)) s"
}

at_exit 'usher stop --force --quiet box 2>/dev/null'
mkfifo "$work/keys"
exec 8<>"$work/keys"
open_shell
expect_guest 'BLK0:'
expect_guest 'PciRoot(0x0)/Pci(0x1,0x0)/Pci(0x0,0x0)/NVMe(0x1,'
expect_driver "$disk" vfio-pci
echo "the shell lists the lent disk: $(($(seconds_up) - from)) s"
type_line 'dblk BLK0 0 1'
await_text "00000000: $start"
type_line 'set usher kept-4711'
type_line 'echo =%usher%='
await_text '=kept-4711='
close_shell 'first start, with a read of the disk'
tr -d '\0' <"$variables" | grep -aq kept-4711 || fail "$variables lacks the variable"

open_shell
type_line 'echo =%usher%='
await_text '=kept-4711=' 60
close_shell 'second start, which finds the variable'
echo "the firmware's shell lists and reads the lent disk; the variable survives"
