#!/usr/bin/env bats
# The watcher's DNS server, asked by a real client; systemd-resolved is a stand-in here (tests/lab has it).

load helpers

setup()
{
	setup_world
	needs dig
	NAMES=$BANGER_STATE_DIR/names
	"$BANGER" vm list > /dev/null
	mkdir -p "$NAMES"
	add web 172.30.0.9
	watch=
}

teardown()
{
	[ -z "$watch" ] || kill "$watch" || true
}

# What a start of VM $1 with address $2 leaves for all to read.
add()
{
	echo "$2" > "$NAMES/$1"
	echo "$1" > "$NAMES/$2"
}

# Starts a watcher on any port.
serve()
{
	"$(dirname "$BANGER")/banger-watch" --stay --dns --dns-port 0 > log 2>&1 &
	watch=$!
	for _ in $(seq 200); do
		! grep -q '^banger-watch: names of VMs are served on port' log || break
		sleep 0.05
	done
	port=$(sed -n 's/.*served on port \([0-9]*\) of 127.0.0.1$/\1/p' log)
	[ "$port" -gt 0 ]
}

ask()
{
	dig @127.0.0.1 -p "$port" +time=10 +tries=1 +norec "$@"
}

# How often the watcher has slept.
wake_ups()
{
	awk '/^voluntary/ { n += $2 } END { print n }' "/proc/$watch/task/"*/status
}

# status, flags and number of answers
verdict()
{
	ask +noall +comments "$@" | sed -n 's/.*status: \([A-Z]*\),.*/\1/p; s/^;; flags: \(.*\); QUERY.*ANSWER: \([0-9]*\),.*/\1 \2/p' | xargs
}

@test "dns: addresses and names of VMs, by UDP and TCP, as they are at the moment" {
	serve
	is "$(ask +short web.vm)" 172.30.0.9
	is "$(ask +short +tcp WEB.vm)" 172.30.0.9
	is "$(ask +short -x 172.30.0.9)" web.vm.
	is "$(verdict web.vm)" "NOERROR qr aa 1"
	is "$(verdict web.vm AAAA)" "NOERROR qr aa 0"
	is "$(verdict nobody.vm)" "NXDOMAIN qr aa 0"
	is "$(verdict sub.web.vm)" "NXDOMAIN qr aa 0"
	is "$(verdict -x 172.30.0.8)" "NXDOMAIN qr aa 0"
	is "$(verdict vm SOA)" "NOERROR qr aa 1"
	is "$(verdict vm NS)" "NOERROR qr aa 1"
	is "$(verdict www.example)" "REFUSED qr 0"
	is "$(verdict -x 172.30.1.9)" "REFUSED qr 0"
	[[ "$(ask vm AXFR)" == *"Transfer failed"* ]]
	# A time to live of zero: the next question sees the next VM.
	add two 172.30.0.10
	is "$(ask +short two.vm)" 172.30.0.10
	rm "$NAMES/web"
	is "$(verdict web.vm)" "NXDOMAIN qr aa 0"
	is "$(verdict -x 172.30.0.9)" "NXDOMAIN qr aa 0"
	add three 172.30.0.9
	is "$(ask +short -x 172.30.0.9)" three.vm.
	for name in names 172.30.0.10 -web web-; do
		[[ "$(verdict -q "$name.vm")" == "NXDOMAIN qr aa 0" ]]
	done
	kill "$watch"
	wait "$watch"
	watch=
}

@test "dns: what is no query is passed over, and the memory stays small" {
	serve
	for size in 1 11 12 13 100 512 1232 1233 4000; do
		head -c "$size" /dev/urandom > "/dev/udp/127.0.0.1/$port"
		head -c "$size" /dev/zero > "/dev/udp/127.0.0.1/$port"
		head -c "$size" /dev/urandom > "/dev/tcp/127.0.0.1/$port" || true
	done
	for _ in $(seq 200); do
		# An answer, and a question of two questions: neither may be answered.
		printf '\x12\x34\x80\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03web\x02vm\x00\x00\x01\x00\x01'
		printf '\x12\x34\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x03web\x02vm\x00\x00\x01\x00\x01'
	done > "/dev/udp/127.0.0.1/$port"
	is "$(ask +short web.vm)" 172.30.0.9
	exec {open}<> "/dev/tcp/127.0.0.1/$port" # and says nothing
	is "$(ask +short +tcp web.vm)" 172.30.0.9
	exec {open}>&-
	is_sanitized || [ "$(awk '/VmHWM/ { print $2 }' "/proc/$watch/status")" -le 4096 ]
	before=$(wake_ups)
	sleep 1
	is "$(wake_ups)" "$before"
}

