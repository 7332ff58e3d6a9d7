/*
 * exec.c - replaces a process's program by an ELF file: a new address space, its segments, its first stack.
 *
 * Everything is built in an address space that is not loaded, page by page (mm_write), so that an error leaves the caller
 * as it was. The stack is what i386 Linux gives: argc, argv, envp, a short auxiliary vector. Static ELF32 only; a file that
 * begins with "#!" and an absolute path runs that program. Sources: System V ABI i386 supplement, chapter 3; elf(5).
 */
#include "proc.h"

#define PHDRS_MAX 16

struct elf_header {
	uint8_t ident[16];
	uint16_t type, machine;
	uint32_t version, entry, phoff, shoff, flags;
	uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};
struct elf_phdr {
	uint32_t type, offset, vaddr, paddr, filesz, memsz, flags, align;
};
enum { PT_LOAD = 1, ET_EXEC = 2, EM_386 = 3, PF_X = 1, PF_W = 2, PF_R = 4 };
enum { AT_NULL = 0, AT_PHDR = 3, AT_PHENT = 4, AT_PHNUM = 5, AT_PAGESZ = 6, AT_ENTRY = 9 };

/* Strings of arguments and environment as they will lie on the stack, back to back. */
struct args {
	char *text;
	uint32_t used, argc, envc;
};

static int args_add(struct args *a, const char *s)
{
	uint32_t n = (uint32_t)strlen(s) + 1;
	if (n > ARGS_MAX / 2 - a->used || a->argc + a->envc >= ARGS_MAX / 16)
		return -LE2BIG;
	memcpy(a->text + a->used, s, n);
	a->used += n;
	return 0;
}

static int image_read(struct inode *i, uint32_t at, void *to, uint32_t n)
{
	int32_t got = i->ops->read ? i->ops->read(i, at, to, n) : -LENOEXEC;
	return got < 0 ? got : (uint32_t)got == n ? 0 : -LENOEXEC;
}

static int segment_load(struct mm *m, struct inode *i, const struct elf_phdr *p, char *buf)
{
	uint32_t flags = (p->flags & PF_R ? VMA_READ : 0u) | (p->flags & PF_W ? VMA_WRITE : 0u) | (p->flags & PF_X ? VMA_EXEC : 0u);
	uint32_t end = p->vaddr + p->memsz;
	int r;

	if (p->filesz > p->memsz || end < p->vaddr || end > MMAP_BASE || p->vaddr < PAGE)
		return -LENOEXEC;
	if ((r = vma_add(m, page_down(p->vaddr), page_up(end), flags)))
		return r == -LEINVAL ? -LENOEXEC : r;
	for (uint32_t done = 0; done < p->filesz;) {
		uint32_t some = min(p->filesz - done, PAGE - ((p->vaddr + done) & PAGE_MASK));
		if ((r = image_read(i, p->offset + done, buf, some)) || (r = mm_write(m, p->vaddr + done, buf, some)))
			return r;
		done += some;
	}
	m->brk_start = m->brk = max(m->brk, page_up(end));
	return 0;
}

static int image_load(struct mm *m, struct inode *i, struct elf_header *h, uint32_t *phdr)
{
	struct elf_phdr p[PHDRS_MAX];
	char *buf;
	int r;

	if ((r = image_read(i, 0, h, sizeof *h)))
		return r;
	if (memcmp(h->ident, "\177ELF\1\1", 6) || h->type != ET_EXEC || h->machine != EM_386 || h->phentsize != sizeof p[0] ||
			h->phnum > PHDRS_MAX)
		return -LENOEXEC;
	if ((r = image_read(i, h->phoff, p, h->phnum * sizeof p[0])))
		return r;
	if (!(buf = arena_alloc(ARENA_KERNEL, 0)))
		return -LENOMEM;
	*phdr = 0;
	for (unsigned n = 0; n < h->phnum && !r; n++) {
		if (p[n].type != PT_LOAD)
			continue;
		r = segment_load(m, i, &p[n], buf);
		if (p[n].offset <= h->phoff && h->phoff < p[n].offset + p[n].filesz)
			*phdr = p[n].vaddr + h->phoff - p[n].offset;
	}
	arena_free(ARENA_KERNEL, buf, 0);
	return r;
}

/* The first stack, made in one piece: words below, strings above. *esp is where argc lies. */
static int stack_make(struct mm *m, const struct args *a, const struct elf_header *h, uint32_t phdr, uint32_t *esp)
{
	uint32_t aux[] = { AT_PHDR, phdr, AT_PHENT, h->phentsize, AT_PHNUM, h->phnum, AT_PAGESZ, PAGE, AT_ENTRY, h->entry, AT_NULL, 0 };
	uint32_t text = (STACK_TOP - a->used) & ~15u, words = 1 + a->argc + 1 + a->envc + 1 + ARRAY_LEN(aux);
	uint32_t start = (text - words * 4) & ~15u, n = 0, at = text, *w = kzalloc(STACK_TOP - start);
	const char *s = a->text;
	int r = -LENOMEM;

	if (!w)
		return r;
	w[n++] = a->argc;
	for (uint32_t i = 0; i < a->argc + a->envc; i++) {
		if (i == a->argc)
			w[n++] = 0;
		w[n++] = at;
		at += (uint32_t)strlen(s) + 1;
		s += strlen(s) + 1;
	}
	if (!a->envc)
		w[n++] = 0;
	w[n++] = 0;
	memcpy(w + n, aux, sizeof aux);
	memcpy((char *)w + (text - start), a->text, a->used);
	if (!(r = vma_add(m, page_down(start - 2 * PAGE), STACK_TOP, VMA_READ | VMA_WRITE | VMA_STACK)))
		r = mm_write(m, start, w, STACK_TOP - start);
	kfree(w);
	*esp = start;
	return r;
}

