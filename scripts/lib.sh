# lib.sh - what the scripts share: messages, packages, building. Sourced by compare and check, never run.
# shellcheck shell=bash disable=SC2034

# Debian 12 packages, each with a file that is there when it is installed, so that no root and no dpkg call is needed.
BUILD_PACKAGES=(
	"cmake /usr/bin/cmake"
	"ninja-build /usr/bin/ninja"
	"pkg-config /usr/bin/pkg-config"
	"git /usr/bin/git"
	"gcc /usr/bin/gcc"
	"binutils /usr/bin/nm"
	"libc6-dev /usr/include/stdio.h"
	"gcc-multilib /usr/lib/gcc/x86_64-linux-gnu/*/32/libgcc.a"
	"libc6-dev-i386 /usr/lib32/libc.a"
	"libzydis-dev /usr/include/Zydis/Zydis.h"
	"libzycore-dev /usr/include/Zycore/Zycore.h"
	"libcapstone-dev /usr/include/capstone/capstone.h"
	"libelf-dev /usr/include/libelf.h"
	"libseccomp-dev /usr/include/seccomp.h"
	"libmd-dev /usr/include/sha2.h"
	"libjansson-dev /usr/include/jansson.h"
	"libxen-dev /usr/include/xen/xen.h"
	"libcriterion-dev /usr/include/criterion/criterion.h"
	"gnuplot-nox /usr/bin/gnuplot"
	"e2fsprogs /sbin/mke2fs"
)
# For the nested machine that has VT-x where the hardware has none.
NESTED_PACKAGES=(
	"bochs /usr/bin/bochs"
	"bochs-term /usr/lib/x86_64-linux-gnu/bochs/plugins/libbx_term_gui.so"
	"bochsbios /usr/share/bochs/BIOS-bochs-latest"
	"vgabios /usr/share/vgabios/vgabios.bin"
	"isolinux /usr/lib/ISOLINUX/isolinux.bin"
	"syslinux-common /usr/lib/syslinux/modules/bios/ldlinux.c32"
	"xorriso /usr/bin/xorriso"
	"busybox-static /bin/busybox"
	"python3 /usr/bin/python3"
)

# For the Linux guests: their packages come by apt and are unpacked, never installed.
LINUX_PACKAGES=(
	"apt /usr/bin/apt-get"
	"dpkg /usr/bin/dpkg-deb"
	"cpio /usr/bin/cpio"
	"gcc-multilib /usr/lib/gcc/x86_64-linux-gnu/*/32/libgcc.a"
	"libc6-dev-i386 /usr/lib32/libc.a"
)

# For GRUB as a Xen guest: fetched and unpacked in the same way; its disk is made here.
GRUB_PACKAGES=(
	"apt /usr/bin/apt-get"
	"dpkg /usr/bin/dpkg-deb"
	"e2fsprogs /sbin/mke2fs"
)

# Tests run the guests under QEMU too, where it is.
TEST_PACKAGES=(
	"qemu-system-x86 /usr/bin/qemu-system-i386"
	"grub-common /usr/bin/grub-mkrescue"
	"grub-pc-bin /usr/lib/grub/i386-pc/multiboot.mod"
	"xorriso /usr/bin/xorriso"
	"mtools /usr/bin/mformat"
	"chromium /usr/bin/chromium"
	"parallel /usr/bin/parallel"
	"protobuf-compiler /usr/bin/protoc"
)

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

fail() {
	say "$*"
	exit 1
}

have_file() { compgen -G "$1" >/dev/null; }

# packages_missing ENTRY...: the names of those whose file is not there.
packages_missing() {
	local entry
	for entry in "$@"; do
		have_file "${entry#* }" || printf '%s\n' "${entry%% *}"
	done
}

# packages_install ENTRY...: installs what is missing when root; otherwise says what is missing and ends.
packages_install() {
	local missing
	mapfile -t missing < <(packages_missing "$@")
	((${#missing[@]})) || return 0
	((EUID == 0)) || fail "packages are missing: ask root to run: apt-get install ${missing[*]}"
	command -v apt-get >/dev/null || fail "packages are missing and there is no apt-get to install them: ${missing[*]}"
	say "installing ${missing[*]}"
	export DEBIAN_FRONTEND=noninteractive
	apt_quietly install -y --no-install-recommends "${missing[@]}" || {
		apt_quietly update || fail "apt-get update failed: is the network there? Its last words are above"
		apt_quietly install -y --no-install-recommends "${missing[@]}" ||
			fail "apt-get could not install: ${missing[*]}. Its last words are above"
	}
	mapfile -t missing < <(packages_missing "$@")
	((${#missing[@]} == 0)) || fail "installed, but their files are not where they should be: ${missing[*]}"
}

# apt-get without its chatter, which is shown only when it fails.
apt_quietly() {
	local log status=0
	log=$(mktemp)
	apt-get -q -o Dpkg::Use-Pty=0 "$@" </dev/null >"$log" 2>&1 || status=$?
	((status == 0)) || tail -n 5 "$log" >&2
	rm -f "$log"
	return "$status"
}

# apt_setup DIR ARCHITECTURE: sets apt_options: apt with lists and a cache of its own in DIR; the system's sources and keys. No root needed.
apt_options=()
apt_setup() {
	local dir=$1
	mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
	apt_options=(-q -oDpkg::Use-Pty=0 "-oAPT::Architecture=$2" "-oAPT::Architectures=$2" "-oDir::State::Lists=$dir/lists"
		"-oDir::Cache=$dir/cache" -oAcquire::Languages=none -oDebug::NoLocking=1 "-oAPT::Sandbox::User=$(id -un)")
}

# build_preset PRESET: configures and builds into build/PRESET; the log is shown only when that fails.
build_preset() {
	local preset=$1 log start=$SECONDS
	mkdir -p build
	log=build/$preset.log
	say "building the $preset preset"
	if ! { cmake --preset "$preset" && ninja -C "build/$preset"; } </dev/null >"$log" 2>&1; then
		grep -E -A 12 'FAILED|error|Error' "$log" | tail -n 60 >&2 || tail -n 30 "$log" >&2
		fail "the $preset preset does not build; the whole log is in $log"
	fi
	say "built the $preset preset in $((SECONDS - start)) s"
}

# Whether /dev/kvm is hardware virtualization that KVM's own module drives.
have_vtx() {
	[[ -r /dev/kvm && -w /dev/kvm ]] && grep -qw vmx /proc/cpuinfo && [[ -d /sys/module/kvm_intel ]]
}