@test "dns: one server for a port, and none for a single look" {
	serve
	export BANGER_STATE_DIR=$BATS_TEST_TMPDIR/other
	run -1 "$BANGER" watch --stay --dns --dns-port "$port"
	has "$output" "serving the names of VMs: port $port of 127.0.0.1 is in use"
	# As a setting it is no reason not to watch.
	run -0 env BANGER_WATCH_DNS=yes BANGER_WATCH_DNS_PORT="$port" "$BANGER" watch
	has "$output" "port $port of 127.0.0.1 is in use"
	run -2 "$BANGER" watch --once --dns
	has "$output" "--once ends it"
	run -2 "$(dirname "$BANGER")/banger-watch" --once --dns
	run -2 "$BANGER" watch --dns --dns-port 65536
	run -0 env BANGER_WATCH_DNS=yes "$BANGER" watch --once
	is "$output" ""
}

@test "dns: systemd-resolved is told, asked what it understood, and told to forget" {
	[ "$(id -u)" = 0 ] || skip "needs root"
	unshare -n true 2> /dev/null || skip "this host gives no network namespaces"
	mkdir bin
	cat > bin/resolvectl <<- 'END'
		#!/bin/sh
		echo "$@" >> calls
		[ ! -e fails ] || { echo "Failed to talk: $(cat fails)" >&2; exit 1; }
		[ "$1" = revert ] && rm -f kept.*
		if [ $# -gt 2 ]; then shift; echo "Link 2 ($1): $*" > "kept.$(tail -n 1 calls | cut -d ' ' -f 1)"; fi
		[ $# -ne 2 ] || [ -e forgets ] || cat "kept.$1" 2> /dev/null || true
	END
	chmod +x bin/resolvectl
	cat > inside <<- 'END'
		set -eu
		ip link set lo up
		"$1" watch --stay --dns --dns-port 5380 > log 2>&1 &
		sleep 0.5
		ip link add br-banger type bridge
		ip addr add 172.30.0.1/24 dev br-banger
		for _ in $(seq 100); do [ "$(wc -l < log)" -lt 2 ] || break; sleep 0.05; done
		kill $!
		wait $!
	END
	run -0 env PATH="$PWD/bin:$PATH" unshare -n bash inside "$BANGER"
	is "$(tail -n 1 log)" "systemd-resolved resolves names of VMs, through bridge 'br-banger'"
	is "$(cat calls)" "dns br-banger
default-route br-banger no
dnssec br-banger no
dnsovertls br-banger no
domain br-banger ~vm ~0.30.172.in-addr.arpa
dns br-banger 127.0.0.1:5380
dns br-banger
domain br-banger
revert br-banger"
	echo "Link 2 (br-banger): 192.0.2.53 192.0.2.54" > kept.dns
	rm calls
	run -0 env PATH="$PWD/bin:$PATH" unshare -n bash inside "$BANGER"
	is "$(tail -n 1 log)" "programs that ask systemd-resolved do not find names of VMs: bridge 'br-banger' has a DNS server of somebody else, 192.0.2.53, which stays"
	is "$(uniq calls)" "dns br-banger"
	echo "Link 2 (br-banger): 127.0.0.1:999" > kept.dns # of a watcher that was killed
	run -0 env PATH="$PWD/bin:$PATH" unshare -n bash inside "$BANGER"
	is "$(tail -n 1 log)" "systemd-resolved resolves names of VMs, through bridge 'br-banger'"
	touch forgets
	run -0 env PATH="$PWD/bin:$PATH" unshare -n bash inside "$BANGER"
	is "$(tail -n 1 log)" "programs that ask systemd-resolved do not find names of VMs: systemd-resolved was told to ask 127.0.0.1:5380 about bridge 'br-banger' and does not"
	echo "no bus" > fails
	run -0 env PATH="$PWD/bin:$PATH" unshare -n bash inside "$BANGER"
	is "$(tail -n 1 log)" "programs that ask systemd-resolved do not find names of VMs: 'resolvectl' failed with status 1; resolvectl said: Failed to talk: no bus"
}
