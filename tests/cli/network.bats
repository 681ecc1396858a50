# The bridge of root, in a network namespace of each test's own, with a stand-in for QEMU.

load helpers

setup()
{
	[ "$(id -u)" -eq 0 ] || skip "bridges and taps need root"
	needs ip
	needs nft
	[ -c /dev/net/tun ] || skip "there is no /dev/net/tun"
	setup_stub
	NS=bgr-test-$$
	ip netns add "$NS" || skip "network namespaces cannot be made"
	ip -n "$NS" link set lo up
	inside sh -c 'echo 0 > /proc/sys/net/ipv4/ip_forward' # namespaces begin as their host is
	export BANGER_NET=bridge
}

teardown()
{
	teardown_stub
	ip netns del "$NS" 2> /dev/null || true
}

inside() { ip netns exec "$NS" "$@"; }

# In the namespace.  The VMM goes on, so nothing may hold the test's own descriptors.
banger() { ip netns exec "$NS" "$BANGER" "$@" 3>&-; }

elements() { inside nft list ruleset | grep -o "\"bgr[0-9a-f]*\" . [0-9a-f:]* . [0-9.]*" | sort; }

field() { banger vm show "$1" | jq -r ".spec.$2"; }

# Nothing of banger's is in the namespace.
no_network()
{
	is "$(inside ip -o link | grep -c 'bgr\|br-banger')" 0
	is "$(inside nft list tables | grep -c banger)" 0
}

@test "rules and taps are there while a VM runs, once, and gone with it" {
	run banger vm create --name a --nat
	has "$output" "forwards packets now"
	address=$(field a address)
	id=$(field a id)
	is "$(elements)" "\"bgr${id:0:8}\" . 02:${id:0:2}:${id:2:2}:${id:4:2}:${id:6:2}:${id:8:2} . $address"
	is "$(inside cat "/sys/class/net/bgr${id:0:8}/ifalias")" "$BANGER_STATE_DIR/vms/a $(stat -c %D-%i "$BANGER_STATE_DIR" | tr - ' ' | xargs printf '%s-%x')"
	has "$(inside ip -4 addr show br-banger)" "172.30.0.1/24"
	before=$(inside nft list ruleset)
	banger vm restart -q a
	is "$(inside nft list ruleset)" "$before"
	banger vm stop -q a
	no_network
	is "$(ls "$BANGER_STATE_DIR/leases/ip")" "$address"
	banger vm start -q a
	is "$(field a address)" "$address"
	is "$(inside nft list ruleset)" "$before"
	has "$(banger vm list)" "$address"
	banger vm delete -q a
	no_network
	is "$(ls "$BANGER_STATE_DIR/leases/ip")" ""
	nothing_is_left
}

@test "nat is toggled while the VM runs, and the host forwards only when a VM needs it" {
	is "$(inside cat /proc/sys/net/ipv4/ip_forward)" 0
	banger vm create -q --name a
	is "$(inside cat /proc/sys/net/ipv4/ip_forward)" 0
	address=$(field a address)
	run ! inside nft get element inet banger nat "{ $address }"
	run banger vm set a --nat
	has "$output" "nat on"
	inside nft get element inet banger nat "{ $address }"
	is "$(inside cat /proc/sys/net/ipv4/ip_forward)" 1
	is "$(field a nat)" true
	banger vm set -q a --no-nat
	run ! inside nft get element inet banger nat "{ $address }"
	banger vm delete -q a
	BANGER_NET=user banger vm create -q --no-start --name b
	run banger vm set b --nat
	is "$status" 1
	has "$output" "not on the bridge"
}

@test "a filter that somebody flushed is made again with all running VMs; others' tables stay as they are" {
	inside nft add table ip theirs
	inside nft add chain ip theirs c "{ type filter hook input priority 0; }"
	inside nft add rule ip theirs c tcp dport 22 counter accept
	theirs=$(inside nft list table ip theirs)
	banger vm create -q --name a
	banger vm create -q --name b --nat --peers
	both=$(elements)
	is "$(echo "$both" | wc -l)" 2
	inside nft delete table inet banger
	inside nft delete table bridge banger
	banger vm restart -q a
	is "$(elements)" "$both"
	has "$(inside nft list set inet banger nat)" "$(field b address)"
	has "$(inside nft list set bridge banger talkers)" "$(field b id | cut -c 1-8)"
	inside nft flush ruleset
	banger vm stop -q a
	banger vm delete -q a b
	no_network
	inside nft add table ip theirs
	is "$(inside nft list tables)" "table ip theirs"
	[ -n "$theirs" ]
}

@test "others who drop what is forwarded are named, with what lets it through" {
	inside nft add table ip filter
	inside nft add chain ip filter FORWARD "{ type filter hook forward priority 0; policy drop; }"
	run banger vm create --name a --nat
	is "$status" 0
	has "$output" "ip filter FORWARD"
	remedy=$(echo "$output" | grep -o 'nft insert rule .*accept')
	inside sh -c "$remedy"
	is "$(inside nft list chain ip filter FORWARD | grep -c 'br-banger.*accept')" 2
	banger vm delete -q a
}

