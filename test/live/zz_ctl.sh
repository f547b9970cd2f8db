#!/bin/sh
. "${0%/*}/lib.sh"
. "${0%/*}/guest.sh"
modprobe kvm-amd 2>/dev/null
i=0; bad=0
while [ $i -lt ${N:-40} ]; do i=$((i+1))
if [ "$1" = qemu ]; then
timeout -k 5 200 qemu-system-x86_64 -nodefaults -display none -no-reboot -M q35 -accel kvm -cpu host -m 256 -serial stdio -kernel "$kernel" -initrd "$initrd" -append "console=ttyS0 panic=-1 usher.do=poweroff" </dev/null >$work/c 2>&1; s=$?
else
timeout -k 5 200 usher-vmm --name t --memory 256M --kernel "$kernel" --initrd "$initrd" --cmdline "console=ttyS0 panic=-1 usher.do=poweroff" </dev/null >$work/c 2>&1; s=$?
fi
if grep -q "Kernel panic\|BUG:\|Oops" $work/c || [ $s -ne 0 ]; then bad=$((bad+1)); echo "CRASH $1 $i"; [ $bad -gt 3 ] || sed -n '/smp: Bringing/,$p' $work/c ; fi
echo "$1 $i: status $s $(grep -c . $work/c) lines: $(tail -1 $work/c | cut -c1-60) $(cut -d' ' -f1 /proc/uptime)"
done
echo "bad $bad of $i"
