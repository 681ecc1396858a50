#!/bin/bash
# workspace.sh [ROUNDS] - a repository of 5,000 files into a machine, against 'tar | ssh tar' to the same one.
#
# Then what it takes to send 3 changed files, and to fetch a patch of 10.  Both sides take turns; medians
# count.  The directory is removed before each first copy, on both sides.
set -eu
cd "$(dirname "$0")/../.."
BANGER=${BANGER:-$PWD/build/banger}
rounds=${1:-3}
for tool in qemu-system-x86_64 ssh git; do
	command -v "$tool" > /dev/null || { echo "workspace: skipped, $tool is not installed"; exit 0; }
done
fixture=$(BANGER=$BANGER tests/vm/fixture.sh --debian 2> /dev/null)
BANGER_STATE_DIR=$(mktemp -d "$(dirname "$fixture")/b.XXXXXX")
BANGER_RUN_DIR=$(mktemp -d /tmp/bgr.XXXXXX)
work=$(mktemp -d)
export BANGER_STATE_DIR BANGER_RUN_DIR BANGER_IMAGE=debian-bookworm BANGER_MEMORY=1G BANGER_VCPU=2
cleanup()
{
	"$BANGER" vm delete -q --force dev > /dev/null 2>&1 || true
	rm -rf "$BANGER_STATE_DIR" "$BANGER_RUN_DIR" "$work"
}
trap cleanup EXIT
cp -al "$fixture/version" "$fixture/kernels" "$fixture/images" "$BANGER_STATE_DIR/"

now() { date +%s%3N; }
median() { sort -n "$1" | sed -n "$(((rounds + 1) / 2))p"; }

git init -q -b main "$work/repo"
for d in $(seq 50); do
	mkdir "$work/repo/d$d"
	for f in $(seq 100); do seq "$d" $((d + f * 7 + 20)) > "$work/repo/d$d/f$f"; done
done
git -C "$work/repo" add -A
git -C "$work/repo" -c user.name=b -c user.email=b@b commit -qm one

"$BANGER" vm create -q --name dev > /dev/null
"$BANGER" vm exec dev -- true
"$BANGER" vm ssh dev -- true > /dev/null 2>&1 || { echo "workspace: skipped, the guest has no ssh"; exit 0; }

for round in $(seq "$rounds"); do
	"$BANGER" vm exec -w / dev -- rm -rf /root/repo /root/tar
	start=$(now)
	tar -C "$work/repo" -c . | "$BANGER" vm ssh dev -- sh -c 'mkdir -p /root/tar && tar -C /root/tar -x' 2> /dev/null
	echo $(($(now) - start)) >> "$work/tar"
	start=$(now)
	"$BANGER" vm workspace prepare -q dev "$work/repo"
	echo $(($(now) - start)) >> "$work/prepare"
	for f in 1 2 3; do echo "round $round" >> "$work/repo/d$f/f$f"; done
	start=$(now)
	"$BANGER" vm workspace prepare -q dev
	echo $(($(now) - start)) >> "$work/again"
	"$BANGER" vm exec dev -- sh -c 'for f in 1 2 3 4 5 6 7 8 9 10; do echo x >> d4/f$f; done'
	start=$(now)
	"$BANGER" vm workspace export -q dev > "$work/patch"
	echo $(($(now) - start)) >> "$work/export"
	[ "$(git apply --numstat "$work/patch" | wc -l)" = 10 ]
done
for what in prepare again export; do
	printf 'workspace: %-7s %5d ms, tar | ssh tar %5d ms, ratio %s\n' "$what" "$(median "$work/$what")" \
		"$(median "$work/tar")" "$(awk "BEGIN { printf \"%.2f\", $(median "$work/$what") / $(median "$work/tar") }")"
done
