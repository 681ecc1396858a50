#!/usr/bin/env bats
# stats, ports and wait against agents that tell the truth, lies, or nothing: VMs without guests.

load helpers

setup() { setup_stub; mkdir builtins; export STUB_VMM_BUILTINS=$PWD/builtins; }
teardown() { teardown_stub; }

one() { "$BANGER" vm create -q --name a > /dev/null; }

files() { (cd "$BANGER_STATE_DIR" && find . -printf '%p %s %m %T@ %C@\n' | sort); }

listener()
{
	printf '{"protocol":"%s","address":"%s","family":%s,"port":%s,"pid":7,"process":"%s","user":"root"}' "$@"
}

# ports_answer LISTENER...
ports_answer()
{
	local IFS=,
	printf '{"listeners":[%s],"truncated":false}' "$*" > builtins/ports
}

@test "stats: numbers of the process and the disks, gaps with their reasons, status 0" {
	one
	echo '{"memory_total_bytes":1000,"memory_available_bytes":400,"load_percent":3}' > builtins/stats
	run --separate-stderr "$BANGER" vm stats --json
	is "$status" 0
	is "$(jq '.[0].guest.memory_total_bytes' <<< "$output")" 1000
	is "$(jq '.[0].guest.uptime_s' <<< "$output")" null
	is "$(jq '.[0].pid' <<< "$output")" "$(vmms)"
	is "$(jq '.[0].work_size_bytes' <<< "$output")" $((16 * 1024 * 1024))
	allocated=$(($(stat -c '%b * %B' "$BANGER_STATE_DIR/vms/a/work.ext4")))
	is "$(jq '.[0].work_allocated_bytes' <<< "$output")" "$allocated"
	rss=$(($(awk '/VmRSS/ { print $2 }' "/proc/$(vmms)/status") * 1024))
	is "$(jq ".[0].rss_bytes as \$r | \$r * 2 > $rss and \$r < $rss * 2" <<< "$output")" true
	is "$(jq -r '.[0].unavailable[] | select(.part == "rx_bytes").reason' <<< "$output" | wc -l)" 1
	has "$("$BANGER" vm stats a)" "600B/1000B"
	"$BANGER" vm kill -q a
	run --separate-stderr "$BANGER" vm stats --json a
	is "$status" 0
	is "$(jq -c '.[0] | [.state, .pid, .rss_bytes]' <<< "$output")" '["stopped",null,null]'
	"$BANGER" vm delete -q a
}

@test "stats: several looks, an unknown name fails alone, no VM is an empty list" {
	is "$("$BANGER" vm stats --json)" "[]"
	one
	is "$("$BANGER" vm stats --watch -n 3 -i 10ms a | grep -c '^a ')" 3
	is "$("$BANGER" top --count 2 -i 10ms | grep -c '^a ')" 2
	run "$BANGER" vm stats a nobody
	is "$status" 1
	has "$output" "running"
	has "$output" "nobody"
	"$BANGER" vm delete -q a
}

@test "a hostile agent cannot hurt stats" {
	one
	for lie in 'not json' '{"memory_total_bytes":-5}' '{"memory_total_bytes":"much"}' '[]' '' \
		'{"memory_total_bytes":99999999999999999999999}' "$(printf '[%.0s' $(seq 200))"; do
		printf '%s' "$lie" > builtins/stats
		run --separate-stderr "$BANGER" vm stats --json a
		is "$status" 0
		is "$(jq '.[0].guest.memory_total_bytes' <<< "$output")" null
		is "$(jq -r '[.[0].unavailable[].part] | contains(["guest"])' <<< "$output")" true
	done
	head -c 10000000 /dev/zero | tr '\0' '[' > builtins/stats
	run --separate-stderr "$BANGER" vm stats --json a
	is "$status" 0
	is "$(jq '.[0].guest.memory_total_bytes' <<< "$output")" null
	"$BANGER" vm delete -q a
}

@test "ports: deduplicated, by port, local ones without an endpoint" {
	one
	ports_answer "$(listener tcp :: 6 80 web)" "$(listener tcp 0.0.0.0 4 80 web)" \
		"$(listener udp 0.0.0.0 4 53 dns)" "$(listener tcp 127.0.0.1 4 22 sshd)"
	run --separate-stderr "$BANGER" vm ports --no-probe --json a
	is "$status" 0
	is "$(jq -c '[.[] | [.port, .protocol, .endpoint, .addresses]]' <<< "$output")" \
		'[[22,"tcp",null,["127.0.0.1"]],[53,"udp","a.vm:53",["0.0.0.0"]],[80,"tcp","a.vm:80",["::","0.0.0.0"]]]'
	run "$BANGER" vm wait a --for port:80 -t 5s
	is "$status" 0
	run "$BANGER" vm wait a --for port:53 -t 300ms
	is "$status" 1
	has "$output" "VM 'a' was not 'port:53' in time"
	"$BANGER" vm delete -q a
}

