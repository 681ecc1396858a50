#!/usr/bin/env bats
# Real guests on the bridge of root, in a network namespace of the test's own; a second one is the
# "internet".

load helpers

setup_file() { vm_setup_file; }

setup()
{
	[ "$(id -u)" -eq 0 ] || skip "bridges and taps need root"
	command -v nft ip > /dev/null || skip "nft or ip is not installed"
	[ -c /dev/net/tun ] || skip "there is no /dev/net/tun"
	vm_setup
	NS=bgr-host-$$ NET=bgr-net-$$
	ip netns add "$NS" || skip "network namespaces cannot be made"
	ip netns add "$NET"
	ip link add up0 netns "$NS" type veth peer name eth0 netns "$NET"
	ip -n "$NS" link set lo up
	ip -n "$NS" addr add 198.51.100.1/24 dev up0
	ip -n "$NS" link set up0 up
	ip -n "$NET" link set lo up
	ip -n "$NET" addr add 198.51.100.2/24 dev eth0
	ip -n "$NET" link set eth0 up
	export BANGER_NET=bridge
}

teardown()
{
	[ -z "${SERVER-}" ] || kill "$SERVER" 2> /dev/null || true
	vm_teardown
	ip netns del "$NS"
	ip netns del "$NET"
}

# A namespace has a /sys of its own, without the control groups that a jail needs.
banger()
{
	# shellcheck disable=SC2016 # for that shell
	ip netns exec "$NS" sh -c '[ -e /sys/fs/cgroup/cgroup.procs ] || mount -t cgroup2 cgroup2 /sys/fs/cgroup 2> /dev/null
		exec "$@"' sh "$BANGER" "$@" 3>&-
}
address() { banger vm show "$1" | jq -r .spec.address; }

# Can guest $1 fetch from the "internet"?
# (busybox' static wget crashes.)
reaches_out()
{
	banger vm exec "$1" -- sh -c 'printf "GET /word HTTP/1.0\r\n\r\n" | nc -w 5 198.51.100.2 8080' |
		grep -x reached
}

@test "nat: guests go out only with --nat, reach each other only with --peers, and send as nobody else" {
	mkdir "$BATS_TEST_TMPDIR/www"
	echo reached > "$BATS_TEST_TMPDIR/www/word"
	ip netns exec "$NET" busybox httpd -f -p 8080 -h "$BATS_TEST_TMPDIR/www" 3>&- &
	SERVER=$!
	banger vm run -q -d --name out --nat > /dev/null
	banger vm run -q -d --name in > /dev/null
	banger vm run -q -d --name peer1 --peers > /dev/null
	banger vm run -q -d --name peer2 --peers > /dev/null

	# The host.
	ip netns exec "$NS" busybox ping -c 1 -W 5 "$(address in)"
	banger vm exec in -- ping -c 1 -W 5 172.30.0.1
	run banger vm exec in -- nc -w 5 172.30.0.1 22
	[ "$status" -ne 0 ]

	# Out, and not.
	[ "$(reaches_out out)" = reached ]
	run reaches_out in
	[ "$status" -ne 0 ]
	banger vm set -q in --nat
	[ "$(reaches_out in)" = reached ]
	banger vm set -q in --no-nat
	run reaches_out in
	[ "$status" -ne 0 ]

	# Each other.
	banger vm exec peer1 -- ping -c 1 -W 5 "$(address peer2)"
	run banger vm exec peer1 -- ping -c 1 -W 2 "$(address in)"
	[ "$status" -ne 0 ]
	run banger vm exec in -- ping -c 1 -W 2 "$(address out)"
	[ "$status" -ne 0 ]
	run banger vm exec out -- ping -c 1 -W 2 "$(address peer1)"
	[ "$status" -ne 0 ]

	# By name: peer2 knew peer1 from its start, peer1 was told when peer2 came.
	banger vm exec peer2 -- grep -x "$(address peer1)	peer1.vm peer1	# banger peer" /etc/hosts
	banger vm exec peer1 -- ping -c 1 -W 5 peer2.vm
	run banger vm exec in -- grep 'banger peer' /etc/hosts
	[ "$status" -eq 1 ]
	# What it missed it learns when somebody connects.
	banger vm exec peer1 -- sed -i '/banger peer/d' /etc/hosts
	touch "$(banger vm show peer1 | jq -r .handles.run_dir)/peers.missed"
	banger vm exec peer1 -- grep peer2.vm /etc/hosts
	banger vm delete -q peer2
	run banger vm exec peer1 -- grep 'banger peer' /etc/hosts
	[ "$status" -eq 1 ]
	banger vm exec peer1 -- grep -x '127.0.1.1	peer1	# banger' /etc/hosts

	# As somebody else.
	[ "$(ip netns exec "$NS" nft -j list counter bridge banger spoofed |
		jq '.nftables[1].counter.packets')" -ge 0 ]
	ip netns exec "$NS" nft reset counter bridge banger spoofed > /dev/null
	banger vm exec out -- ip addr add 172.30.0.250/24 dev eth0
	run banger vm exec out -- ping -c 2 -W 2 -I 172.30.0.250 172.30.0.1
	[ "$status" -ne 0 ]
	[ "$(ip netns exec "$NS" nft -j list counter bridge banger spoofed |
		jq '.nftables[1].counter.packets')" -ge 1 ]
	[ "$(reaches_out out)" = reached ]

	# After a restart as before.
	banger vm restart -q out
	banger vm exec out -- true
	[ "$(reaches_out out)" = reached ]
	banger vm delete -q out in peer1
	[ -z "$(ip netns exec "$NS" nft list ruleset)" ]
	ip netns exec "$NS" ip -o link > "$BATS_TEST_TMPDIR/links"
	[[ $(cat "$BATS_TEST_TMPDIR/links") != *": bgr"* ]] || { cat "$BATS_TEST_TMPDIR/links"; false; }
}
