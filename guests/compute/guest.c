/*
 * guest.c - the kernels as a guest: in the guest's kernel, or with the word "ring=3" in its user mode.
 *
 * In user mode nothing may be printed, so the lines are kept and the guest's kernel prints them afterwards.
 */
#ifdef HAL_XEN
#include "hal.h"
#else
#include "native.h"
#endif
#include "compute.h"

static char kept[16384];
static uint32_t kept_len;

static void put(const char *s)
{
	hal_puts(s);
}

static void keep(const char *s)
{
	while (*s && kept_len < sizeof(kept) - 1)
		kept[kept_len++] = *s++;
}

USER_CODE static void user_part(uint32_t args)
{
	user_exit((uint32_t)compute_main("guest-ring3", (const char *)args, keep));
}

#ifndef HAL_XEN
extern char image_start[], image_end[];

/* The kernels are not the kernel's secret: the whole image becomes readable and writable by ring 3. */
static void open_to_user(void)
{
	for (char *p = image_start; p < image_end; p += PAGE)
		page_set(p, page_pa(p), (page_entry(p) & (PAGE - 1)) | PTE_U, true);
}
#endif

int guest_main(void)
{
	char build[32] = "guest-";

	ringlab_truth.known &= ~(1ull << EV_RDTSC); /* the kernels' clock does not count itself */
	if (hal_number("ring", 0) == 3) {
#ifdef HAL_XEN
		hal_puts("ring=3 is for the native build: a Xen kernel's pages stay its own\n");
		return 1;
#else
		static char args[512]; /* the loader's own copy lies outside the image */
		uint32_t bad, n = strlen(hal_cmdline());

		memcpy(args, hal_cmdline(), n < sizeof(args) ? n : sizeof(args) - 1);
		pic_mask(0xffff); /* user mode runs with interrupts on, and a loader may have left some coming */
		open_to_user();
		bad = user_run(user_part, (uint32_t)args);
		hal_puts(kept);
		return (int)bad;
#endif
	}
	memcpy(build + 6, hal_name, strlen(hal_name) + 1);
	return compute_main(build, hal_cmdline(), put);
}
