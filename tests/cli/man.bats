load helpers

@test "the committed manual pages are those that the program makes" {
	"$BANGER" internal man fresh
	diff -ru "$TOP/man" fresh
}

@test "the manual pages are sound mdoc" {
	needs mandoc
	"$BANGER" internal man fresh
	cd fresh
	mandoc -Tlint -- *
	for page in *; do
		mandoc "$page" > rendered
		[ -s rendered ]
	done
}

@test "every command has a page that names all its options" {
	needs mandoc
	"$BANGER" internal man fresh
	while read -r name; do
		page=fresh/banger-${name// /-}.1
		[ -e "$page" ] || [ -n "$("$BANGER" help $name | grep '^Short:')" ]
		[ -e "$page" ] || continue
		mandoc -Tascii "$page" | col -b > text
		while read -r option; do
			grep -q -- "--$option" text || { echo "$name: --$option"; return 1; }
		done < <(help_options "$name")
	done < <(all_commands)
}

@test "every setting is in banger.conf(5) with its variable" {
	needs mandoc
	"$BANGER" internal man fresh
	mandoc -Tascii fresh/banger.conf.5 | col -b > text
	while read -r key _; do
		grep -qw -- "${key#*.}" text
		grep -q -- "Section ${key%%.*}" text
	done < <("$BANGER" config | tail -n +2)
	is "$(grep -c 'BANGER_' text)" "$("$BANGER" config | tail -n +2 | wc -l)"
}

@test "install and uninstall put and remove exactly the same files" {
	make -s -C "$TOP" install DESTDIR="$PWD/root" PREFIX=/opt/b
	(cd root && find . -type f | sort) > installed
	grep -qx ./opt/b/bin/banger installed
	grep -qx ./opt/b/share/man/man1/banger.1 installed
	grep -qx ./opt/b/share/man/man5/banger.conf.5 installed
	grep -qx ./opt/b/share/bash-completion/completions/banger installed
	is "$(grep -c '/man[15]/' installed)" "$(find "$TOP/man" -type f | wc -l)"
	is "$(find root -type f -perm /111 | sort)" $'root/opt/b/bin/banger\nroot/opt/b/bin/banger-watch'
	root/opt/b/bin/banger --version
	touch root/opt/b/bin/other root/opt/b/share/man/man1/other.1
	make -s -C "$TOP" uninstall DESTDIR="$PWD/root" PREFIX=/opt/b
	is "$(cd root && find . -type f | sort)" $'./opt/b/bin/other\n./opt/b/share/man/man1/other.1'
}