@test "ports: web servers are shown as URLs" {
	one
	ports_answer "$(listener tcp 0.0.0.0 4 80 web)"
	printf 'HTTP/1.1 200 OK\r\n\r\n' > builtins/connect
	is "$("$BANGER" vm ports --json a | jq -r '.[0].url')" "http://a.vm:80/"
	printf '\x16\x03\x03\x00\x10' > builtins/connect
	is "$("$BANGER" vm ports --json a | jq -r '.[0].url')" "https://a.vm:80/"
	printf 'HTTP/1.1 400 Bad Request\r\n\r\n' > builtins/connect
	is "$("$BANGER" vm ports --json a | jq -r '.[0].url')" "http://a.vm:80/"
	printf 'SSH-2.0-x\r\n' > builtins/connect
	is "$("$BANGER" vm ports --json a | jq -r '.[0].url')" null
	run "$BANGER" vm wait a --for ssh -t 5s
	is "$status" 0
	rm builtins/connect
	is "$("$BANGER" vm ports --json a | jq -r '.[0].url')" null
	"$BANGER" vm delete -q a
}

@test "a hostile agent cannot hurt ports" {
	one
	for lie in "$(listener tcp 0.0.0.0 4 0 web)" "$(listener tcp 0.0.0.0 4 70000 web)" \
		"$(listener tcp 0.0.0.0 5 80 web)" "$(listener sctp 0.0.0.0 4 80 web)" \
		"$(listener tcp '../../x' 4 80 web)" "$(listener tcp :: 4 80 web)" \
		"$(listener tcp 0.0.0.0 4 80 "$(head -c 100 /dev/zero | tr '\0' x)")" '{}' '7' 'x'; do
		ports_answer "$lie"
		run "$BANGER" vm ports a
		is "$status" 1
		has "$output" "VM 'a'"
	done
	many=$(listener tcp 0.0.0.0 4 80 web)
	ports_answer "$many$(printf ",$many%.0s" $(seq 600))"
	run "$BANGER" vm ports a
	is "$status" 1
	ports_answer "$(listener tcp 0.0.0.0 4 80 'a\u001b[2Jb')"
	run "$BANGER" vm ports --no-probe a
	is "$status" 0
	has "$output" 'a\x1b[2Jb'
	"$BANGER" vm delete -q a
}

@test "observers write nothing and work on a state directory that cannot be written" {
	one
	echo '{"memory_total_bytes":1000}' > builtins/stats
	ports_answer "$(listener tcp 0.0.0.0 4 80 web)"
	before=$(files)
	"$BANGER" vm stats > /dev/null
	"$BANGER" vm ports a > /dev/null
	"$BANGER" vm health > /dev/null
	"$BANGER" vm wait a --for agent
	"$BANGER" top > /dev/null
	"$BANGER" ps > /dev/null
	"$BANGER" vm ping a > /dev/null
	for looking in "vm show a" "vm events a" "vm logs a" "vm stats --history a" "doctor -q" "system df" "net status" \
		"gc --dry-run" "vm prune --dry-run" "ssh-config" "internal complete -- vm show"; do
		# shellcheck disable=SC2086 # several words
		"$BANGER" $looking > /dev/null || [ "$looking" = "doctor -q" ]
	done
	is "$(files)" "$before"
	# And where nothing can be written at all.
	if [ "$(id -u)" -eq 0 ] && unshare -m true 2> /dev/null; then
		unshare -m bash -e -c 'mount --bind "$BANGER_STATE_DIR" "$BANGER_STATE_DIR"
			mount -o remount,ro,bind "$BANGER_STATE_DIR"
			! touch "$BANGER_STATE_DIR/x" 2> /dev/null
			"$0" vm stats > /dev/null; "$0" vm ports a > /dev/null; "$0" vm health -q; "$0" ps > /dev/null
			"$0" vm stats --history a > /dev/null; "$0" system df > /dev/null; "$0" vm exec a -- exit 0' "$BANGER"
	fi
	"$BANGER" vm delete -q a
}

@test "wait: states, a removed VM is stopped, one that nobody starts fails at once" {
	one
	"$BANGER" vm wait a --for running
	(sleep 0.3; exec "$BANGER" vm delete -q a) &
	"$BANGER" vm wait a --for stopped -t 20s
	wait $!
	"$BANGER" vm create -q --no-start --name b > /dev/null
	run "$BANGER" vm wait b -t 20s
	is "$status" 1
	has "$output" "is not running"
	run "$BANGER" vm wait b --for port:0
	is "$status" 2
	"$BANGER" vm delete -q b
}
