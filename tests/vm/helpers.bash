# helpers.bash - for tests that boot real virtual machines.
#
# Every test has its own state directory, with the fixtures' kernels and images linked in (they are never
# written), and its own directory for sockets.  After each test everything must be gone.

bats_require_minimum_version 1.5.0

# In the lab the same tests run on another driver: VM_TESTS_VMM names it, VM_TESTS_FIXTURE the fixtures that were
# brought along (tests/lab/run.sh).

# Call from setup_file; "--debian" as argument when a systemd image is needed.
vm_setup_file()
{
	if [ -n "${VM_TESTS_FIXTURE:-}" ]; then
		export FIXTURE=$VM_TESTS_FIXTURE
		return
	fi
	command -v qemu-system-x86_64 > /dev/null || skip "qemu-system-x86_64 is not installed"
	FIXTURE=$("$BATS_TEST_DIRNAME/fixture.sh" "$@") || { echo "making the fixtures failed" >&2; return 1; }
	export FIXTURE
}

vm_setup()
{
	# Beside the fixtures, so that hard links work; resolved, as processes show it in their arguments.
	BANGER_STATE_DIR=$(mktemp -d "$(realpath "$(dirname "$FIXTURE")")/t.XXXXXX")
	BANGER_RUN_DIR=$(mktemp -d /tmp/bgr.XXXXXX)
	export BANGER_STATE_DIR BANGER_RUN_DIR
	export BANGER_IMAGE=busybox BANGER_MEMORY=256M BANGER_VCPU=1 BANGER_NET=user
	if [ -n "${VM_TESTS_VMM:-}" ]; then
		export BANGER_VMM=$VM_TESTS_VMM
		[ "$BANGER_VMM" != firecracker ] || export BANGER_NET=none # it has no network for ordinary users
	fi
	chmod 0700 "$BANGER_STATE_DIR"
	cp -al "$FIXTURE/version" "$FIXTURE/kernels" "$FIXTURE/images" "$BANGER_STATE_DIR/"
	world > "$BATS_TEST_TMPDIR/world.before"
}

vm_teardown()
{
	local name

	for name in $("$BANGER" vm list -q 2> /dev/null); do
		"$BANGER" vm delete -q --force "$name" > /dev/null 2>&1 || echo "could not delete VM $name" >&2
	done
	leak_check
	rm -rf "$BANGER_STATE_DIR" "$BANGER_RUN_DIR"
}

# What a VM may leave on the host, apart from files of the state directory.  Only what is this test's: others
# run at the same time, and their machines come and go.
world()
{
	losetup -n -O NAME,BACK-FILE 2> /dev/null | grep -F "$BANGER_STATE_DIR" || true
	network
	grep -F "$BANGER_STATE_DIR" /proc/self/mounts || true
	ls -A "$BANGER_RUN_DIR"
	processes
}

# Taps and the filter's elements carry the tag of their state directory (lib/net/net.h); what is nobody's, and
# a filter without a machine, are told as well.
network()
{
	local name alias taps='' tag device inode
	read -r device inode <<< "$(stat -c '%d %i' "$BANGER_STATE_DIR")"
	tag=$(printf '%x-%x' "$device" "$inode")
	while read -r name alias; do
		taps=yes
		[[ -n $alias && $alias != *" $tag" ]] || echo "tap $name $alias"
	done < <(ip -j link 2> /dev/null | jq -r '.[] | select(.ifname? // "" | test("^bgr[0-9a-f]{8}$")) |
		"\(.ifname) \(.ifalias // "")"')
	nft list sets bridge 2> /dev/null | grep -F -- "$tag" || true
	[ -n "$taps" ] || nft list tables 2> /dev/null | grep -F banger || true
}

# Processes that name this test's directories among their arguments.
processes()
{
	pgrep -a -f -- "$BANGER_RUN_DIR|$BANGER_STATE_DIR" | cut -c 1-200 || true
	[ -z "${VM_TESTS_VMM:-}" ] || pgrep -a -x firecracker || true
}

leak_check()
{
	local left try
	for try in 1 2 3 4 5; do # what is nobody's may be another's for the moment
		world > "$BATS_TEST_TMPDIR/world.after"
		! cmp -s "$BATS_TEST_TMPDIR/world.before" "$BATS_TEST_TMPDIR/world.after" || break
		sleep "$((try - 1))"
	done
	diff -u "$BATS_TEST_TMPDIR/world.before" "$BATS_TEST_TMPDIR/world.after" >&2 ||
		{ echo "the test above left something behind" >&2; return 1; }
	left=$(ls -A "$BANGER_STATE_DIR/vms" 2> /dev/null)
	[ -z "$left" ] || { echo "files left in vms/: $left" >&2; return 1; }
	left=$(find "$BANGER_STATE_DIR/images" "$BANGER_STATE_DIR/kernels" -name '.*' 2> /dev/null)
	[ -z "$left" ] || { echo "files left: $left" >&2; return 1; }
}

# For what only QEMU is or does.
only_qemu()
{
	[ "${VM_TESTS_VMM:-qemu}" = qemu ] || skip "a test of QEMU"
}

# state NAME - the state of a VM as `vm show` has it.
state()
{
	"$BANGER" vm show "$1" | jq -r .state
}
