/* poweroff.c - writes back what the kernel holds and ends the machine. Natively it only writes back. */
#include "../lib/user.h"

int main(int argc, char **argv)
{
	struct linux_utsname u;

	sync();
	if (uname(&u) || strcmp(u.sysname, "Ringlab")) {
		eprintf("poweroff: not on %s\n", u.sysname);
		return 1;
	}
	syscall_raw(LNR_reboot, LREBOOT_MAGIC1, LREBOOT_MAGIC2, LREBOOT_POWER_OFF, argc > 1 ? atoi(argv[1]) : 0);
	warn("reboot");
	return 1;
}
