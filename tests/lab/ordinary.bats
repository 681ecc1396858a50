#!/usr/bin/env bats
# Without root, but with the group that may use KVM.

load helpers

setup()
{
	lab_setup
	HOME_DIR=$(mktemp -d /tmp/bgu.XXXXXX)
	mkdir -p "$HOME_DIR/.local/state/banger/images" "$HOME_DIR/run"
	cp -a /var/lib/banger/version /var/lib/banger/kernels "$HOME_DIR/.local/state/banger/"
	cp -a /var/lib/banger/images/busybox "$HOME_DIR/.local/state/banger/images/"
	chown -R 1234:1234 "$HOME_DIR"
	chmod 0700 "$HOME_DIR" "$HOME_DIR/.local/state/banger"
	tun=$(stat -c %a /dev/net/tun)
	kvm=$(stat -c '%u:%g %a' /dev/kvm)
	chown root:4321 /dev/kvm
	chmod 0660 /dev/kvm
}

teardown()
{
	! ip link show bgown > /dev/null 2>&1 || ip link delete bgown
	chmod "$tun" /dev/net/tun
	chown "${kvm% *}" /dev/kvm
	chmod "${kvm#* }" /dev/kvm
	for name in $(ordinary vm list -q); do
		ordinary vm delete -q "$name"
	done
	[ -z "$(pgrep -u 1234)" ]
	[ -z "$(ls -A "$HOME_DIR/.local/state/banger/vms" "$HOME_DIR/run/banger" 2> /dev/null | grep -v :)" ]
	rm -rf "$HOME_DIR"
	lab_teardown
}

ordinary()
{
	setpriv --reuid 1234 --regid 1234 --groups "${GROUPS_OF-4321}" --no-new-privs env -i PATH="$PATH" HOME="$HOME_DIR" \
		XDG_RUNTIME_DIR="$HOME_DIR/run" BANGER_IMAGE=busybox BANGER_MEMORY=256M BANGER_VCPU=1 \
		BANGER_VMM="${BANGER_VMM:-}" ${FIRECRACKER:+"BANGER_FIRECRACKER=$FIRECRACKER"} "$BANGER" "$@"
}

life()
{
	ordinary vm run -q -d --name a "$@"
	[ "$(ordinary vm show a | jq -r '.handles | .driver + " " + .accel')" = "$BANGER_VMM kvm" ]
	pid=$(ordinary vm show a | jq -r .handles.vmm.pid)
	[ "$(awk '/^Uid:/ { print $2, $3, $4, $5 }' "/proc/$pid/status")" = "1234 1234 1234 1234" ]
	[ "$(ordinary vm exec a -- sh -c 'echo kept > /root/file; id -u')" = 0 ]
	run ordinary vm stop a
	[ "$output" = "a: stopped" ]
	ordinary vm start -q a
	[ "$(ordinary vm exec a -- cat /root/file)" = kept ]
	[ -z "$(find "$HOME_DIR" ! -uid 1234)" ]
}

@test "an ordinary user's guest under QEMU with KVM" {
	export BANGER_VMM=qemu
	life --net user
}

@test "an ordinary user's guest under a real Firecracker, without a network" {
	command -v firecracker > /dev/null || skip "the real Firecracker is absent: set BANGER_FIRECRACKER"
	export BANGER_VMM=firecracker
	life --net none
}

@test "an ordinary user's guest has a network by a tap that root made for that user" {
	export BANGER_VMM=qemu
	! command -v firecracker > /dev/null || BANGER_VMM=firecracker
	own=tap:bgown,10.9.0.2/24,10.9.0.1
	run ordinary vm create --name a --net "$own"
	[ "$status" -eq 1 ]
	[[ "$output" == *"no interface 'bgown'"*"sudo ip tuntap add"* ]]
	ip tuntap add dev bgown mode tap user 1234
	run ordinary vm create --name a --net "$own"
	[[ "$output" == *"/dev/net/tun"*"sudo chmod 0666"* ]]
	chmod 0666 /dev/net/tun # as udev does, which the lab has not
	ip address add 10.9.0.1/24 dev bgown
	run ordinary vm create --name a --net "$own"
	[[ "$output" == *"is down"* ]]
	ip link set bgown up
	life --net "$own"
	ordinary vm exec a -- ping -c 1 -W 20 10.9.0.1
	[ "$(ordinary vm exec a -- sh -c "ip -4 -o address show eth0 | awk '{ print \$4 }'")" = 10.9.0.2/24 ]
	[ "$(ordinary vm stats --json a | jq '.[0].rx_bytes > 0 and .[0].tx_bytes > 0')" = true ]
	run ordinary vm create --name b --net "$own"
	[ "$status" -eq 1 ]
	[[ "$output" == *"another program has the tap"* ]]
	ordinary vm delete -q a
	[ -e /sys/class/net/bgown ]
	ip link delete bgown
}

@test "without the group a word of how to get into it" {
	export BANGER_VMM=firecracker GROUPS_OF=1234 FIRECRACKER=/usr/local/lib/stub_firecracker
	run ordinary vm create --name a --net none
	[ "$status" -eq 1 ]
	[[ "$output" == *kvm* ]]
}
