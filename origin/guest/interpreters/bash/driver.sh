# The bash of one context. Descriptor 3 is the agent's: it says what to run, each time up to a NUL, and is told the exit code.
# What runs has no hold of it. `exit` ends the call and an interrupt does too, and neither ends the shell: from then on every
# command returns, until the cell has returned. (`set -e` and `exec` do end it; the agent begins a new one.)
# shellcheck disable=SC2034

__atoll_cell=${BASH_SOURCE[0]%/*}/cell.sh
__atoll_end=
__atoll_runs=
# Where the session stands, while a call has a folder of its own.
__atoll_folder=

__atoll_unwind() {
	shopt -s extdebug
	trap __atoll_leave DEBUG
}

# Of a DEBUG trap, 2 is "return from the function or the file that is running".
__atoll_leave() {
	local file
	for file in "${BASH_SOURCE[@]}"; do
		[[ $file == "$__atoll_cell" ]] && return 2
	done
	return 0
}

exit() {
	local code=$?
	((BASH_SUBSHELL > 0)) && builtin exit "${1:-$code}"
	__atoll_end=$((${1:-$code} & 255))
	__atoll_unwind
}

__atoll_interrupt() {
	[[ -z $__atoll_runs ]] && return
	__atoll_end=130
	__atoll_unwind
}

trap __atoll_interrupt INT

while IFS= read -r -d '' -u 3 __atoll_code; do
	__atoll_end=
	__atoll_runs=yes
	source "$__atoll_cell" 3>&-
	__atoll_status=$?
	__atoll_runs=
	trap - DEBUG
	shopt -u extdebug
	[[ -n $__atoll_folder ]] && cd -- "$__atoll_folder"
	__atoll_folder=
	# A frame of type 3 (done) with 21 bytes of JSON.
	printf '\003\000\000\000\025{"exit_code": %6d}' "${__atoll_end:-$__atoll_status}" >&3
done
