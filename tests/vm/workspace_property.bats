#!/usr/bin/env bats
# Random repositories and random edits, round after round against one machine: what comes back is exactly
# what the same edits make of the files here.  In a second machine git works on them, too: there it is exactly
# what the guest has in the end.  WORKSPACE_ROUNDS, WORKSPACE_GIT_ROUNDS and WORKSPACE_SEED ask for more, or
# others.

load helpers

setup_file()
{
	vm_setup_file --debian
}

setup()
{
	vm_setup
}

teardown()
{
	vm_teardown
}

names=(plain 'two words' $'new\nline' $'\xc3\xbcn\xc3\xaf' -dash 'quo"te' "ap'os" 'back\slash' UPPER upper .hidden '%s' '$x' 'tab	tab')
dirs=(. d 'd e' d/deep $'n\nl' "x/y/z")

pick() { local -n array=$1; echo -n "${array[RANDOM % ${#array[@]}]}x"; }
any_name() { local d n; d=$(pick dirs) n=$(pick names); printf '%s' "${d%x}/${n%x}x"; }
quoted() { printf "'%s'" "${1//\'/\'\\\'\'}"; }

# content - the arguments of printf that make some file's content
content()
{
	case $((RANDOM % 7)) in
	0) echo -n "''" ;;
	1) echo -n "'line $RANDOM\\r\\nline $RANDOM\\r\\n'" ;;
	2) echo -n "'a\\000b\\377\\001$RANDOM'" ;;
	3) echo -n "'no newline $RANDOM'" ;;
	4) echo -n "'%s\\n' $(for _ in $(seq 40); do echo -n "$RANDOM "; done)" ;;
	*) echo -n "'one $RANDOM\\ntwo\\nthree\\n'" ;;
	esac
}

# make_file NAME - a shell command that makes it, whatever is there
make_file()
{
	local q
	q=$(quoted "$1")
	echo "{ [ -d $q ] || mkdir -p \"\$(dirname $q)\" 2> /dev/null && printf $(content) > $q; } 2> /dev/null || :"
}

make_repo()
{
	local repo=$1 i n
	git init -q -b main "$repo"
	git -C "$repo" config user.name T
	git -C "$repo" config user.email t@t
	{
		printf '%s\n' "printf '*.ign\\n' > .gitignore"
		for i in $(seq $((3 + RANDOM % 12))); do
			n=$(any_name)
			make_file "${n%x}"
		done
		[ $((RANDOM % 2)) = 0 ] || echo "ln -s ../../nowhere 'a link'"
		[ $((RANDOM % 2)) = 0 ] || echo "echo x > run; chmod +x run"
	} > "$repo.sh"
	(cd "$repo" && sh ../"$(basename "$repo")".sh && git add -A . && git commit -qm one)
}

# edits DIR - a script that changes the tree in DIR, for its present files
edits()
{
	local -a files=()
	local f n q r
	mapfile -d '' files < <(cd "$1" && find . -name .git -prune -o \( -type f -o -type l \) ! -name .gitignore ! -path '*.ign*' ! -path './i g/*' -print0 | sort -z)
	for f in "${files[@]}"; do
		q=$(quoted "$f")
		case $((RANDOM % 14)) in
		0) echo "rm -f $q" ;;
		1) echo "[ -L $q ] || chmod +x $q" ;;
		2) echo "[ -L $q ] || chmod -x $q" ;;
		3) r=$RANDOM; [ "$f" = ./.gitmodules ] || echo "rm -f $q; ln -s 'to $r' $q" ;; # git takes none
		4) n=$(any_name); echo "[ -e $(quoted "${n%x}") ] || { mkdir -p \"\$(dirname $(quoted "${n%x}"))\" && mv $q $(quoted "${n%x}"); } 2> /dev/null || :" ;;
		5) echo "rm -f $q; mkdir -p $q && echo in > $q/inside" ;;
		6|7) echo "[ -L $q ] || [ -d $q ] || printf $(content) > $q" ;;
		8) echo "[ -L $q ] || [ -d $q ] || printf 'more\\r\\n' >> $q" ;;
		esac
	done
	for r in 1 2 3; do
		n=$(any_name)
		make_file "${n%x}"
	done
	echo "mkdir -p 'i g' && echo o > 'i g/o.ign' && echo p > p.ign && printf '*.nst\\n' > 'i g/.gitignore' && echo n > 'i g/n.nst' && echo k > k.nst; :"
	[ $((RANDOM % 3)) != 0 ] || echo "rm -rf d"
}

# tree DIR [IGNORED] - what must be the same.  k.nst is not ignored: its rule is another directory's.
tree()
{
	(cd "$1" && find . -name .git -prune -o \( -type f -o -type l \) ! -path '*.ign*' ! -path './i g/*.nst*' -print0 |
		sort -z | while IFS= read -r -d '' f; do
			if [ -L "$f" ]; then
				printf '%q link %q\n' "$f" "$(readlink "$f")"
			else
				printf '%q %s %s\n' "$f" "$([ -x "$f" ] && echo x)" "$(sha256sum < "$f")"
			fi
		done)
}

