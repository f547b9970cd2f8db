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
guest_script "$top/build/test/live/hammer" </dev/null
words=iomem=relaxed wish=shell
open_guest --name torture --device "$nvme" --memory 256M --cpus 2 --stats
wait_for_guest '^guest: ready'

cat >&8 <<'END'
for a in devmem seq printf hexdump tail grep; do ln -sf busybox /bin/$a; done
stty -echo; cd /sys/bus/pci/devices/0000:01:00.0; bar=$(cut -d' ' -f1 resource | sed -n 1p)
put() { printf "$2" | dd of=config bs=1 seek=$1 conv=notrunc 2>/dev/null; }
echo 0000:01:00.0 >driver/unbind; echo "version $(devmem $((bar + 8)))"
put 4 '\000\000'; echo "no decoding $(devmem $((bar + 8)))"
put 4 '\002\000'; echo "decoding $(devmem $((bar + 8)))"
put 100 '\003\000'; echo "D3hot $(devmem $((bar + 8)))"
put 100 '\000\000'; echo "D0 $(devmem $((bar + 8)))"
echo "processors $(grep -c ^processor /proc/cpuinfo)"; /hammer $((bar + 8)) 1 & reader=$!
for n in $(seq 60); do put 4 '\000\000'; put 4 '\002\000'; put 100 '\003\000'; put 100 '\000\000'; done
for n in 1 2 3; do echo 1 >reset; done
for off in $(seq 0 4 252); do put $off '\377\377\377\377'; put $off '\000\000\000\000'; done
cd /; echo 1 >/sys/bus/pci/devices/0000:01:00.0/remove; echo 1 >/sys/bus/pci/rescan
kill $reader; wait $reader; echo tortured; n=0
until [ -b /dev/nvme0n1 ] || [ $n = 600 ]; do n=$((n + 1)); sleep 0.1; done
sum=$(dd if=/dev/nvme0n1 bs=1M count=8 iflag=direct 2>/dev/null | sha256sum | cut -d' ' -f1)
echo "sum $sum"; exit
END
wait_for_guest '^usher ended'
cat "$console"
for state in decoding D0; do
	grep -q "# $state 0x00010400" "$console" || fail "$state: the registers do not read"
done
for state in 'no decoding' D3hot; do
	grep -q "# $state 0xFFFFFFFF" "$console" || fail "$state: the registers are not all-ones"
done
grep -q 'processors 2' "$console" || fail 'the guest has not two processors'
grep -q 'hammer: answers=[1-9][0-9]* nobody=[1-9]' "$console" || fail 'the registers were not read in both states'
grep -q 'stats: exits.faults 0$' "$console" || fail 'pages went while the guest had them mapped'
grep -q "$expected" "$console" || fail 'the disk does not read as before'
grep -q 'usher ended: 0' "$console" || fail 'usher run failed'
