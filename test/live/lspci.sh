# SPDX-License-Identifier: MIT
# For tests of the output of lspci in a guest, under usher and under QEMU. Sourced after guest.sh.

# lspci_script <SCRIPT: what the guest runs before lspci.
lspci_script() {
	# lspci with its libraries.
	lspci=$(command -v lspci)
	for file_ in "$lspci" $(ldd "$lspci" | grep -o '/[^ ]*'); do
		mkdir -p "$work/archive/${file_%/*}"
		cp -L "$file_" "$work/archive/$file_"
	done
	{
		cat
		# Compressed, because each byte on QEMU's console is an exit.
		echo "echo 'lspci: begin'; $lspci -n -vv -xxxx 2>/dev/null | gzip | base64; echo 'lspci: end'"
	} >"$work/lspci_script"
	guest_script <"$work/lspci_script"
}

# compare_lspci ADDRESS…: runs lspci in a guest of usher, with $allow for its gate, then in one of
# QEMU. $work/usher has the console of the first. Fails on a difference that docs/pass-lspci.md does
# not explain.
compare_lspci() {
	ports_= number_=0
	for device_; do
		function_=${device_##*.}
		# A virtual function is a device of its own, whatever its function number.
		if [ "$function_" = 0 ] || [ -e "$pci/$device_/physfn" ]; then
			ports_="$ports_ -device pcie-root-port,id=port$((number_ += 1)),chassis=$number_"
			function_=0
		fi
		ports_="$ports_ -device vfio-pci,host=$device_,bus=port$number_,addr=0.$function_"
		[ ! -e "$pci/${device_%.*}.1" ] || [ -e "$pci/$device_/physfn" ] ||
			ports_="$ports_,multifunction=on"
	done
	# shellcheck disable=SC2046 # these are several words
	open_guest --name lspci --memory 256M --no-defaults ${allow:-} $(printf -- '--device %s ' "$@")
	wait_for_guest '^usher ended: 0'
	cp "$console" "$work/usher"
	# shellcheck disable=SC2086
	usher bind ${allow:-} "$@" >"$work/err" 2>&1 || fail_with_output 'cannot bind'
	at_exit "usher release $*"
	until run_lspci_by_qemu; status_=$?; ! stillborn "$work/qemu"; do :; done
	[ $status_ = 0 ] || fail "QEMU ended with status $status_: $(cat "$work/err" "$work/qemu")"
	python3 "$top/test/live/lspci.py" ${USHER_SHOW:+--show} "$work/usher" "$work/qemu" \
		"$top/docs/pass-lspci.md" || fail 'see docs/pass-lspci.md'
}

run_lspci_by_qemu() {
	# shellcheck disable=SC2086 # these are several words
	qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot -M q35 -accel kvm -cpu host \
		-m 256 -serial stdio -kernel "$kernel" -initrd "$initrd" $ports_ \
		-append "$boot_words usher.do=script" >"$work/qemu" 2>"$work/err" </dev/null
}
