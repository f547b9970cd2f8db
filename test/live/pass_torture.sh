#!/bin/sh
# SPDX-License-Identifier: MIT
# timeout: 240
# A guest that pulls at its device: decoding off, D3hot, resets and removal while another processor
# reads its registers. Nothing may end the guest; afterwards the disk must read as before.
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"

nvme=$(nvme_address) || fail 'no NVMe disk'
expected=$(disk_checksum "$(block_of "$nvme")")
out=$work/console
mkfifo "$work/to_guest"
{
	usher run --name torture --device "$nvme" --memory 256M --cpus 2 --timing --kernel "$kernel" \
		--initrd "$initrd" --cmdline 'console=ttyS0 quiet iomem=relaxed usher.do=shell' \
		<"$work/to_guest"
	echo "usher ended: $?"
} >"$out" 2>&1 &
exec 8>"$work/to_guest"
wait_until 120 grep -q 'guest: ready' "$out"

cat >&8 <<'END'
for a in devmem seq printf hexdump tail; do ln -sf busybox /bin/$a; done
stty -echo; cd /sys/bus/pci/devices/0000:01:00.0; bar=$(cut -d' ' -f1 resource | sed -n 1p)
put() { printf "$2" | dd of=config bs=1 seek=$1 conv=notrunc 2>/dev/null; }
echo 0000:01:00.0 >driver/unbind; echo "version $(devmem $((bar + 8)))"
put 4 '\000\000'; echo "no decoding $(devmem $((bar + 8)))"
put 4 '\002\000'; echo "decoding $(devmem $((bar + 8)))"
put 100 '\003\000'; echo "D3hot $(devmem $((bar + 8)))"
put 100 '\000\000'; echo "D0 $(devmem $((bar + 8)))"
(while :; do for n in 1 2 3 4 5 6 7 8; do devmem $((bar + 8)); done; done >/dev/null 2>&1) & reader=$!
for n in $(seq 60); do put 4 '\000\000'; put 4 '\002\000'; put 100 '\003\000'; put 100 '\000\000'; done
for n in 1 2 3; do echo 1 >reset; done
for off in $(seq 0 4 252); do put $off '\377\377\377\377'; put $off '\000\000\000\000'; done
kill $reader; cd /; echo 1 >/sys/bus/pci/devices/0000:01:00.0/remove
echo 1 >/sys/bus/pci/rescan; echo tortured; sleep 3
sum=$(dd if=/dev/nvme0n1 bs=1M count=8 iflag=direct 2>/dev/null | sha256sum | cut -d' ' -f1)
echo "sum $sum"; exit
END
wait_until 200 grep -q 'usher ended' "$out"
cat "$out"
for state in decoding D0; do
	grep -q "# $state 0x00010400" "$out" || fail "$state: the registers do not read"
done
for state in 'no decoding' D3hot; do
	grep -q "# $state 0xFFFFFFFF" "$out" || fail "$state: the registers are not all-ones"
done
grep -q "$expected" "$out" || fail 'the disk does not read as before'
grep -q 'usher ended: 0' "$out" || fail 'usher run failed'
