#!/bin/sh
# SPDX-License-Identifier: MIT
# topology: minimal
# guest: small
# timeout: 240
# A guest abuses its device (decoding off, D3hot, resets, removal) while another processor reads its
# registers without a pause. Nothing may end the guest. No page may vanish while the guest has it
# mapped: usher-vmm cures such a fault, so only its count shows a wrong order. Afterwards the disk
# must read as before.
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"

nvme=$(nvme_address) || fail 'no NVMe disk'
expected=$(disk_checksum "$(block_of "$nvme")")
guest_script "$top/build/test/live/hammer" <<'END'
load_for_devices; wait_for /dev/nvme0n1
cd /sys/bus/pci/devices/0000:01:00.0; bar=$(sed -n '1s/ .*//p' resource)
put() { printf "$2" | dd of=config bs=1 seek=$1 conv=notrunc 2>/dev/null; }
say() { echo "$1 $(devmem $((bar + 8)))"; }
echo 0000:01:00.0 >driver/unbind; say version
put 4 '\000\000'; say 'no decoding'
put 4 '\002\000'; say decoding
put 100 '\003\000'; say D3hot
put 100 '\000\000'; say D0
echo "processors $(grep -c ^processor /proc/cpuinfo)"
/hammer $((bar + 8)) 1 >/hammered & reader=$!
until [ -s /hammered ]; do sleep 0.1; done
for n in $(seq 60); do put 4 '\000\000'; put 4 '\002\000'; put 100 '\003\000'; put 100 '\000\000'; done
for n in 1 2 3; do echo 1 >reset; done
for off in $(seq 0 4 252); do put $off '\377\377\377\377'; put $off '\000\000\000\000'; done
cd /; echo 1 >/sys/bus/pci/devices/0000:01:00.0/remove; echo 1 >/sys/bus/pci/rescan
kill $reader; wait $reader; cat /hammered
checksum
END
words=iomem=relaxed
open_guest --name torture --device "$nvme" --memory 256M --cpus 2 --stats
wait_for_guest '^usher ended'
cat "$console"
for state in decoding D0; do
	grep -q "^$state 0x00010400" "$console" || fail "$state: the registers do not read"
done
for state in 'no decoding' D3hot; do
	grep -q "^$state 0xFFFFFFFF" "$console" || fail "$state: the registers are not all-ones"
done
grep -q '^processors 2' "$console" || fail 'the guest has not two processors'
grep -q 'hammer: answers=[1-9][0-9]* nobody=[1-9]' "$console" || fail 'the registers were not read in both states'
grep -q 'stats: exits.faults 0$' "$console" || fail 'pages went while the guest had them mapped'
grep -q "^guest: nvme0n1 $expected" "$console" || fail 'the disk does not read as before'
grep -q 'usher ended: 0' "$console" || fail 'usher run failed'
