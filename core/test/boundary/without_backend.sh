#!/bin/bash
# without_backend.sh - a copy of the tree without one backend's directory still builds, and core's tests pass in it.
#
# usage: without_backend.sh SOURCE_DIR BACKEND WORK_DIR
set -eu
source_dir=$1 backend=$2 work=$3
rm -rf "$work"
mkdir -p "$work/tree"
trap 'rm -rf "$work"' EXIT
cd "$source_dir"
if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
	git ls-files -co --exclude-standard -z | tar -c --null --ignore-failed-read -T - 2>/dev/null | tar -x -C "$work/tree"
else
	tar -c --exclude=./build --exclude=./results . | tar -x -C "$work/tree"
fi
[[ -d $work/tree/backend-$backend ]] || { echo "SKIPPED: there is no backend-$backend to leave out"; exit 77; }
rm -rf "$work/tree/backend-$backend"
cd "$work/tree"
cmake -G Ninja -S . -B build -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_FLAGS_RELEASE="-O1" >cmake.log 2>&1 || { tail -n 20 cmake.log; exit 1; }
ninja -C build ringlab core-unit devices loader >ninja.log 2>&1 || { grep -E 'error|undefined|FAILED' ninja.log || tail -n 20 ninja.log; exit 1; }
for t in unit/core-unit loader/loader; do
	./build/core/test/$t || exit 1
done
./build/core/dev-test/devices
if ./build/ringlab --help | grep -qE "^  $backend "; then
	echo "ringlab still lists $backend"
	exit 1
fi
./build/ringlab run --backend "$backend" hello && exit 1
echo "the tree builds and passes without backend-$backend"
