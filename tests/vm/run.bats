#!/usr/bin/env bats
# vm run: the main job.

load helpers

setup_file() { vm_setup_file; }
setup() { vm_setup; }
teardown() { vm_teardown; }

@test "bare_run: one command in a machine that is gone afterwards" {
	run --separate-stderr "$BANGER" vm run --rm -- uname -s
	[ "$status" -eq 0 ]
	[ "$output" = Linux ]
	[ -z "$("$BANGER" vm list -q)" ]
}

@test "exit_code: the command's status is passed through" {
	run "$BANGER" vm run -q --rm -- sh -c 'exit 42'
	[ "$status" -eq 42 ]
}

@test "standard input reaches the command with -i" {
	output=$(echo hi | "$BANGER" vm run -q --rm -i -- cat)
	[ "$output" = hi ]
}

@test "not found, not executable, killed: 127, 126, 128 + n, each with a sentence" {
	"$BANGER" vm run -q -d --name a > /dev/null
	run -127 "$BANGER" vm exec a -- no-such-program
	[ "$status" -eq 127 ]
	[[ "$output" == *no-such-program* ]]
	run "$BANGER" vm exec a -- /etc/passwd
	[ "$status" -eq 126 ]
	run "$BANGER" vm exec a -- sh -c 'kill -TERM $$'
	[ "$status" -eq 143 ]
	run "$BANGER" vm exec --workdir /nowhere a -- true
	[ "$status" -eq 125 ]
	[[ "$output" == */nowhere* ]]
	run "$BANGER" vm exec --user nobody-here a -- true
	[ "$status" -eq 125 ]
	[[ "$output" == *nobody-here* ]]
}

@test "a time limit is kept on the host: 124" {
	run timeout 60 "$BANGER" vm run -q --rm --timeout 2s -- sleep 1000
	[ "$status" -eq 124 ]
}

@test "environment, user and directory reach the command" {
	"$BANGER" vm run -q -d --name a --env FROM_RUN=1 > /dev/null
	run --separate-stderr "$BANGER" vm exec --env "TWO=a b" --user nobody --workdir /tmp a -- \
		sh -c 'echo "$FROM_RUN|$TWO|$(id -un)|$(pwd)"'
	[ "$output" = "1|a b|nobody|/tmp" ]
}

@test "concurrent_run: two at once, both succeed" {
	"$BANGER" vm run -q --rm -- echo one > "$BATS_TEST_TMPDIR/one" &
	first=$!
	"$BANGER" vm run -q --rm -- echo two > "$BATS_TEST_TMPDIR/two"
	wait "$first"
	[ "$(cat "$BATS_TEST_TMPDIR/one" "$BATS_TEST_TMPDIR/two")" = "$(printf 'one\ntwo')" ]
}

@test "detach_run: contradictory flags are refused before anything is made; -d leaves a reachable VM" {
	run "$BANGER" vm run -d --rm
	[ "$status" -eq 2 ]
	run "$BANGER" vm run -d -- true
	[ "$status" -eq 2 ]
	[ -z "$("$BANGER" vm list -q)" ]
	run --separate-stderr "$BANGER" vm run -d --name a
	[ "$output" = a ]
	[ "$(state a)" = running ]
	"$BANGER" vm exec a -- true
}

@test "invalid_spec and invalid_name: refused with a sentence, no row left" {
	for bad in "--vcpu 0" "--vcpu -1" "--memory 0" "--memory 1x" "--disk-size 0" "--name -a" "--name A" \
		"--name a.b" "--net magic" "--disk-mode magic" "--image ../x" "--env NOVALUE" \
		"--kernel ." "--memory 100000G" "--system-overlay-size 1M"; do
		# shellcheck disable=SC2086
		run "$BANGER" vm run $bad -- true
		[ "$status" -ne 0 ]
		[ -n "$output" ]
	done
	[ -z "$("$BANGER" vm list -q)" ]
}

@test "net none attaches no interface; net user gives an address, a route and a resolver" {
	only_qemu
	run --separate-stderr "$BANGER" vm run -q --rm --net none -- ls /sys/class/net
	[ "$output" = lo ]
	"$BANGER" vm run -q -d --name a > /dev/null
	run --separate-stderr "$BANGER" vm exec a -- ip -4 addr show dev eth0
	[[ "$output" == *10.0.2.15/24* ]]
	run --separate-stderr "$BANGER" vm exec a -- sh -c 'ip route; cat /etc/resolv.conf; hostname'
	[[ "$output" == *"default via 10.0.2.2"* ]]
	[[ "$output" == *"nameserver 10.0.2.3"* ]]
	[[ "$output" == *a ]]
	# The way out really works: the host answers on the gateway's address.
	printf 'hello from the host' > "$BATS_TEST_TMPDIR/page"
	socat -u OPEN:"$BATS_TEST_TMPDIR/page" TCP-LISTEN:18090,bind=127.0.0.1,reuseaddr &
	server=$!
	run --separate-stderr "$BANGER" vm exec a -- sh -c 'nc 10.0.2.2 18090 < /dev/null'
	kill "$server" 2> /dev/null || true
	[ "$output" = "hello from the host" ]
}

@test "each disk mode boots with the size that was asked for" {
	only_qemu
	for mode in qcow2 copy; do
		run --separate-stderr "$BANGER" vm run -q --rm --disk-mode "$mode" \
			--system-overlay-size 20G --disk-size 3G -- \
			sh -c 'df -k / /root | awk "NR > 1 { print int(\$2 / 1000000) }"; touch /etc/x /root/x'
		[ "$status" -eq 0 ]
		[ "$(echo "$output" | head -n 1)" -ge 19 ]
		[ "$(echo "$output" | tail -n 1)" -ge 2 ]
	done
}

