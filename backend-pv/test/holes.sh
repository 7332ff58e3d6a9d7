#!/bin/bash
# holes.sh - is the table in docs/holes.md what scripts/holes finds? How many answers are wrong depends on the host (UMIP), which ones
# are wrong does not.
#
# usage: holes.sh SOURCE RINGLAB
set -euo pipefail
source=$1 ringlab=$2

reason=$("$ringlab" doctor | sed -n 's/^pv .*: \(.*\)/\1/p' | head -n 1)
case $reason in
available*) ;;
*)
	echo "SKIPPED: pv: $reason"
	exit 77
	;;
esac
rows() { grep -E '^\| [A-Z]+ \| insn/' | sed -E 's/wrong: [0-9]+/wrong/g'; }
diff <(rows <"$source/docs/holes.md") <("$source/scripts/holes" "$ringlab" </dev/null | rows) ||
	{ echo "docs/holes.md (<) and this build (>) differ"; exit 1; }
