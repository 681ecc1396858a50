#!/usr/bin/env bats
# ssh into real machines: the client's statuses and words, pinned host keys, and other programs that use
# ssh.

load helpers

export BANGER
setup_file() { vm_setup_file --debian; }
setup()
{
	vm_setup
	# Debian without its init: ssh is what is tested here, and one test has systemd.
	export BANGER_IMAGE=debian-bare BANGER_MEMORY=512M
	export HOME=$BATS_TEST_TMPDIR/home
	mkdir -p "$HOME"
}
teardown() { vm_teardown; }

# remote STATUS WORD... - run a command in VM a by ssh; fails when its status is another one.
remote()
{
	run "-$1" --separate-stderr "$BANGER" vm ssh a -- "${@:2}"
	echo "$output $stderr" >&2
}

@test "lesson 79: words and statuses arrive as they are, without a NIC, and nothing of the user's changes" {
	"$BANGER" vm create -q --net none --name a > /dev/null
	remote 42 sh -c 'exit 42'
	remote 0 printf '<%s>' 'a b' "it's" '$HOME' '*' '' '"' '\'
	[ "$output" = '<a b><it'\''s><$HOME><*><><"><\>' ]
	remote 255 sh -c 'exit 255'
	[ -z "$stderr" ]
	remote 137 sh -c 'kill -9 $$'
	remote 127 no-such-command
	remote 126 /etc/passwd
	remote 0 cat /proc/1/comm
	head -c 3000000 /dev/urandom > "$BATS_TEST_TMPDIR/bytes"
	"$BANGER" vm ssh a -- cat < "$BATS_TEST_TMPDIR/bytes" | cmp - "$BATS_TEST_TMPDIR/bytes"
	[ ! -e "$HOME/.ssh" ]
	[ "$(stat -c %a "$BANGER_STATE_DIR/ssh/id_ed25519")" = 600 ]
	# A shell on a terminal, and the line after it.
	run timeout 120 script -qec "$BANGER vm ssh a" /dev/null < <(sleep 4; echo 'tty; exit 3'; sleep 2)
	[ "$status" -eq 3 ]
	[[ $output == *"/dev/pts/"* ]]
	[[ $output == *"still running"*"banger vm stop a"* ]]
}

@test "a replaced host key is refused with a sentence, a restart gives the pinned one again" {
	"$BANGER" vm create -q --name a > /dev/null
	remote 0 true
	local pinned
	pinned=$(cat "$BANGER_STATE_DIR/vms/a/known_hosts")
	# The image's own server is the same host.
	"$BANGER" vm exec a -- sh -c '/usr/sbin/sshd && true' # as a child of pid 1 it would think itself a daemon
	port=$("$BANGER" vm forward -d a 0:22 | sed 's/.*:\([0-9]*\) ->.*/\1/')
	[ "$(ssh-keyscan -T 60 -t ed25519 -p "$port" 127.0.0.1 2> /dev/null | cut -d' ' -f3)" = "$(cut -d' ' -f3 <<< "$pinned")" ]
	"$BANGER" vm exec a -- sh -c 'rm /etc/ssh/ssh_host_*; ssh-keygen -q -t ed25519 -N "" -f /etc/ssh/ssh_host_ed25519_key'
	remote 125 touch /tmp/reached
	[[ $stderr == *"another ssh host key"* ]]
	[[ $stderr == *"banger vm restart a"* ]]
	run "$BANGER" vm exec a -- test -e /tmp/reached
	[ "$status" -eq 1 ]
	"$BANGER" vm restart -q a
	[ "$(cat "$BANGER_STATE_DIR/vms/a/known_hosts")" = "$pinned" ]
	remote 0 true
	# Under another name it is the same machine with the same key.
	"$BANGER" vm stop -q a
	"$BANGER" vm rename a b > /dev/null
	"$BANGER" vm start -q b
	"$BANGER" vm ssh b -- true
	"$BANGER" vm delete -q b
	# Another VM of that name is another host.
	"$BANGER" vm create -q --name a > /dev/null
	[ "$(cat "$BANGER_STATE_DIR/vms/a/known_hosts")" != "$pinned" ]
	remote 0 true
}

@test "a key that the guest does not know is let in, one that sshd refuses is told" {
	BANGER_IMAGE=debian-bookworm BANGER_MEMORY=768M "$BANGER" vm create -q --name a > /dev/null
	ssh-keygen -q -t ecdsa -N '' -f "$HOME/mine"
	BANGER_SSH_KEY_PATH=$HOME/mine remote 0 true
	rm "$HOME/mine.pub"
	BANGER_SSH_KEY_PATH=$HOME/mine remote 0 true
	"$BANGER" vm exec a -- sh -c 'echo "DenyUsers root" >> /etc/ssh/sshd_config'
	remote 125 true
	[[ $stderr == *"does not let user 'root' in"* ]]
	[[ $stderr == *"banger vm exec -it a"* ]]
}

@test "without an ssh server, and without a running VM, the way out is named" {
	BANGER_IMAGE=busybox "$BANGER" vm create -q --name a > /dev/null
	remote 125 true
	[[ $stderr == *"has no ssh server"* ]]
	[[ $stderr == *"banger vm exec -it a"* ]]
	"$BANGER" vm stop -q a
	remote 125 true
	[[ $stderr == *"not running"* ]]
	[[ $stderr == *"banger vm start a"* ]]
	run "$BANGER" vm proxy a 22 < /dev/null
	[ "$status" -eq 1 ]
}

# Two ports of this host that nobody has.
free_ports()
{
	local port found=()
	for port in $(shuf -i 20000-32000 -n 200); do
		[ -n "$(ss -Hltn "sport = :$port")" ] || found+=("$port")
		[ ${#found[@]} -lt 2 ] || break
	done
	echo "${found[@]}"
}

@test "ssh, scp, rsync, git push, -L and -D reach NAME.vm through ssh-config" {
	"$BANGER" ssh-config -q --install
	"$BANGER" vm create -q --name a > /dev/null
	config=$HOME/.ssh/config
	work=$BATS_TEST_TMPDIR/work
	mkdir -p "$work/tree/sub dir"
	echo one > "$work/tree/sub dir/file"
	head -c 100000 /dev/urandom > "$work/tree/bytes"
	run ssh -F "$config" a.vm 'echo "$SSH_CONNECTION"; exit 7'
	[ "$status" -eq 7 ]
	scp -q -F "$config" -r "$work/tree" a.vm:
	scp -q -F "$config" -r a.vm:tree "$work/back"
	diff -r "$work/tree" "$work/back"
	# The image has no rsync: ours goes along with its libraries.
	mkdir "$work/r"
	cp "$(command -v rsync)" "$work/r/rsync"
	ldd "$work/r/rsync" | grep -o '/[^ ]*' | xargs -I{} cp -L {} "$work/r/"
	scp -q -F "$config" -r "$work/r" a.vm:/tmp/r
	echo two > "$work/tree/new"
	rm "$work/tree/bytes"
	rsync -a --delete -e "ssh -F $config" \
		--rsync-path='/tmp/r/ld-linux-x86-64.so.2 --library-path /tmp/r /tmp/r/rsync' \
		"$work/tree/" a.vm:tree/
	run --separate-stderr "$BANGER" vm exec a -- sh -c 'cd /root/tree && find . -type f | sort'
	[ "$output" = $'./new\n./sub dir/file' ]
	ssh -F "$config" a.vm git init -q --bare repo.git
	git init -q "$work/repo"
	git -C "$work/repo" -c user.name=n -c user.email=e@x commit -q --allow-empty -m first
	GIT_SSH_COMMAND="ssh -F $config" git -C "$work/repo" push -q a.vm:repo.git HEAD:main
	run --separate-stderr "$BANGER" vm exec a -- git -C /root/repo.git log --format=%s main
	[ "$output" = first ]
	# Ports of the guest by way of ssh, which has no network but this: one by one, and any of them.
	"$BANGER" vm exec a -- sh -c 'mkdir /tmp/www && echo served > /tmp/www/word'
	scp -q -F "$config" "$(command -v busybox)" a.vm:/tmp/busybox
	"$BANGER" vm exec a -- /tmp/busybox httpd -p 127.0.0.1:8080 -h /tmp/www
	read -r local_port socks_port < <(free_ports)
	ssh -F "$config" -N -o ExitOnForwardFailure=yes -L "127.0.0.1:$local_port:127.0.0.1:8080" \
		-D "127.0.0.1:$socks_port" a.vm 3>&- &
	tunnel=$!
	for _ in $(seq 300); do
		! curl -sS -m 60 "http://127.0.0.1:$local_port/word" > "$work/word" 2> "$work/curl" || break
		kill -0 "$tunnel"
		sleep 0.2
	done
	[ "$(cat "$work/word")" = served ]
	# The name is the guest's to resolve.
	[ "$(curl -sS -m 60 --socks5-hostname "127.0.0.1:$socks_port" http://localhost:8080/word)" = served ]
	run curl -sS -m 60 --socks5-hostname "127.0.0.1:$socks_port" http://localhost:1/
	[ "$status" -ne 0 ]
	kill "$tunnel"
	wait "$tunnel" || true
	run curl -sS -m 60 "http://127.0.0.1:$local_port/word"
	[ "$status" -ne 0 ]
	# The pinned key is checked here, too, and no other VM's is taken for it.
	"$BANGER" vm exec a -- sh -c 'ssh-keygen -q -t ed25519 -N "" -f /tmp/other && cp /tmp/other /etc/ssh/ssh_host_ed25519_key'
	run ssh -F "$config" a.vm true
	[ "$status" -eq 255 ]
	[[ $output == *"IDENTIFICATION HAS CHANGED"* ]]
	[ "$(ls "$HOME/.ssh")" = config ]
}

# A user who exists in one mount namespace only: others COMMAND...
as_other()
{
	local home=$1
	shift
	unshare -m sh -c 'mount --bind "$1" /etc/passwd && shift && exec "$@"' sh "$home/passwd" "$@"
}

@test "an ordinary user, and one who calls sudo, come in with keys of their own" {
	[ "$(id -u)" = 0 ] || skip "needs root to become others"
	local home
	home=$(mktemp -d /tmp/banger-user.XXXXXX)
	{ cat /etc/passwd; echo "bangertest:x:47113:47113::$home:/bin/sh"; } > "$home/passwd"
	chown -R 47113 "$home"
	# Root by way of sudo: the machine is root's, the key is the user's.
	"$BANGER" vm create -q --name a > /dev/null
	SUDO_UID=47113 SUDO_GID=47113 run -0 as_other "$home" "$BANGER" vm ssh a -- echo inside
	[[ $output == *inside* ]]
	[ "$(stat -c %u "$home/.local/state/banger/ssh/id_ed25519")" = 47113 ]
	[ ! -e "$BANGER_STATE_DIR/ssh" ]
	"$BANGER" vm delete -q a
	if [ "${VM_TESTS_VMM:-qemu}" != qemu ]; then # tests/lab/ordinary.bats has who may use KVM
		rm -rf "$home"
		return
	fi
	# No root at all.
	mkdir "$home/run" "$home/state"
	cp -a "$FIXTURE/version" "$FIXTURE/kernels" "$home/state/"
	mkdir "$home/state/images"
	cp -a --sparse=always "$FIXTURE/images/debian-bare" "$home/state/images/"
	cp "$BANGER" "$home/banger"
	chown -R 47113 "$home"
	chmod 0700 "$home/state"
	other()
	{
		as_other "$home" setpriv --reuid 47113 --regid 47113 --clear-groups env HOME="$home" \
			BANGER_STATE_DIR="$home/state" BANGER_RUN_DIR="$home/run" "$home/banger" "$@"
	}
	other vm create -q --name a > /dev/null
	run -7 other vm ssh a -- sh -c 'echo inside; exit 7'
	[[ $output == *inside* ]]
	other ssh-config -q --install
	run -0 as_other "$home" setpriv --reuid 47113 --regid 47113 --clear-groups env HOME="$home" \
		BANGER_RUN_DIR="$home/run" ssh -F "$home/.ssh/config" a.vm id -un
	[[ $output == *root* ]]
	other vm delete -q a
	rm -rf "$home"
}
