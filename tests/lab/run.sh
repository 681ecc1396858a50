#!/bin/bash
# run.sh [--shell] - run tests/lab/*.bats inside the lab and print their TAP.
#
# The lab is a Debian virtual machine made by banger itself (tests/vm/fixture.sh --lab).  Under
# emulation its CPU has the svm flag, so inside it KVM, device mapper, loop and tun devices, nftables
# and cgroups all work, whatever this host lacks.  One boot serves all tests.  With --shell a person
# gets a shell in it instead.
set -eu
cd "$(dirname "$0")/../.."
: "${BANGER:=$PWD/build/banger}"
BANGER_STATE_DIR=$(tests/vm/fixture.sh --lab)
export BANGER_STATE_DIR
name=lab-$$

cleanup()
{
	"$BANGER" vm delete -q "$name" > /dev/null 2>&1 || true
}
trap cleanup EXIT

in_lab()
{
	"$BANGER" vm exec --timeout "${LAB_LIMIT:-1400}s" "$name" -- "$@"
}

"$BANGER" vm run -q -d --name "$name" --image "lab-$(sha256sum < tests/lab/packages | cut -c 1-8)" --vmm qemu --net user --memory 3G --vcpu 1 > /dev/null
in_lab sh -c 'until [ -S /run/systemd/private ]; do sleep 0.2; done; modprobe -a kvm-amd kvm-intel loop dm_mod 2> /dev/null || true'
tar -C "$(dirname "$BANGER")" -cf - "$(basename "$BANGER")" | "$BANGER" vm exec -i "$name" -- tar -C /usr/local/bin -xf -
tar -C "$(dirname "$BANGER")/tests/tools" -cf - stub_firecracker stub_vmm crash_at | "$BANGER" vm exec -i "$name" -- tar -C /usr/local/lib --no-same-owner -xf -
# A real Firecracker of the outside, and the jailer beside it, go in; LAB_FIRECRACKER is set by tests/run.sh too.
firecracker=${LAB_FIRECRACKER:-${BANGER_FIRECRACKER:-$(command -v firecracker || true)}}
if [ -n "$firecracker" ]; then
	programs=firecracker
	[ ! -x "$(dirname "$firecracker")/jailer" ] || programs="firecracker jailer"
	# shellcheck disable=SC2086 # two words
	tar -C "$(dirname "$firecracker")" -cf - $programs |
		"$BANGER" vm exec -i "$name" -- tar -C /usr/local/bin --no-same-owner -xf -
fi
tar -cf - tests/lab tests/vm tests/crash | "$BANGER" vm exec -i "$name" -- tar -C /root -xf -
# With a real one the end-to-end tests run on it as well, on images that are as outside.
e2e=
if [ -n "$firecracker" ]; then
	tests/vm/fixture.sh --debian > /dev/null
	tar -C "$BANGER_STATE_DIR" --warning=no-file-changed -cSf - version kernels/debian-12 images/{busybox,busybox-init,entry,debian-bookworm,debian-bare} |
		"$BANGER" vm exec -i "$name" -- sh -c 'mkdir -m 0700 /var/lib/e2e && tar -C /var/lib/e2e -xf -'
	# What these tests run on the host's side.
	tar -C "$(dirname "$(command -v busybox)")" -cf - busybox | "$BANGER" vm exec -i "$name" -- tar -C /usr/local/bin --no-same-owner -xf -
	for file in ${LAB_E2E-run exec life agent cp network stats forward file_sync clone ssh systemd workspace workspace_git}; do
		e2e="$e2e tests/vm/$file.bats"
	done
fi
if [ "${1:-}" = --shell ]; then
	"$BANGER" vm exec -it "$name"
	exit 0
fi
status=0
# shellcheck disable=SC2016 # for the lab's shell
in_lab sh -c 'cd /root && tests/lab/world.sh | sort > /run/lab-world && LAB_WORLD=/run/lab-world BANGER=/usr/local/bin/banger \
	BATS_TEST_TIMEOUT=300 VM_TESTS_VMM=firecracker VM_TESTS_FIXTURE=/var/lib/e2e LAB_MANY=$2 \
	bats --timing --formatter tap tests/lab/[!z]*.bats $1 tests/lab/zz_world.bats' sh "$e2e" "${LAB_MANY:-12}" || status=$?
# The system's own log comes back too; it helps when something failed inside.
mkdir -p build/test-logs
in_lab journalctl -b --no-pager > build/test-logs/lab-journal.log 2>&1 || true
[ "$status" -eq 0 ] || tail -n 100 build/test-logs/lab-journal.log >&2
exit "$status"
