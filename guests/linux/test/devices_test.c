/*
 * devices_test.c - Debian's own drivers on our devices: virtio_pci, virtio_blk, virtio_console, and libata on the ISA ports.
 *
 * They were written by others against others' devices: what they find in order here is in order. The disk is an ext2 image
 * of files with their checksums; the session (guests/linux/session/devices) checks those through both drivers, writes,
 * compares the two block devices, and sends a line through the virtio console.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "machine.h"

static const char make_image[] =
	"d=$(mktemp -d) && mkdir $d/root && for i in 1 2 3 4 5 6 7 8 9; do head -c $((i * 77777)) /dev/urandom >$d/root/file$i; done && "
	"(cd $d/root && md5sum file* >SUMS) && truncate -s 8M $d/image && mke2fs -q -F -t ext2 -d $d/root $d/image && echo $d";

Test(debian, drivers_of_disks_and_consoles, .timeout = 300)
{
	char dir[200] = "", command[900], line[400], all[8192] = "";
	bool listed = false;

	machine_need();
	FILE *p = popen(RINGLAB_BINARY " list", "r");
	while (p && fgets(line, sizeof(line), p))
		listed |= !strncmp(line, "linux-i386-devices ", 19) && strstr(line, " native ");
	cr_assert(p && !pclose(p));
	if (!listed)
		cr_skip_test("initrd-devices is not here: run scripts/linux-guest (it needs Debian's packages by network)");
	p = popen(make_image, "r");
	cr_assert(p && fscanf(p, "%199s", dir) == 1 && !pclose(p), "no ext2 image: is mke2fs installed (Debian: e2fsprogs)?");
	snprintf(command, sizeof(command), RINGLAB_BINARY " run --backend bt --timeout 250 --disk %s/image --append 'quiet ringlab.session=devices' "
		"linux-i386-devices </dev/null 2>&1", dir);
	p = popen(command, "r");
	for (size_t n = 0, r; p && n < sizeof(all) - 1 && (r = fread(all + n, 1, sizeof(all) - 1 - n, p)) > 0; n += r)
		;
	int status = p ? pclose(p) : -1;
	snprintf(command, sizeof(command), "e2fsck -fn %s/image >/dev/null 2>&1", dir);
	int checked = system(command);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	cr_expect(!system(command));
	cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the session failed:\n%s", all);
	cr_expect(strstr(all, "devices: ok: wrote"), "no write through virtio:\n%s", all);
	cr_expect(strstr(all, "devices: ok: same /dev/vda /dev/sda"), "libata and virtio differ:\n%s", all);
	cr_expect(strstr(all, "devices: through hvc0"), "nothing through the virtio console:\n%s", all);
	cr_expect_eq(checked, 0, "the image is damaged");
}
