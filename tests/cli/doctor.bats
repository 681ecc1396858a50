#!/usr/bin/env bats
# 'doctor': rows, exit status, what --fix does and that nothing else writes.

load helpers

setup()
{
	setup_world
	export BANGER_SYSROOT=$TOP/tests/sysroots/good
	[ "$(uname -m)" = x86_64 ] || skip "the dumps are of amd64"
	mkdir bin
	export PATH=$PWD/bin:$PATH
	program qemu-system-x86_64 'QEMU emulator version 8.2.0 (Debian 1:8.2.0+ds)'
	program nft '{"nftables": [{"metainfo": {"json_schema_version": 1}}]}'
}

# A program that only prints.
program()
{
	printf '#!/bin/sh\ncat << "END"\n%s\nEND\n' "$2" > "bin/$1"
	chmod 755 "bin/$1"
}

# verdict CHECK, what CHECK, remedy CHECK: of the last report
verdict() { jq -r ".[] | select(.name == \"$1\") | .verdict" report; }
seen() { jq -r ".[] | select(.name == \"$1\") | .seen" report; }
remedy() { jq -r ".[] | select(.name == \"$1\") | .remedy" report; }

doctor()
{
	status=0
	"$BANGER" doctor --json "$@" > report || status=$?
	jq -e 'length > 20' report > /dev/null
}

@test "doctor: a good machine has no FAIL, and nothing is written" {
	needs jq
	doctor
	is "$status" 0
	is "$(jq -r '[.[] | select(.verdict == "fail")] | length' report)" 0
	is "$(verdict kvm)" pass
	is "$(verdict vmm)" pass
	has "$(seen qemu)" "version 8.2.0"
	has "$(seen state)" "not there yet"
	has "$(seen "default image")" "pulled when it is first needed"
	[ ! -e "$BANGER_STATE_DIR" ]
	[ ! -e "$HOME/.config" ]
	[ ! -e "$HOME/.ssh" ]
	run "$BANGER" doctor
	is "$status" 0
	has "$output" "PASS  kvm"
	has "$output" " 0 failed"
}

@test "doctor: with -q only what is not PASS is shown" {
	export BANGER_SYSROOT=$TOP/tests/sysroots/no-kvm
	run "$BANGER" doctor -q
	is "$status" 0
	has_not "$output" "PASS"
	has "$output" "WARN  kvm"
	has "$output" "-> Turn on nested virtualisation"
}

@test "doctor: what makes machines impossible fails" {
	needs jq
	export BANGER_SYSROOT=$TOP/tests/sysroots/ancient
	doctor
	is "$status" 1
	is "$(verdict kernel)" fail
	export BANGER_SYSROOT=$TOP/tests/sysroots/arm
	doctor
	is "$status" 1
	is "$(verdict architecture)" fail
	export BANGER_SYSROOT=$TOP/tests/sysroots/good BANGER_QEMU_BIN=no-such-qemu
	doctor
	is "$status" 1
	is "$(verdict vmm)" fail
	is "$(verdict qemu)" warn
	export BANGER_QEMU_BIN=qemu-system-x86_64 BANGER_IMAGE=nobody-has-this
	doctor
	is "$status" 1
	is "$(verdict "default image")" fail
	is "$(verdict "default kernel")" pass
}

@test "lesson 17: a state directory that cannot be read fails, and all other rows are there" {
	needs jq
	doctor
	rows=$(jq length report)
	mkdir -m 700 "$BANGER_STATE_DIR"
	echo 99 > "$BANGER_STATE_DIR/version"
	doctor
	is "$status" 1
	is "$(verdict state)" fail
	has "$(seen state)" "layout 99"
	is "$(jq length report)" "$rows"
	echo nonsense > "$BANGER_STATE_DIR/version"
	doctor --fix
	is "$(verdict state)" fail
	is "$(cat "$BANGER_STATE_DIR/version")" nonsense
}

@test "doctor: a wrong configuration is a row with file and line, not the end" {
	needs jq
	mkdir -p "$XDG_CONFIG_HOME/banger"
	printf '[vm_defaults]\nvpcu = 3\n' > "$XDG_CONFIG_HOME/banger/banger.conf"
	doctor
	is "$status" 1
	is "$(verdict configuration)" fail
	has "$(seen configuration)" "banger.conf:2"
	is "$(verdict kvm)" pass
}

