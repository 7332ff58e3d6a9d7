/*
 * vmcall.c - the instructions of hardware virtualization: VMCALL, VMMCALL, VMLAUNCH, VMREAD, INVEPT, VMRUN, SKINIT
 * and more.
 */
#include "hostile.h"

KERNEL_CODE(vmcall, "vmcall")
KERNEL_CODE(vmmcall, "vmmcall")
KERNEL_CODE(vmlaunch, "vmlaunch")
KERNEL_CODE(vmread, "vmread %%eax, %%ecx")
KERNEL_CODE(vmxoff, "vmxoff")
KERNEL_CODE(invept, "invept (%%eax), %%ecx")
KERNEL_CODE(vmrun, "vmrun")
KERNEL_CODE(vmload, "vmload")
KERNEL_CODE(stgi, "stgi")
KERNEL_CODE(clgi, "clgi")
KERNEL_CODE(vmfunc, ".byte 0x0f, 0x01, 0xd4")
RING3_CODE(user_vmcall, "vmcall")
RING3_CODE(user_vmmcall, "vmmcall")
RING3_CODE(user_vmfunc, ".byte 0x0f, 0x01, 0xd4")

int guest_main(void)
{
	static const uint32_t numbers[] = { 0, 1, 2, 5, 9, 0x1000, 0xfffffff0 };
	for (unsigned i = 0; i < ARRAY_LEN(numbers); i++) {
		attack("vmcall", vmcall, numbers[i]);
		attack("vmmcall", vmmcall, numbers[i]);
		attack_user("user-vmcall", user_vmcall, numbers[i]);
		attack_user("user-vmmcall", user_vmmcall, numbers[i]);
	}
	attack("vmlaunch", vmlaunch, 0);
	attack("vmread", vmread, 0);
	attack("vmxoff", vmxoff, 0);
	attack("invept", invept, 0);
	attack("vmrun", vmrun, 0);
	attack("vmload", vmload, 0);
	attack("stgi", stgi, 0);
	attack("clgi", clgi, 0);
	attack("vmfunc", vmfunc, 0);
	attack_user("user-vmfunc", user_vmfunc, 0);
	return hostile_end();
}
