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
	kvm=$(stat -c '%u:%g %a' /dev/kvm)
	chown root:4321 /dev/kvm
	chmod 0660 /dev/kvm
}

teardown()
{
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

@test "without the group a word of how to get into it" {
	export BANGER_VMM=firecracker GROUPS_OF=1234 FIRECRACKER=/usr/local/lib/stub_firecracker
	run ordinary vm create --name a --net none
	[ "$status" -eq 1 ]
	[[ "$output" == *kvm* ]]
}
