#!/bin/bash
# nss.sh - looking up NAME.vm: 1,000 VMs against one.  The figure to reach is 200 microseconds; the
# ratio shows that the number of VMs does not matter.
set -eu
cd "$(dirname "$0")/../.."
tool=${BUILD:-build}/tests/tools/nss_time
make -s "$tool"
world=$(mktemp -d)
trap 'rm -rf "$world"' EXIT
mkdir -m 711 "$world/one" "$world/many"
umask 022
echo 10.9.0.0 > "$world/one/vm-0"
names=()
for i in $(seq 0 999); do
	echo "10.9.$((i / 250)).$((i % 250))" > "$world/many/vm-$i"
	names+=("vm-$i.vm")
done
one=$("$tool" "$world/one" 20000 vm-0.vm)
many=$("$tool" "$world/many" 20000 "${names[@]}")
echo "nss: $((many / 1000)).$((many % 1000 / 100)) us for each look-up with 1,000 VMs," \
	"$(awk "BEGIN { printf \"%.2f\", $many / $one }") times that with one"