@test "what the image has in /root is there, on the work disk" {
	run --separate-stderr "$BANGER" vm run -q --rm -- cat /root/in-image
	[ "$output" = "from the image" ]
}

@test "an image with an init of its own: busybox init is pid 1 and the agent answers" {
	run --separate-stderr "$BANGER" vm run -q --rm --image busybox-init -- cat /proc/1/comm
	[ "$status" -eq 0 ]
	[ "$output" = init ]
}

@test "an OCI image's entry point runs as its user with its environment, when detached" {
	"$BANGER" vm run -q -d --name a --image entry > /dev/null
	for _ in $(seq 50); do
		"$BANGER" vm logs a | grep -q 'entry point' && break
		sleep 0.2
	done
	run "$BANGER" vm logs a
	[[ "$output" == *"entry point: hello as nobody in /tmp"* ]]
	run --separate-stderr "$BANGER" vm exec a -- sh -c 'echo $GREETING'
	[ "$output" = hello ]
}

@test "modules of the kernel can be loaded in the guest" {
	run --separate-stderr "$BANGER" vm run -q --rm -- \
		sh -c 'ls "/lib/modules/$(uname -r)/modules.dep" && modprobe dummy && grep -c "^dummy" /proc/modules'
	[ "$status" -eq 0 ]
}

@test "--timing prints the phases" {
	run "$BANGER" vm run --rm --timing -- true
	[ "$status" -eq 0 ]
	[[ "$output" == *"timing: create "*", start "*", boot "*", command "*", delete "* ]]
}

@test "as an ordinary user, with an empty environment but HOME" {
	only_qemu
	home=$(mktemp -d /tmp/bgu.XXXXXX)
	mkdir -p "$home/.local/state/banger" "$home/run"
	cp -a "$FIXTURE/version" "$FIXTURE/kernels" "$home/.local/state/banger/"
	mkdir "$home/.local/state/banger/images"
	cp -a "$FIXTURE/images/busybox" "$home/.local/state/banger/images/"
	chown -R nobody: "$home"
	chmod 0700 "$home/.local/state/banger"
	cp "$BANGER" "$home/banger"
	run --separate-stderr setpriv --reuid nobody --regid nogroup --clear-groups \
		env -i HOME="$home" XDG_RUNTIME_DIR="$home/run" "$home/banger" vm run -q --rm --image busybox \
		--memory 256M --vcpu 1 -- id -u
	rm -rf "$home"
	echo "$stderr" >&2
	[ "$status" -eq 0 ]
	[ "$output" = 0 ]
}

@test "Ctrl-C while it boots leaves no VM with --rm" {
	(trap - INT; exec "$BANGER" vm run -q --rm --name gone -- true) &
	pid=$!
	for _ in $(seq 100); do
		[ "$(state gone 2> /dev/null)" = running ] && break
		sleep 0.05
	done
	kill -INT "$pid"
	status=0
	wait "$pid" || status=$?
	[ "$status" -eq 130 ]
	[ -z "$("$BANGER" vm list -q)" ]
}

@test "a guest that never becomes reachable is kept, even with --rm, and the message names the log" {
	run "$BANGER" vm run --rm --name slow --boot-timeout 100ms -- true
	[ "$status" -eq 125 ]
	[[ "$output" == *"banger vm logs slow"* ]]
	[ "$(state slow)" = running ]
}

@test "a kernel that finds virtio devices only over PCI boots on q35" {
	only_qemu
	record=$BANGER_STATE_DIR/kernels/debian-12/kernel.json
	jq '.initrd_modules -= ["virtio_mmio"]' "$record" > "$BATS_TEST_TMPDIR/kernel.json"
	rm "$record" # a hard link to the fixture's
	cp "$BATS_TEST_TMPDIR/kernel.json" "$record"
	"$BANGER" vm run -q -d --name a > /dev/null
	tr '\0' '\n' < "/proc/$("$BANGER" vm show a | jq -r .handles.vmm.pid)/cmdline" | grep -q '^q35'
	run --separate-stderr "$BANGER" vm exec a -- sh -c 'touch /root/x && ip -4 addr show dev eth0'
	[[ "$output" == *10.0.2.15/24* ]]
	run "$BANGER" vm stop a
	[ "$output" = "a: stopped" ]
}

@test "without a command: a shell on this terminal, and a word that the VM is still running" {
	command -v tmux > /dev/null || skip "tmux is not installed"
	tmux -L "bgs$$" -f /dev/null new-session -d -x 120 -y 30 "$BANGER vm run --name a; sleep 100"
	for _ in $(seq 300); do
		tmux -L "bgs$$" capture-pane -p | grep -q '#' && break
		sleep 0.1
	done
	tmux -L "bgs$$" send-keys 'echo pid $(cat /proc/1/comm) $((6*7))' Enter
	sleep 1
	tmux -L "bgs$$" send-keys 'exit' Enter
	sleep 1
	run tmux -L "bgs$$" capture-pane -p
	tmux -L "bgs$$" kill-server
	[[ "$output" == *"42"* ]]
	[[ "$output" == *"VM 'a' is still running; stop it with: banger vm stop a"* ]]
}

@test "too little disk space is found before anything is made" {
	[ "$(id -u)" = 0 ] || skip "mounting a small file system needs root"
	small=$(mktemp -d "$BATS_TEST_TMPDIR/small.XXXX")
	mount -t tmpfs -o size=100m,mode=0700 banger-small "$small"
	run "$BANGER" vm run --state-dir "$small" -- true
	umount "$small"
	[ "$status" -eq 125 ]
	[[ "$output" == *"are free below"* ]]
}
