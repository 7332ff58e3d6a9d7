/*
 * user.c - copying between the kernel and user memory.
 *
 * The copy itself is one REP MOVSB in entry code (user_copy); a page fault in it brings the page in as the user's own access
 * would, or ends the copy. Kernel addresses are refused first. Called by system calls only: current is the user.
 */
#include "proc.h"

static bool range_ok(uint32_t at, size_t n)
{
	return n <= USER_END && at <= USER_END - n;
}

bool copy_from_user(void *to, uint32_t from, size_t n)
{
	return range_ok(from, n) && !user_copy(to, (const void *)from, n);
}

bool copy_to_user(uint32_t to, const void *from, size_t n)
{
	return range_ok(to, n) && !user_copy((void *)to, from, n);
}

int32_t string_from_user(char *to, uint32_t from, size_t n)
{
	for (size_t done = 0; done < n;) {
		size_t some = min(n - done, 64 - ((from + done) & 63)); /* never over a page's end */
		if (!copy_from_user(to + done, from + (uint32_t)done, some))
			return -LEFAULT;
		for (size_t i = done; i < done + some; i++)
			if (!to[i])
				return (int32_t)i;
		done += some;
	}
	return -LENAMETOOLONG;
}

uint32_t user_room(uint32_t at, uint32_t n)
{
	uint32_t end = at;

	while (end - at < n && end < USER_END) {
		struct vma *v = vma_find(current->mm, end);
		if (v && v->start > end && end == at && !mm_fault(current->mm, end, PTE_W, current->regs->esp))
			v = vma_find(current->mm, end); /* the stack has grown */
		if (!v || v->start > end || !(v->flags & VMA_WRITE))
			break;
		end = v->end;
	}
	return min(end - at, n);
}
