#!/bin/bash
# firecracker.sh - start to the first answer of the agent: banger against the same Firecracker driven by hand.
#
# For a machine with KVM, such as the lab: make lab-shell, then tests/bench/firecracker.sh there.  Both boot the
# same kernel, boot archive and disks; RUNS times in turn, the medians' ratio counts.
set -eu
: "${BANGER:=banger}" "${RUNS:=3}"
export BANGER_IMAGE=busybox BANGER_MEMORY=256M BANGER_VCPU=1 BANGER_VMM=firecracker BANGER_JAILER_ENABLED=no
if ! command -v firecracker > /dev/null || [ ! -w /dev/kvm ]; then
	echo "skipped: no Firecracker or no KVM"
	exit 0
fi
vm=${BANGER_STATE_DIR:-/var/lib/banger}/vms/bench
work=$(mktemp -d)
pid=

cleanup()
{
	[ -z "$pid" ] || kill "$pid" 2> /dev/null || true
	"$BANGER" vm delete -q bench > /dev/null 2>&1 || true
	rm -rf "$work"
}
trap cleanup EXIT

ms()
{
	echo $(($(date +%s%N) / 1000000))
}

median()
{
	sort -n | sed -n "$(((RUNS + 1) / 2))p"
}

by_banger()
{
	local begin
	begin=$(ms)
	"$BANGER" vm start -q bench > /dev/null
	"$BANGER" vm exec bench -- true
	echo $(($(ms) - begin)) >> "$work/banger"
	cp "$vm/initrd.img" "$work/initrd.img"
	"$BANGER" vm stop -q bench > /dev/null
}

drive()
{
	printf '{"drive_id":"%s","path_on_host":"%s","is_root_device":false,"is_read_only":%s,"cache_type":"Writeback"}' "$@"
}

# The answer is read as soon as it comes; the line's end stays open, as a half-closed one is dropped.
ask()
{
	{ printf 'CONNECT 5226\n'; sleep 0.6; } | socat - "UNIX:$work/vsock" 2> /dev/null
}

by_hand()
{
	local begin kernel answer
	kernel=$(dirname "$vm")/../kernels/$("$BANGER" vm show bench | jq -r .spec.kernel)
	rm -f "$work/vsock" "$work/api"
	cat > "$work/config.json" <<-END
		{"boot-source":{"kernel_image_path":"$kernel/vmlinux","initrd_path":"$work/initrd.img",
		"boot_args":"$(cat "$work/args")"},
		"machine-config":{"vcpu_count":1,"mem_size_mib":256},
		"drives":[$(drive disk0 "$vm/root.img" false),$(drive disk1 "$vm/work.ext4" false),
		$(drive disk2 "$kernel/modules.ext4" true)],
		"vsock":{"guest_cid":3,"uds_path":"$work/vsock"},"entropy":{}}
	END
	begin=$(ms)
	firecracker --api-sock "$work/api" --config-file "$work/config.json" < /dev/null > "$work/log" 2>&1 &
	pid=$!
	until [ -S "$work/vsock" ] && read -r -t 0.5 answer < <(ask) && [[ $answer == OK* ]]; do
		sleep 0.01
	done
	echo $(($(ms) - begin)) >> "$work/hand"
	kill "$pid"
	wait "$pid" 2> /dev/null || true
	pid=
}

"$BANGER" vm create -q --name bench --net none --disk-mode copy > /dev/null
"$BANGER" vm exec bench -- cat /proc/cmdline | sed 's/ pci=off.*//' > "$work/args"
"$BANGER" vm stop -q bench > /dev/null
for _ in $(seq "$RUNS"); do
	by_banger
	by_hand
done
banger=$(median < "$work/banger") hand=$(median < "$work/hand")
echo "start to first answer: banger $banger ms, by hand $hand ms, ratio $(awk "BEGIN { printf \"%.2f\", $banger / $hand }")"
