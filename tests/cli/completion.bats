load helpers

complete()
{
	"$BANGER" internal complete -- "$@" | cut -f1
}

# Makes $1 virtual machines that are nothing but names.
make_vms()
{
	local i

	mkdir -p -m 0700 "$BANGER_STATE_DIR" "$BANGER_STATE_DIR/vms"
	echo 1 > "$BANGER_STATE_DIR/version"
	for ((i = 0; i < $1; i++)); do
		mkdir -m 0700 "$BANGER_STATE_DIR/vms/vm-$i"
	done
}

@test "the scripts are the files under completions/" {
	"$BANGER" completion bash | cmp - "$TOP/completions/banger.bash"
	"$BANGER" completion zsh | cmp - "$TOP/completions/_banger"
	"$BANGER" completion fish | cmp - "$TOP/completions/banger.fish"
	run "$BANGER" completion powershell
	is "$status" 2
}

@test "sub-commands are completed" {
	has "$(complete '')" config
	is "$(complete conf)" config
	is "$(complete nothing-like-it)" ""
	is "$(complete nothing-like-it '')" ""
	is "$(complete help conf)" config
	has "$(complete help '')" version
}

@test "every option of every help page is completed" {
	while read -r name; do
		offered=$(complete $name --)
		while read -r option; do
			grep -qx -- "--$option" <<< "$offered" || { echo "$name: --$option"; return 1; }
		done < <(help_options "$name")
	done < <(all_commands)
}

@test "options already given are not offered again, hidden commands never" {
	has "$(complete config --)" --json
	has_not "$(complete config --json --)" --json
	has_not "$(complete '')" internal
	is "$(complete intern)" ""
}

@test "nothing is offered where nothing is expected, above all no file names" {
	touch some-file
	is "$(complete version '')" ""
	is "$(complete config vm_defaults.vcpu '')" ""
	is "$(complete config --json=)" ""
	has_not "$(complete '')" some-file
}

@test "a name that stands on the line is not offered again" {
	make_vms 3
	is "$(complete vm delete vm-1 '')" $'vm-0\nvm-2'
	is "$(complete vm delete vm-0 vm-1 vm-)" vm-2
	is "$(complete vm show vm-0 '')" ""
}

@test "the guest's command is not completed, options before it are" {
	make_vms 2
	is "$(complete vm exec vm-0 -- '')" ""
	is "$(complete vm exec vm-0 -- ls --)" ""
	has "$(complete vm exec --)" --workdir
	is "$(complete vm exec -w / vm-)" $'vm-0\nvm-1'
	is "$(complete vm exec -w vm-)" ""
	is "$(complete vm run --net '')" $'auto\nuser\nbridge\nnone\ntap:'
	is "$(complete vm run --net=u)" --net=user
	is "$(complete vm run --rm --vcpu '')" ""
	is "$(complete vm run --)" "$(complete vm run -- | grep ^--)"
}

@test "without a state directory there are silently no names" {
	run --separate-stderr "$BANGER" internal complete -- vm show ''
	is "$status" 0
	is "$output$stderr" ""
	[ ! -e "$BANGER_STATE_DIR" ]
	run --separate-stderr env -i "$BANGER" internal complete -- vm show ''
	is "$status" 0
	is "$stderr" ""
	mkdir -m 0700 "$BANGER_STATE_DIR"
	echo 999999 > "$BANGER_STATE_DIR/version"
	run --separate-stderr "$BANGER" internal complete -- vm show ''
	is "$output$stderr" ""
}

@test "names of virtual machines are completed, from --state-dir too" {
	make_vms 12
	mkdir "$BANGER_STATE_DIR/vms/.stage-hidden"
	is "$(complete vm show vm-1)" $'vm-1\nvm-10\nvm-11'
	is "$(complete vm show vm-3)" vm-3
	has_not "$(complete vm show '')" hidden
	mv "$BANGER_STATE_DIR" elsewhere
	is "$(complete vm show vm-3)" ""
	is "$(complete --state-dir elsewhere vm show vm-3)" vm-3
	is "$(complete vm show --state-dir=elsewhere vm-3)" vm-3
}

