load helpers

@test "banger alone, help, --help and -h show the same page" {
	page=$("$BANGER")
	has "$page" "Usage: banger COMMAND [OPTIONS]"
	is "$("$BANGER" help)" "$page"
	is "$("$BANGER" --help)" "$page"
	is "$("$BANGER" -h)" "$page"
}

@test "every command has a page in all three spellings, within 80 columns" {
	while read -r name; do
		page=$("$BANGER" help $name)
		has "$page" "banger $name"
		if [[ $page != *"Short:"* ]]; then
			has "$page" "banger $name - "
		fi
		is "$("$BANGER" $name --help </dev/null)" "$page"
		is "$("$BANGER" $name -h </dev/null)" "$page"
		while IFS= read -r line; do
			if [ ${#line} -gt 80 ] && [[ $line != "  banger "* ]]; then
				echo "$name: $line"
				return 1
			fi
		done <<< "$page"
	done < <(all_commands)
}

@test "a group typed alone shows its page and succeeds" {
	while read -r name; do
		! is_group "$name" || is "$("$BANGER" "$name")" "$("$BANGER" help "$name")"
	done < <(all_commands)
}

@test "every example on a help page is accepted by the parser" {
	while read -r name; do
		while IFS= read -r line; do
			# A help request wins over everything but has to come before "--".
			words=${line%% -- *}
			[[ $words != *[\<\|\;\>]* ]] || continue
			run "$BANGER" ${words#banger } --help
			is "$status" 0
			has_not "$output" "Usage: banger COMMAND"
		done < <("$BANGER" help $name | sed -n '/^Examples:/,$s/^  \(banger .*\)/\1/p')
	done < <(all_commands)
}

@test "help of something that is no command is a usage fault" {
	run "$BANGER" help frobnicate
	is "$status" 2
	has "$output" "there is no command 'frobnicate'"
	run "$BANGER" help versoin
	has "$output" "did you mean 'version'?"
}

@test "--version is one line, in an empty environment with closed standard input" {
	run env -i "$BANGER" --version <&-
	is "$status" 0
	is "${#lines[@]}" 1
	[[ $output =~ ^banger\ [0-9]+\.[0-9]+\.[0-9]+\ \(commit\ ([0-9a-f]{8}|unknown)\)$ ]]
}

@test "help and version need no state directory, no configuration, no home" {
	mkdir -p "$XDG_CONFIG_HOME/banger"
	echo "broken" > "$XDG_CONFIG_HOME/banger/banger.conf"
	for arguments in --version --help help version "help config" "config --help"; do
		run "$BANGER" $arguments
		is "$status" 0
		has_not "$output" broken
		run env -i HOME=/nonexistent "$BANGER" $arguments
		is "$status" 0
	done
	while read -r name; do
		run "$BANGER" $name --help
		is "$status" 0
	done < <(all_commands)
	[ ! -e "$BANGER_STATE_DIR" ]
}

@test "version and help open nothing but the program and its libraries" {
	is_sanitized && skip "a sanitizer opens files of its own"
	needs strace
	for arguments in --version --help "help config" "kernel pull --help"; do
		strace -f -e trace=open,openat,socket,connect,clone,fork,vfork,execve -o trace \
			"$BANGER" $arguments > /dev/null
		run grep -vE 'ld\.so\.cache|\.so[.0-9]*"|^[0-9]+ +(execve|\+\+\+)' trace
		is "$output" ""
	done
}

@test "version prints the same as --version, and as JSON" {
	line=$("$BANGER" --version)
	run "$BANGER" version
	version=$(sed -n 's/^version *//p' <<< "$output")
	commit=$(sed -n 's/^commit *//p' <<< "$output")
	is "banger $version (commit $commit)" "$line"
	needs jq
	is "$("$BANGER" version --json | jq -r .version)" "$version"
	is "$("$BANGER" version --json | jq -r .commit)" "$commit"
}
