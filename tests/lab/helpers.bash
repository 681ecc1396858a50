# helpers.bash - for tests that run inside the lab.

bats_require_minimum_version 1.5.0

# The whole of the kernel's state is compared once, at the end of the suite (zz_world.bats).
lab_setup()
{
	export BANGER_IMAGE=busybox BANGER_MEMORY=256M BANGER_VCPU=1
}

lab_teardown()
{
	local name left

	for name in $("$BANGER" vm list -q); do
		"$BANGER" vm delete -q "$name" || echo "could not delete VM $name" >&2
	done
	# The lab is a guest of banger, too: its own agent lives in /run/banger.
	left=$(devices; ls -A /var/lib/banger/vms; find /run/banger -mindepth 1 -maxdepth 1 -name '????????' -printf '%f\n' 2> /dev/null)
	[ -z "$left" ] || { echo "left behind: $left" >&2; return 1; }
}

# Devices of ours that the kernel has: device mapper and loop.
devices()
{
	dmsetup ls 2> /dev/null | grep -o '^banger-[^[:space:]]*' || true
	losetup -n -O BACK-FILE | grep banger || true
}

# field NAME EXPRESSION - of what `vm show` prints.
field()
{
	"$BANGER" vm show "$1" | jq -r "$2"
}
