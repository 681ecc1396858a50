#!/bin/bash
# boot.sh [ROUNDS] - 'vm run --rm -- true' against the same QEMU started by hand.
#
# By hand means: the arguments of a machine that banger started, with its disks and its boot archive
# as they were, until a first command in the guest has ended.  Both sides take turns; medians count.
set -eu
cd "$(dirname "$0")/../.."
BANGER=${BANGER:-$PWD/build/banger}
rounds=${1:-5}
command -v qemu-system-x86_64 > /dev/null || { echo "boot: skipped, QEMU is not installed"; exit 0; }
fixture=${VM_TESTS_FIXTURE:-$(BANGER=$BANGER tests/vm/fixture.sh 2> /dev/null)} # the lab has its own
BANGER_STATE_DIR=$(mktemp -d "$(dirname "$fixture")/b.XXXXXX")
BANGER_RUN_DIR=$(mktemp -d /tmp/bgr.XXXXXX)
export BANGER_STATE_DIR BANGER_RUN_DIR BANGER_IMAGE=busybox BANGER_MEMORY=256M BANGER_VCPU=1
export BANGER_VMM=qemu BANGER_NET=user # by hand there is no tap, and below no device
cleanup()
{
	"$BANGER" vm delete -q model > /dev/null 2>&1 || true
	rm -rf "$BANGER_STATE_DIR" "$BANGER_RUN_DIR"
}
trap cleanup EXIT
cp -al "$fixture/version" "$fixture/kernels" "$fixture/images" "$BANGER_STATE_DIR/"

now() { date +%s%3N; }

"$BANGER" vm create -q --name model --disk-mode qcow2 > /dev/null
vm=$BANGER_STATE_DIR/vms/model
pid=$("$BANGER" vm show model | jq -r .handles.vmm.pid)
run=$("$BANGER" vm show model | jq -r .run_directory)
mapfile -d '' -t arguments < "/proc/$pid/cmdline"
cp "$vm/initrd.img" "$BANGER_STATE_DIR/initrd.saved"
"$BANGER" vm exec model -- true
"$BANGER" vm kill -q model

by_hand()
{
	local start
	mkdir -m 0700 "$run"
	ln -s "$vm" "$run/vm"
	cp "$BANGER_STATE_DIR/initrd.saved" "$vm/initrd.img"
	start=$(now)
	setsid "${arguments[@]}" > /dev/null 2>&1 < /dev/null &
	disown
	while [ ! -S "$run/agent.15" ]; do sleep 0.001; done
	"$BANGER" vm exec model -- true
	echo $(($(now) - start))
	"$BANGER" vm kill -q model
}

by_banger()
{
	local start
	start=$(now)
	"$BANGER" vm run -q --rm --disk-mode qcow2 -- true > /dev/null 2>&1
	echo $(($(now) - start))
}

median() { sort -n "$1" | sed -n "$(((rounds + 1) / 2))p"; }

for _ in $(seq "$rounds"); do
	by_hand >> "$BANGER_STATE_DIR/hand"
	by_banger >> "$BANGER_STATE_DIR/banger"
done
hand=$(median "$BANGER_STATE_DIR/hand") ours=$(median "$BANGER_STATE_DIR/banger")
printf 'vm run --rm -- true : QEMU by hand   %d ms   %d ms   ratio %s (goal 1.05)\n' "$ours" "$hand" \
	"$(echo "$ours $hand" | awk '{ printf "%.2f", $1 / $2 }')"
