#!/usr/bin/env bats
# Names of VMs by way of a real systemd-resolved.

bats_require_minimum_version 1.5.0

load helpers

setup()
{
	lab_setup
	export BANGER_SUBNET=10.213.7.1/24 # the lab itself may be on the usual one
	watch=
}

teardown()
{
	[ -z "$watch" ] || kill "$watch" || true
	lab_teardown
}

@test "names: systemd-resolved finds running VMs through the watcher, and forgets them with it" {
	systemctl start systemd-resolved
	run ! resolvectl query web.vm
	"$BANGER" vm run -q -d --name web --net bridge > /dev/null
	address=$(field web .spec.address)
	"$BANGER" watch --dns --interval 1s > "$BATS_TEST_TMPDIR/log" &
	watch=$!
	for _ in $(seq 100); do
		! grep -q "^systemd-resolved resolves names of VMs, through bridge 'br-banger'" "$BATS_TEST_TMPDIR/log" || break
		sleep 0.1
	done
	resolvectl status br-banger | grep -F "~7.213.10.in-addr.arpa"
	run -0 resolvectl query --legend=no web.vm
	[[ "$output" == "web.vm: $address"* ]]
	run -0 resolvectl query --legend=no "$address"
	[[ "$output" == "$address: web.vm"* ]]
	run ! resolvectl query nobody.vm
	"$BANGER" vm delete -q web
	# No VM, no watcher; and no bridge that could be routed anywhere.
	wait "$watch"
	watch=
	cat "$BATS_TEST_TMPDIR/log"
	run ! grep -q "goes on asking" "$BATS_TEST_TMPDIR/log"
	run ! resolvectl query web.vm
}
