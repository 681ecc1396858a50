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

# What a VM may leave on the host, apart from files of the state directory.
world()
{
	losetup -n -O NAME,BACK-FILE 2> /dev/null | grep -F "$BANGER_STATE_DIR" || true
	ip -o link 2> /dev/null | grep -o 'bgr[0-9a-f]\{8\}' || true
	ip netns list 2> /dev/null | grep -F banger || true
	nft list tables 2> /dev/null | grep -F banger || true
	grep -F "$BANGER_STATE_DIR" /proc/self/mounts || true
	ls -A "$BANGER_RUN_DIR"
	processes
}

# Processes that name this test's directories among their arguments.
processes()
{
	pgrep -a -f -- "$BANGER_RUN_DIR|$BANGER_STATE_DIR" | cut -c 1-200 || true
	[ -z "${VM_TESTS_VMM:-}" ] || pgrep -a -x firecracker || true
}

leak_check()
{
	local left
	world > "$BATS_TEST_TMPDIR/world.after"
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