# make_source - $source, $kind and $options: some repository as somebody may have it
make_source()
{
	local repo=$work/repo
	source=$work/repo kind=$((RANDOM % 5)) options=()
	rm -rf "$work"
	mkdir "$work"
	make_repo "$repo"
	if [ "$kind" = 1 ]; then
		git -C "$repo" worktree add -q -b other "$work/wt"
		source=$work/wt
	elif [ "$kind" = 2 ]; then
		make_repo "$work/sub"
		git -C "$repo" -c protocol.file.allow=always submodule add -q "$work/sub" 'the sub' 2> /dev/null
		git -C "$repo" commit -qm sub
	fi
	# Uncommitted changes, and files that git does not know; those of a submodule would stay here.
	if [ "$kind" != 2 ] && [ $((RANDOM % 2)) = 1 ]; then
		edits "$source" > "$work/dirty.sh"
		(cd "$source" && sh "$work/dirty.sh")
		options+=(--include-untracked)
	fi
}

# export_twice ROUND - the patch on what was sent, and the one on the host's commit; then it is over in the guest
export_twice()
{
	"$BANGER" vm workspace export -q dev -o "$work/patch" || return 1
	"$BANGER" vm workspace export -q dev -o "$work/full" --base-commit HEAD || return 1
	"$BANGER" vm exec -w / dev -- rm -rf "/root/w$1"
	tree "$work/expected" > "$work/tree.expected"
	# On a copy of what was sent, with git.
	cp -a "$source" "$work/copy"
	git -C "$work/copy" clean -q -fdX # nobody sent what is ignored, and it may be in the way of what no longer is
	[ ! -s "$work/patch" ] || (cd "$work/copy" && rm -rf .git && git apply --whitespace=nowarn "$work/patch")
	tree "$work/copy" | diff "$work/tree.expected" - || return 1
	# On a fresh clone, where there are no submodules.
	if [ "$kind" != 2 ]; then
		git clone -q "$source" "$work/clone"
		[ ! -s "$work/full" ] || git -C "$work/clone" apply --whitespace=nowarn "$work/full"
		tree "$work/clone" | diff "$work/tree.expected" - || return 1
	fi
}

# one ROUND - prepare, edit on both sides, export
one()
{
	local source kind options
	make_source
	cp -a "$source" "$work/expected"
	rm -rf "$work/expected/.git"
	edits "$source" > "$work/edits.sh"
	(cd "$work/expected" && sh "$work/edits.sh")
	"$BANGER" vm workspace prepare -q dev "$source" --guest-path "/root/w$1" "${options[@]}" || return 1
	"$BANGER" vm exec -i dev -- sh < "$work/edits.sh" || return 1
	export_twice "$1"
}

commit='{ git add -A && git commit -qm more; } > /dev/null 2>&1 || :'

# life DIR - what somebody may do with git and DIR's repository, in the guest
life()
{
	echo "exec 2> /dev/null; here=\$(git symbolic-ref --short HEAD)"
	case $((RANDOM % 6)) in
	0) # some commits, and work that is in none
		edits "$1"
		echo "$commit"
		edits "$1"
		echo "$commit"
		edits "$1"
		;;
	1 | 2 | 3) # two branches that come together, or do not
		echo "git checkout -q -b topic"
		edits "$1"
		echo "$commit; git checkout -q -f \$here"
		edits "$1"
		echo "$commit"
		case $((RANDOM % 4)) in
		0) echo "git merge -q --no-edit topic" ;;
		1) echo "git checkout -q -f topic; git rebase -q \$here || git rebase --abort" ;;
		2) echo "git checkout -q -f topic; git rebase -q \$here" ;;
		3) echo "git cherry-pick topic" ;;
		esac
		[ $((RANDOM % 2)) = 0 ] || edits "$1"
		;;
	4) # put aside, taken back, staged in part, and some of it gone from the index only
		edits "$1"
		echo "git stash -q -u; git stash apply -q; git add -u; git reset -q --soft HEAD; git rm -q -r --cached ."
		;;
	5) # another commit, and back
		edits "$1"
		echo "git checkout -q --detach; $commit; git tag aside; git checkout -q -f \$here; git gc -q"
		edits "$1"
		echo "git checkout -q aside -- .; git branch -m \$here renamed"
		;;
	esac
	echo ":"
}

# one_with_git ROUND - what is in the guest in the end is what counts
one_with_git()
{
	local source kind options
	make_source
	life "$source" > "$work/life.sh"
	"$BANGER" vm workspace prepare -q dev "$source" --guest-path "/root/w$1" "${options[@]}" || return 1
	"$BANGER" vm exec -i dev -- sh < "$work/life.sh" || return 1
	mkdir "$work/expected"
	"$BANGER" vm exec dev -- tar -c --exclude=./.git . | tar -C "$work/expected" -x --no-same-owner || return 1
	export_twice "$1"
}

@test "the exported patch gives the guest's tree exactly, for random repositories and edits" {
	local round seed=${WORKSPACE_SEED:-1}
	work=$BATS_TEST_TMPDIR/work
	"$BANGER" vm create -q --name dev
	for round in $(seq "${WORKSPACE_ROUNDS:-9}"); do
		RANDOM=$((seed * 1000 + round))
		one "$round" || { echo "round $round of seed $seed" >&2; return 1; }
	done
}

@test "so it does when the guest has git, and commits, switches, merges and rebases" {
	local round seed=${WORKSPACE_SEED:-1}
	export BANGER_IMAGE=debian-bookworm BANGER_MEMORY=512M
	work=$BATS_TEST_TMPDIR/work
	"$BANGER" vm create -q --name dev
	for round in $(seq "${WORKSPACE_GIT_ROUNDS:-3}"); do
		RANDOM=$((seed * 2000 + round))
		one_with_git "$round" || { echo "round $round of seed $seed, with git" >&2; return 1; }
	done
}
