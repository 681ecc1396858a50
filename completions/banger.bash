# bash completion for banger; every answer comes from the program itself.

_banger()
{
	local word words=() candidate cut join='' IFS=$'\n'

	COMPREPLY=()
	# Bash splits "--name=value" at the "="; put such words together again.
	for word in "${COMP_WORDS[@]:1:COMP_CWORD}"; do
		if [[ ${#words[@]} -gt 0 && ( $word == = || $join ) ]]; then
			words[-1]+=$word
			join=${word##[^=]*}
		else
			words+=("$word")
		fi
	done
	cut=${words[-1]}
	if [[ $cut == --*=* && $COMP_WORDBREAKS == *=* ]]; then
		cut=${cut%%=*}=
	else
		cut=
	fi
	while read -r candidate; do
		case $candidate in
		:file) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "${words[-1]}") ;;
		:directory) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "${words[-1]}") ;;
		*) candidate=${candidate%%$'\t'*}; COMPREPLY+=("${candidate#"$cut"}") ;;
		esac
	done < <("$1" internal complete -- "${words[@]}" 2>/dev/null)
}

complete -F _banger banger
