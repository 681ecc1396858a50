#!/usr/bin/env bats
# Files of the user's that come along at every start of a real machine.

load helpers

setup_file() { vm_setup_file; }
setup()
{
	vm_setup
	export HOME=$BATS_TEST_TMPDIR/home XDG_CONFIG_HOME=$BATS_TEST_TMPDIR/home/.config
	conf=$XDG_CONFIG_HOME/banger/banger.conf
	mkdir -p "$XDG_CONFIG_HOME/banger"
}
teardown() { vm_teardown; }

@test "files and trees arrive at every start, a missing one is a warning" {
	mkdir -p "$HOME/tools/bin"
	echo one > "$HOME/.gitconfig"
	printf '#!/bin/sh\necho tool\n' > "$HOME/tools/bin/tool"
	chmod 0755 "$HOME/tools/bin/tool"
	ln -s /etc/shadow "$HOME/tools/link"
	printf '[file_sync %s]\nhost = ~/%s\nguest = ~/%s\n' git .gitconfig .gitconfig tools tools .local/tools none nothing nothing > "$conf"
	run "$BANGER" vm create --name a
	[ "$status" -eq 0 ]
	[[ $output == *"[file_sync none]: there is no '~/nothing', it is left out"* ]]
	run "$BANGER" vm exec a -- sh -c 'cat /root/.gitconfig; /root/.local/tools/bin/tool; stat -c "%a %u" /root/.gitconfig; ls /root/.local/tools'
	[ "$output" = $'one\ntool\n600 0\nbin' ]
	# What the guest made of them is replaced at the next start, what else it has stays.
	"$BANGER" vm exec a -- sh -c 'echo spoilt > /root/.gitconfig; echo mine > /root/mine'
	echo two > "$HOME/.gitconfig"
	"$BANGER" vm restart -q a
	run "$BANGER" vm exec a -- cat /root/.gitconfig /root/mine
	[ "$output" = $'two\nmine' ]
	# One that cannot be put where it belongs does not keep the others or the machine.
	"$BANGER" vm exec a -- sh -c 'rm /root/.gitconfig; mkdir /root/.gitconfig; rm -r /root/.local; echo x > /tmp/x'
	"$BANGER" vm restart -q a
	run "$BANGER" vm exec a -- /root/.local/tools/bin/tool
	[ "$output" = tool ]
	"$BANGER" vm logs a | grep -q 'file_sync git: .*a directory is in the way'
}

@test "a source that leads out of the home stops the start with its section, and nothing is left running" {
	ln -s /etc/passwd "$HOME/out"
	printf '[file_sync out]\nhost = ~/out\nguest = ~/out\n' > "$conf"
	run "$BANGER" vm create -q --name a
	[ "$status" -eq 1 ]
	[[ $output == *"[file_sync out]"*"leads out of your home"* ]]
	[ "$(state a)" = failed ]
	rm "$HOME/out"
	echo fine > "$HOME/out"
	"$BANGER" vm start -q a
	run "$BANGER" vm exec a -- cat /root/out
	[ "$output" = fine ]
}