@test "doctor: --fix takes rights away from others and removes halves, and only --fix" {
	needs jq
	mkdir -p "$BANGER_STATE_DIR/vms/.removed-a-0123" "$BANGER_STATE_DIR/images/.removed-b-0123"
	echo 1 > "$BANGER_STATE_DIR/version"
	chmod 700 "$BANGER_STATE_DIR"
	doctor
	is "$status" 0
	is "$(verdict leftovers)" warn
	has "$(seen leftovers)" "2 halves"
	is "$(remedy leftovers)" "banger doctor --fix"
	chmod 777 "$BANGER_STATE_DIR"
	doctor
	is "$status" 1
	is "$(verdict state)" fail
	[ -d "$BANGER_STATE_DIR/vms/.removed-a-0123" ]
	run "$BANGER" doctor --fix
	is "$status" 0
	has "$output" "fixed: took away others' right to write"
	has "$output" "fixed: removed 2 halves"
	is "$(stat -c %a "$BANGER_STATE_DIR")" 755
	is "$(ls -A "$BANGER_STATE_DIR/vms" "$BANGER_STATE_DIR/images" | grep -c removed)" 0
}

@test "doctor: disks that may grow beyond what is left are told" {
	needs jq
	mkdir -p -m 700 "$BANGER_STATE_DIR/vms/a"
	truncate -s 7T "$BANGER_STATE_DIR/vms/a/work.ext4"
	doctor
	is "$(verdict "disk space")" warn
	has "$(seen "disk space")" "grow by 7T"
}

@test "lesson 61: a Firecracker that others can replace is told, and so is a jailer of another release" {
	needs jq
	[ "$(id -u)" = 0 ] || skip "the jailer is root's"
	program firecracker 'Firecracker v1.16.1'
	program jailer 'Jailer v1.16.1'
	doctor
	is "$(verdict firecracker)" pass
	has "$(seen firecracker)" "1.16.1"
	is "$(verdict jailer)" pass
	program jailer 'Jailer v1.15.0'
	doctor
	is "$(verdict jailer)" warn
	has "$(seen jailer)" "1.15.0"
	chmod 777 bin/firecracker
	doctor
	is "$(verdict firecracker)" warn
	has "$(remedy firecracker)" "chmod 0755"
	program firecracker 'Firecracker v1.5.0'
	doctor
	is "$(verdict firecracker)" warn
}

@test "doctor: Docker's FORWARD policy is explained with what to type" {
	needs jq
	[ "$(id -u)" = 0 ] || skip "the firewall matters to root's machines"
	program nft '{"nftables": [
		{"chain": {"family": "ip", "table": "filter", "name": "DOCKER", "handle": 1}},
		{"chain": {"family": "ip", "table": "filter", "name": "FORWARD", "handle": 2,
			"type": "filter", "hook": "forward", "prio": 0, "policy": "drop"}}]}'
	doctor
	is "$status" 0
	is "$(verdict firewall)" warn
	has "$(seen firewall)" "Docker"
	has "$(remedy firewall)" "DOCKER-USER"
}

@test "doctor: a program that hangs or dies is a row, not the end" {
	needs jq
	printf '#!/bin/sh\nexec sleep 60\n' > bin/firecracker
	printf '#!/bin/sh\nexit 3\n' > bin/nft
	chmod 755 bin/firecracker bin/nft
	before=$SECONDS
	doctor
	[ $((SECONDS - before)) -lt 20 ]
	is "$(verdict firecracker)" warn
	has "$(seen firecracker)" "does not answer"
	[ "$(id -u)" != 0 ] || is "$(verdict firewall)" warn
}

@test "doctor: an ssh file that is not included is told" {
	needs jq
	"$BANGER" ssh-config -q --install
	doctor
	is "$(verdict ssh)" pass
	: > "$HOME/.ssh/config"
	doctor
	is "$(verdict ssh)" warn
	is "$(remedy ssh)" "banger ssh-config --install"
}
