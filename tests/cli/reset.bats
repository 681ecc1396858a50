#!/usr/bin/env bats
# vm reset: a new root disk, and everything else as it was.  VMs without guests.

load helpers

setup() { setup_stub; }
teardown() { teardown_stub; }

@test "reset gives a new root disk and keeps /root, the identity and the settings" {
	"$BANGER" vm create -q --name a --no-start --disk-mode copy --label x=1 > /dev/null
	dir=$BANGER_STATE_DIR/vms/a
	id=$("$BANGER" vm show a | jq -r .id)
	cp "$dir/root.img" "$BATS_TEST_TMPDIR/fresh"
	printf changed | dd of="$dir/root.img" conv=notrunc 2> /dev/null
	printf kept | dd of="$dir/work.ext4" conv=notrunc 2> /dev/null
	echo left > "$dir/.root.new" # by a reset that was killed
	run "$BANGER" vm reset a
	is "$status" 0
	is "$output" "a: reset"
	cmp "$dir/root.img" "$BATS_TEST_TMPDIR/fresh"
	is "$(head -c 4 "$dir/work.ext4")" kept
	is "$("$BANGER" vm show a | jq -r '.id + .spec.labels[0] + .state')" "${id}x=1created"
	[ ! -e "$dir/.root.new" ]
}

@test "reset of a VM that runs needs --force; nothing is killed for nothing" {
	"$BANGER" vm create -q --name a --disk-mode copy > /dev/null
	run "$BANGER" vm reset a
	is "$status" 1
	has "$output" "VM 'a' is running"
	has "$output" "banger vm reset --force a"
	is "$("$BANGER" vm show a | jq -r .state)" running
	"$BANGER" vm reset -q --force a
	is "$("$BANGER" vm show a | jq -r .state)" stopped
}
