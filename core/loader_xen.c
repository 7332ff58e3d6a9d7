/*
 * loader_xen.c - the notes by which a kernel says how Xen shall build its domain (xen/elfnote.h).
 *
 * Looked for in PT_NOTE segments, then in SHT_NOTE sections, then as the legacy string in section __xen_guest. What
 * the notes say is only recorded; pv's builder checks and uses it. Descriptors that claim more than there is are cut
 * to what is there: Debian's GRUB has such a one. Called by loader.c.
 */
#include <stdlib.h>
#include <string.h>
#include <xen/elfnote.h>
#include "loader_parts.h"

static uint64_t note_number(const uint8_t *desc, size_t n)
{
	uint64_t v = 0;

	memcpy(&v, desc, n >= 8 ? 8 : n >= 4 ? 4 : 0);
	return v;
}

static void note_string(char *to, size_t size, const void *desc, size_t n)
{
	n = strnlen(desc, n < size - 1 ? n : size - 1);
	memcpy(to, desc, n);
	to[n] = 0;
}

/* "yes", "bimodal" and "yes,bimodal" run under a PAE Xen. */
static bool pae_value(const char *s)
{
	return !strncmp(s, "yes", 3) || !strncmp(s, "bimodal", 7);
}

/* One note of owner "Xen". Only those that make a PV guest say that one is there: a PVH kernel has others. */
static void xen_note(struct xen_notes *x, unsigned type, const uint8_t *desc, size_t n)
{
	char text[32];

	switch (type) {
	case XEN_ELFNOTE_ENTRY:
		x->entry = note_number(desc, n);
		break;
	case XEN_ELFNOTE_VIRT_BASE:
		x->virt_base = note_number(desc, n);
		break;
	case XEN_ELFNOTE_PADDR_OFFSET:
		x->paddr_offset = note_number(desc, n);
		return;
	case XEN_ELFNOTE_HYPERCALL_PAGE:
		x->hypercall_page = note_number(desc, n);
		x->have_hypercall_page = true;
		break;
	case XEN_ELFNOTE_INIT_P2M:
		x->init_p2m = note_number(desc, n);
		x->have_init_p2m = true;
		return;
	case XEN_ELFNOTE_PAE_MODE:
		note_string(text, sizeof(text), desc, n);
		x->pae = pae_value(text);
		return;
	case XEN_ELFNOTE_GUEST_OS:
		note_string(x->guest_os, sizeof(x->guest_os), desc, n);
		return;
	case XEN_ELFNOTE_FEATURES:
		note_string(x->features, sizeof(x->features), desc, n);
		return;
	case XEN_ELFNOTE_LOADER:
		note_string(x->loader, sizeof(x->loader), desc, n);
		break;
	case XEN_ELFNOTE_XEN_VERSION:
		break;
	default:
		return;
	}
	x->present = true;
}

/*
 * Reads the note at *off: libelf's reading, or, where the descriptor reaches past the end, the same note cut short.
 * False at the end.
 */
static bool note_next(Elf_Data *d, size_t *off, GElf_Nhdr *nh, size_t *name, size_t *desc)
{
	size_t next = gelf_getnote(d, *off, nh, name, desc);
	Elf32_Nhdr raw;

	if (next) {
		*off = next;
		return true;
	}
	if (*off > d->d_size || d->d_size - *off < sizeof(raw))
		return false;
	memcpy(&raw, (char *)d->d_buf + *off, sizeof(raw));
	*name = *off + sizeof(raw);
	if (raw.n_namesz > d->d_size - *name)
		return false;
	*desc = *name + ((raw.n_namesz + 3ul) & ~3ul);
	if (*desc > d->d_size)
		return false;
	*nh = (GElf_Nhdr){ .n_namesz = raw.n_namesz, .n_descsz = (uint32_t)(d->d_size - *desc), .n_type = raw.n_type };
	*off = d->d_size;
	return true;
}

