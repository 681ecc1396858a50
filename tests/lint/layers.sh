#!/bin/bash
# layers.sh - who may include, fork, print and name what (design.md, section 3).
set -u
cd "$(dirname "$0")/../.." || exit 1
bad=0

fault()
{
	echo "$1"
	bad=1
}

# Prints "file:line: text" of lines that match regular expression $1 in the files after it,
# comments left out.
code_lines()
{
	local pattern=$1

	shift
	awk -v pattern="$pattern" '
		{
			line = $0
			if (inside && !sub(/.*\*\//, "", line))
				next
			inside = 0
			gsub(/\/\*.*\*\//, "", line)
			if (line ~ /\/\*/) {
				inside = 1
				sub(/\/\*.*/, "", line)
			}
			if (line ~ pattern)
				printf "%s:%d:%s\n", FILENAME, FNR, line
		}
		ENDFILE { inside = 0 }
	' "$@" /dev/null
}

# Every match of $2 in files after $3 is a fault with reason $1, unless the file matches $3.
forbid()
{
	local why=$1 pattern=$2 allowed=$3 line

	shift 3
	while IFS= read -r line; do
		[[ ${line%%:*} =~ $allowed ]] || fault "$line: $why"
	done < <(code_lines "$pattern" "$@")
}

mapfile -t lib < <(find lib -name '*.[ch]')
mapfile -t cmd < <(find cmd/banger -name '*.[ch]')
mapfile -t all < <(find lib cmd -name '*.[ch]')

# Downward only.  The same number means: side by side, neither may use the other.
declare -A rank=([base]=0 [host]=1 [store]=2 [disk]=3 [net]=3 [guest]=3 [kernel]=4 [image]=5 [vmm]=7
	[vm]=8 [banger]=9)
for file in "${all[@]}"; do
	layer=${file#*/}
	layer=${layer%%/*}
	mine=${rank[$layer]-}
	while IFS= read -r include; do
		target=${include%%/*}
		[[ $target != "$layer" && -n ${rank[$target]-} && -n $mine ]] || continue
		[ "${rank[$target]}" -lt "$mine" ] ||
			fault "$file: includes \"$include\", but $target is not below $layer"
	done < <(sed -n 's/^#include "\([^"]*\)".*/\1/p' "$file")
done

# A foreign library has one file that knows it; libarchive has one for reading and one for writing,
# libcrypto one for digests and one for keys.
for header in archive.h archive_entry.h curl/curl.h ext2fs/ext2fs.h ini.h jsmn.h libdevmapper.h 'openssl/.*' 'netlink/.*' 'netlink/.*'; do
	mapfile -t users < <(grep -lE "^#include [<\"]${header}[>\"]" "${all[@]}" |
		grep -vE "^lib/base/(archive_writer|ed25519)\.c$")
	[ ${#users[@]} -le 1 ] || fault "<$header> is included by ${#users[@]} files: ${users[*]}"
	for file in "${users[@]}"; do
		[[ $file == *.c ]] || fault "<$header> is included by a header: $file"
	done
done

word='(^|[^a-zA-Z0-9_>.])'
forbid 'only lib/host/spawn.c starts processes' \
	"$word(fork|vfork|clone|clone3|posix_spawnp?|exec[lv]p?e?|daemon)\\(" \
	'^(lib/host/spawn\.c|cmd/banger-agent/)' "${all[@]}"
forbid 'only commands print and exit' "$word(printf|puts|putchar|vprintf|exit)\\(|(^|[^a-zA-Z0-9_>.-])std(out|in)([^a-zA-Z0-9_]|\$)" \
	'^lib/host/spawn\.[ch]$' "${lib[@]}"
forbid 'only lib/host reads /proc and /sys' '"/(proc|sys)/' '^(lib/host/|cmd/banger-agent/)' "${all[@]}"
forbid 'only lib/store names files of the state directory' \
	'"(spec|handles|op|image|kernel)\.json"|"(vms|images|kernels|leases|locks)(/|")' \
	'^lib/store/' "${lib[@]}" "${cmd[@]}"
exit $bad
