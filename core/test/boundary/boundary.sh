#!/bin/bash
# boundary.sh - who may know of whom, held against the sources, the compiler's dependencies and the libraries' symbols.
#
# usage: boundary.sh SOURCE_DIR BUILD_DIR
set -u
shopt -s lastpipe # so that a verdict at the end of a pipe is ours
source_dir=$1 build_dir=$2
cd "$source_dir" || exit 1
bad=0

# fail RULE: what stdin lists breaks it.
fail_if_any() {
	local rule=$1 found
	found=$(cat)
	[[ -z $found ]] && { echo "ok: $rule"; return; }
	bad=1
	echo "BROKEN: $rule"
	echo "$found" | sed 's/^/    /'
}

sources() {
	find core guests bench backend-* -type f \( -name '*.[chS]' -o -name '*.inc' \) 2>/dev/null
}

# Code lines only: a comment may name anything.
grep_code() {
	xargs -r grep -nE "$1" | grep -vE '^[^:]+:[0-9]+:[[:space:]]*(\*|/\*|//)'
}

sources | grep '^core/' | grep_code '#[[:space:]]*include[[:space:]]*["<]([./]*backend-[a-z]+/|(vtx|bt|pv|xen)[a-z_]*\.h)' |
	fail_if_any "core includes no header of a backend"
sources | grep '^core/' | grep -vE '^core/(main\.c|test/)' | grep_code '\b(vtx|bt|pv)_(backend|run|vm_init|vcpu)' |
	fail_if_any "core names a backend in core/main.c only"
sources | grep -vE '^(backend-vtx|bench/peers)/' | grep_code '#[[:space:]]*include[[:space:]]*<linux/kvm\.h>' |
	fail_if_any "linux/kvm.h is for backend-vtx"
sources | grep -vE '^backend-bt/|^core/test/boundary/' | grep_code '\bZydisEncoder[A-Z][A-Za-z]+' |
	fail_if_any "the encoder is for backend-bt"
sources | grep -v 'listing[a-z_]*\.[ch]$' | grep_code '#[[:space:]]*include[[:space:]]*<capstone/' |
	fail_if_any "Capstone is for listings: files named *listing*"

# What the compiler really read: one "object: file" a line.
dependencies() {
	ninja -C "$build_dir" -t deps 2>/dev/null | awk '/^[^ ].*: #deps/ { sub(/:$/, "", $1); object = $1; next } NF { print object ": " $1 }'
}
if [[ -z $(dependencies | head -n 1) ]]; then
	echo "BROKEN: $build_dir has no dependencies to check: build it with ninja first"
	bad=1
fi
dependencies | grep '^core/' | grep -v '^core/test/' | grep -E ': .*/?backend-[a-z]+/' |
	fail_if_any "no object of core was compiled with a backend's header"
dependencies | grep -vE '^(backend-vtx|bench)/' | grep -E 'linux/kvm\.h$' |
	fail_if_any "no object outside backend-vtx was compiled with linux/kvm.h"

# Symbols, defined or wanted.
undefined_in() {
	[[ -f $1 ]] && nm -A "$1" 2>/dev/null | sed -E 's/.*:([^:]+\.o):/\1: /'
}
pv=$build_dir/backend-pv/libbackend-pv.a
if [[ -d backend-pv ]]; then
	[[ -f $pv ]] || { echo "BROKEN: there is no $pv to look into"; bad=1; }
	undefined_in "$pv" | grep -E 'ZydisEncoder' | fail_if_any "pv references no encoder"
	undefined_in "$pv" | grep -E '[[:space:]]bt_' | fail_if_any "pv references no symbol of the code cache or translator"
fi
undefined_in "$build_dir/core/libcore.a" | grep -E 'ZydisEncoder|[[:space:]](bt|pv|vtx)_[a-z]' |
	fail_if_any "libcore references no encoder and no backend"
for lib in "$build_dir"/backend-*/libbackend-*.a "$build_dir/core/libcore.a"; do
	undefined_in "$lib" | grep -vE '^[a-z_0-9]*listing[a-z_0-9]*\.c\.o' | grep -E '[[:space:]]cs_(open|disasm|close|free)' |
		fail_if_any "$(basename "$lib") calls Capstone from listings only"
done
exit $bad