static void notes_in(struct loading *l, Elf *elf, uint64_t offset, uint64_t size)
{
	size_t off = 0, name, desc;
	Elf_Data *d;
	GElf_Nhdr nh;

	if (offset > l->img->file_size || size > l->img->file_size - offset || size < sizeof(Elf32_Nhdr))
		return;
	d = elf_getdata_rawchunk(elf, (int64_t)offset, size, ELF_T_NHDR);
	if (!d || !d->d_buf)
		return;
	while (note_next(d, &off, &nh, &name, &desc)) {
		const uint8_t *b = d->d_buf;

		if (nh.n_namesz == 4 && !memcmp(b + name, "Xen", 4))
			xen_note(&l->img->xen, nh.n_type, b + desc, nh.n_descsz);
	}
}

/* NAME=VALUE pairs with commas between: the notes' predecessor. HYPERCALL_PAGE is a frame number there. */
static void legacy_pair(struct xen_notes *x, const char *name, const char *value, bool *have_offset)
{
	if (!strcmp(name, "GUEST_OS")) {
		note_string(x->guest_os, sizeof(x->guest_os), value, strlen(value));
	} else if (!strcmp(name, "VIRT_BASE")) {
		x->virt_base = strtoull(value, NULL, 0);
	} else if (!strcmp(name, "VIRT_ENTRY")) {
		x->entry = strtoull(value, NULL, 0);
	} else if (!strcmp(name, "ELF_PADDR_OFFSET")) {
		x->paddr_offset = strtoull(value, NULL, 0);
		*have_offset = true;
	} else if (!strcmp(name, "HYPERCALL_PAGE")) {
		x->hypercall_page = strtoull(value, NULL, 0);
		x->have_hypercall_page = true;
	} else if (!strcmp(name, "PAE")) {
		x->pae = pae_value(value);
	} else if (!strcmp(name, "LOADER")) {
		note_string(x->loader, sizeof(x->loader), value, strlen(value));
	} else if (!strcmp(name, "FEATURES")) {
		note_string(x->features, sizeof(x->features), value, strlen(value));
	}
}

static void legacy_string(struct xen_notes *x, const uint8_t *data, size_t size)
{
	char text[1024], *save = NULL;
	bool have_offset = false;

	note_string(text, sizeof(text), data, size);
	for (char *pair = strtok_r(text, ",", &save); pair; pair = strtok_r(NULL, ",", &save)) {
		char *equals = strchr(pair, '=');

		if (!equals)
			continue;
		*equals = 0;
		legacy_pair(x, pair, equals + 1, &have_offset);
		x->present = true;
	}
	if (!have_offset)
		x->paddr_offset = x->virt_base;
	if (x->have_hypercall_page)
		x->hypercall_page = x->virt_base + (x->hypercall_page << PAGE_SHIFT);
}

static void notes_in_segments(struct loading *l, Elf *elf, unsigned n)
{
	GElf_Phdr ph;

	for (unsigned i = 0; i < n; i++)
		if (gelf_getphdr(elf, (int)i, &ph) && ph.p_type == PT_NOTE)
			notes_in(l, elf, ph.p_offset, ph.p_filesz);
}

static void notes_in_sections(struct loading *l, Elf *elf, size_t strndx)
{
	const struct image *img = l->img;
	Elf_Scn *scn = NULL;
	GElf_Shdr sh;

	while ((scn = elf_nextscn(elf, scn)) && !l->img->xen.present) {
		const char *name;

		if (!gelf_getshdr(scn, &sh))
			continue;
		if (sh.sh_type == SHT_NOTE)
			notes_in(l, elf, sh.sh_offset, sh.sh_size);
		name = elf_strptr(elf, strndx, sh.sh_name);
		if (sh.sh_type != SHT_NOBITS && name && !strcmp(name, "__xen_guest") && sh.sh_offset <= img->file_size &&
				sh.sh_size <= img->file_size - sh.sh_offset)
			legacy_string(&l->img->xen, img->file + sh.sh_offset, sh.sh_size);
	}
}

void xen_notes_read(struct loading *l, Elf *elf)
{
	struct xen_notes *x = &l->img->xen;
	size_t strndx;
	GElf_Ehdr eh;

	if (!gelf_getehdr(elf, &eh))
		return;
	notes_in_segments(l, elf, eh.e_phnum);
	if (!x->present && !elf_getshdrstrndx(elf, &strndx))
		notes_in_sections(l, elf, strndx);
	if (x->present && !x->entry)
		x->entry = l->img->entry;
}