@test "1,000 names cost no lock, no child, and no file of any of them" {
	is_sanitized && skip "a sanitizer has system calls of its own"
	needs strace
	make_vms 1000
	strace -f -o trace "$BANGER" internal complete -- vm show '' > names
	is "$(wc -l < names)" 1000
	run grep -cE '(flock|clone|fork|vfork|execve|fcntl.*F_SETLK|connect)\(' trace
	is "$output" 1
	run grep -c 'vm-' trace
	[ "$output" -lt 30 ]
}

@test "a read-only state directory can be completed from" {
	make_vms 2
	chmod -R a-w "$BANGER_STATE_DIR"
	is "$(complete vm show '')" $'vm-0\nvm-1'
	chmod -R u+w "$BANGER_STATE_DIR"
}

@test "bash: the script completes commands, options and words" {
	cat > try.bash <<'EOF'
source "$1"
shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE}
_banger "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\n' "${COMPREPLY[@]}"
EOF
	script=$TOP/completions/banger.bash
	is "$(bash --norc try.bash "$script" "$BANGER" conf)" config
	is "$(bash --norc try.bash "$script" "$BANGER" config --js)" --json
	is "$(bash --norc try.bash "$script" "$BANGER" completion '')" $'bash\nzsh\nfish'
	is "$(bash --norc try.bash "$script" "$BANGER" config vmm.q)" vmm.qemu_bin
	# Bash hands over "--wait=1" and "--state-dir=/" in three words.
	is "$(bash --norc try.bash "$script" "$BANGER" config --json = x)" ""
	is "$(bash --norc try.bash "$script" "$BANGER" --state-dir = /x conf)" config
	is "$(bash --norc try.bash "$script" /nonexistent/banger conf)" ""
}

@test "bash: interactive completion works on a real line" {
	needs tmux
	mkdir bin
	ln -s "$BANGER" bin/banger
	cat > rc <<EOF
PATH=$PWD/bin:\$PATH PS1='$ '
unset PROMPT_COMMAND
source $TOP/completions/banger.bash
EOF
	socket=$PWD/t
	tmux -S "$socket" -f /dev/null new-session -d -x 80 -y 24 "bash --noprofile --rcfile rc -i"
	for try in {1..50}; do
		tmux -S "$socket" capture-pane -p | grep -q '^\$' && break
		sleep 0.1
	done
	tmux -S "$socket" send-keys 'banger confi' Tab '--js' Tab ' > out' Enter
	for try in {1..50}; do
		[ -s out ] && break
		sleep 0.1
	done
	screen=$(tmux -S "$socket" capture-pane -p)
	tmux -S "$socket" kill-server
	has "$screen" "banger config --json"
	has "$(cat out)" '"key"'
}

@test "zsh: the script offers candidates with descriptions" {
	needs zsh
	cat > try.zsh <<'EOF'
compdef() { :; }
_describe() { shift; shift; print -rl -- "${(@P)1}"; }
_files() { print files "$@"; }
source $1
shift
words=("$@") CURRENT=$#
_banger
EOF
	run zsh -f try.zsh "$TOP/completions/_banger" "$BANGER" conf
	is "$output" "config:show the settings and where each one comes from"
	run zsh -f try.zsh "$TOP/completions/_banger" "$BANGER" completion ''
	is "$output" $'bash\nzsh\nfish'
	run zsh -f try.zsh "$TOP/completions/_banger" "$BANGER" --state-dir ''
	is "$output" "files -/"
}

@test "zsh: an installed script loads through compinit" {
	needs zsh
	mkdir functions
	cp "$TOP/completions/_banger" functions/
	run zsh -fc 'fpath=($PWD/functions $fpath); autoload -U compinit; compinit -u -d dump
		print ${_comps[banger]}'
	is "$output" _banger
}

@test "fish: the script offers candidates, and no file names" {
	needs fish
	touch some-file
	mkdir bin
	ln -s "$BANGER" bin/banger
	export PATH=$PWD/bin:$PATH
	run fish --no-config -c "source $TOP/completions/banger.fish; complete -C 'banger conf'"
	has "$output" "config"$'\t'"show the settings"
	run fish --no-config -c "source $TOP/completions/banger.fish; complete -C 'banger completion '"
	is "$output" $'bash\nfish\nzsh'
	run fish --no-config -c "source $TOP/completions/banger.fish; complete -C 'banger version '"
	is "$output" ""
}