static int program_find(const char *path, struct inode **out)
{
	int r = path_lookup(path, out);
	if (r)
		return r;
	if (inode_is(*out, LS_IFREG) && ((*out)->mode & 0111))
		return 0;
	inode_put(*out);
	return -LEACCES;
}

/* From here on nothing fails: the process becomes the new program. */
static void become(struct mm *m, struct inode *i, const char *path, struct regs *r, uint32_t entry, uint32_t esp)
{
	struct proc *p = current;
	const char *base = path;
	struct mm *old = p->mm;

	for (const char *s = path; *s; s++)
		if (*s == '/')
			base = s + 1;
	memset(p->name, 0, sizeof p->name);
	memcpy(p->name, base, min(strlen(base), sizeof p->name - 1));
	proc_drop_program(p);
	p->program = i;
	i->busy++;
	p->mm = m;
	root_load(m->root);
	mm_destroy(old);
	fd_close_all(p, true);
	signal_exec(p);
	fpu_start();
	arch_regs_user(r, entry, esp);
}

static int exec_args(const char *path, struct args *a, struct regs *r, unsigned depth);

/* "#!/bin/sh -x": the interpreter, its one argument, the path, and the arguments after the first. */
static int script(struct inode *i, const char *path, struct args *a, struct regs *r, unsigned depth)
{
	struct args b = { .text = kmalloc(ARGS_MAX / 2) };
	char line[128] = { 0 }, *word = line + 2, *arg, *s = a->text;
	int err = -LENOEXEC;

	if (i->ops->read(i, 0, line, sizeof line - 1) > 2 && line[0] == '#' && line[1] == '!' && depth < 2 && b.text) {
		for (s = line; *s && *s != '\n'; s++)
			;
		*s = 0;
		while (*word == ' ')
			word++;
		for (arg = word; *arg && *arg != ' '; arg++)
			;
		if (*arg)
			*arg++ = 0;
		err = args_add(&b, word);
		b.argc = 1;
		if (!err && *arg && !(err = args_add(&b, arg)))
			b.argc++;
		if (!err && !(err = args_add(&b, path)))
			b.argc++;
		s = a->text;
		for (uint32_t n = 0; n < a->argc + a->envc && !err; n++, s += strlen(s) + 1)
			if (n && !(err = args_add(&b, s)))
				n < a->argc ? b.argc++ : b.envc++;
		if (!err)
			err = exec_args(word, &b, r, depth + 1);
	}
	kfree(b.text);
	return err;
}

static int exec_args(const char *path, struct args *a, struct regs *r, unsigned depth)
{
	struct elf_header h;
	struct inode *i;
	struct mm *m;
	uint32_t phdr, esp;
	int err = program_find(path, &i);

	if (err)
		return err;
	m = mm_new();
	err = m ? image_load(m, i, &h, &phdr) : -LENOMEM;
	if (!err && !(err = stack_make(m, a, &h, phdr, &esp))) {
		become(m, i, path, r, h.entry, esp);
		return 0;
	}
	mm_destroy(m);
	if (err == -LENOEXEC)
		err = script(i, path, a, r, depth);
	inode_put(i);
	return err;
}

int exec(const char *path, char *const *argv, char *const *envp, struct regs *r)
{
	struct args a = { .text = kmalloc(ARGS_MAX / 2) };
	int err = a.text ? 0 : -LENOMEM;

	for (; !err && argv[a.argc]; a.argc++)
		err = args_add(&a, argv[a.argc]);
	for (; !err && envp[a.envc]; a.envc++)
		err = args_add(&a, envp[a.envc]);
	if (!err)
		err = exec_args(path, &a, r, 0);
	kfree(a.text);
	return err;
}

/* One of the user's vectors of strings; NULL is an empty one. */
static int args_from_user(struct args *a, uint32_t vector, uint32_t *count)
{
	uint32_t at;
	int32_t n;

	for (*count = 0; vector; ++*count, vector += 4) {
		if (!copy_from_user(&at, vector, 4))
			return -LEFAULT;
		if (!at)
			return 0;
		if (a->used >= ARGS_MAX / 2 || a->argc + a->envc >= ARGS_MAX / 16)
			return -LE2BIG;
		if ((n = string_from_user(a->text + a->used, at, ARGS_MAX / 2 - a->used)) < 0)
			return n == -LENAMETOOLONG ? -LE2BIG : n;
		a->used += (uint32_t)n + 1;
	}
	return 0;
}

int32_t exec_user(uint32_t path, uint32_t argv, uint32_t envp, struct regs *r)
{
	struct args a = { .text = kmalloc(ARGS_MAX / 2) };
	char *name = kmalloc(PATH_LEN);
	int32_t err = -LENOMEM;

	if (a.text && name && (err = string_from_user(name, path, PATH_LEN)) >= 0 && !(err = args_from_user(&a, argv, &a.argc)) &&
			!(err = args_from_user(&a, envp, &a.envc)))
		err = exec_args(name, &a, r, 0);
	kfree(name);
	kfree(a.text);
	return err;
}