@test "a network that overlaps with one of the host is refused with both, and nothing is left" {
	inside ip link add uplink type veth peer name other
	inside ip addr add 172.30.0.99/16 dev uplink
	inside ip link set uplink up
	run banger vm create --name a
	is "$status" 1
	has "$output" "172.30.0.1/24"
	has "$output" "172.30.0.99/16"
	has "$output" "uplink"
	has "$output" "net.subnet"
	no_network
	is "$(banger vm list -q)" ""
	BANGER_SUBNET=10.9.8.1/24 banger vm create -q --name a > /dev/null
	is "$(field a address | cut -d . -f 1-3)" 10.9.8
	BANGER_SUBNET=10.9.8.1/24 banger vm delete -q a
	run env BANGER_SUBNET=10.9.8.0/24 ip netns exec "$NS" "$BANGER" vm create --name b
	is "$status" 1
	has "$output" "names no host"
	nothing_is_left
}

@test "the bridge that another banger makes at the same moment is not in the way" {
	needs strace
	is_sanitized && skip "the leak sanitizer cannot run under strace"
	# Before it looks at the addresses and routes of the host.
	inside strace -q -o "$PWD/trace" -e trace=sendmsg -e inject=sendmsg:delay_enter=3000000:when=1 \
		"$BANGER" vm create -q --name a 3>&- & first=$!
	sleep 1
	banger vm create -q --name b
	kill -0 "$first"
	wait "$first"
	banger vm delete -q a b
	no_network
}

@test "addresses run out with a sentence; one whose VM is gone is taken over" {
	export BANGER_SUBNET=172.30.0.1/30
	banger vm create -q --no-start --name a
	run banger vm create -q --no-start --name b
	is "$status" 1
	has "$output" "addresses of the VMs' network are taken"
	rm -r "$BANGER_STATE_DIR/vms/a"
	banger vm create -q --no-start --name c
	is "$(field c address)" 172.30.0.2
	banger vm rename -q c d
	run banger vm create -q --no-start --name e
	is "$status" 1
	banger vm delete -q d
	banger vm create -q --no-start --name e
	banger vm delete -q e
	nothing_is_left
}

@test "50 VMs made at once by 50 processes have 50 addresses" {
	local pids=()

	for i in $(seq 50); do
		banger vm create -q --no-start --name "vm$i" > /dev/null &
		pids+=($!)
	done
	wait "${pids[@]}"
	is "$(ls "$BANGER_STATE_DIR/leases/ip" | wc -l)" 50
	is "$(banger vm list --json | jq -r '.[].spec.address' | sort -u | wc -l)" 50
	# shellcheck disable=SC2046 # names
	banger vm delete -q $(seq -f vm%g 50)
	is "$(ls "$BANGER_STATE_DIR/leases/ip")" ""
	nothing_is_left
}

@test "50 VMs started and deleted at once leave nothing" {
	local pids=()

	banger vm create -q --no-start --name keep
	for i in $(seq 50); do
		{ banger vm create -q --name "vm$i" && banger vm delete -q "vm$i"; } > /dev/null 2>> errors &
		pids+=($!)
	done
	wait "${pids[@]}"
	is "$(cat errors)" ""
	is "$(banger vm list -q)" keep
	banger vm delete -q keep
	no_network
	nothing_runs
	nothing_is_left
}

@test "the last VMs go at the same moment, and the rules go with them" {
	needs strace
	is_sanitized && skip "the leak sanitizer cannot run under strace"
	banger vm create -q --name a
	banger vm create -q --name b
	# The third lock is the one for the tap, after the rules.
	inside strace -q -o "$PWD/trace" -e trace=flock -e inject=flock:delay_enter=2000000:when=3 \
		"$BANGER" vm delete -q a 3>&- & first=$!
	timeout 20 bash -c 'until [ -e trace ] && [ "$(grep -c flock trace)" -ge 2 ]; do sleep 0.02; done'
	banger vm delete -q b
	kill -0 "$first"
	wait "$first"
	no_network
}

@test "killed at any moment of start and stop: delete leaves nothing" {
	for i in $(seq 25); do
		banger vm create -q --no-start --name "k$i" --nat
		timeout -s KILL "0.0$(printf %02d $((i * 3)))" ip netns exec "$NS" "$BANGER" vm start -q "k$i" \
			3>&- 2> /dev/null || true
		[ $((i % 3)) -ne 0 ] || rm -f "$BANGER_STATE_DIR/vms/k$i/handles.json"
		banger vm delete -q "k$i"
	done
	no_network
	is "$(ls "$BANGER_STATE_DIR/leases/ip")" ""
	nothing_runs
	nothing_is_left
}

@test "idle taps are kept warm, claimed by name, and removed" {
	has "$(banger net warm 3)" "3 idle taps"
	is "$(banger net status --json | jq .idle_taps)" 3
	banger vm create -q --name a
	is "$(banger net status --json | jq .idle_taps)" 2
	is "$(banger net status --json | jq '.taps | length')" 1
	banger vm delete -q a
	banger net warm -q 0
	no_network
	run banger net warm 9999
	is "$status" 1
}

@test "options that cannot be honoured are refused" {
	run banger vm create -q --no-start --net none --nat
	is "$status" 1
	has "$output" "--nat needs a bridge"
	run banger vm create -q --no-start --net user --peers
	is "$status" 1
	run banger vm create -q --no-start --nat --no-nat
	is "$status" 2
	BANGER_NFT_BIN=/nowhere/nft run banger vm create -q --no-start --net bridge
	is "$status" 1
	has "$output" "nftables is not installed"
	run env BANGER_BRIDGE='br"0' "$BANGER" vm list
	is "$status" 1
	has "$output" "no name for a network interface"
	nothing_is_left
}
