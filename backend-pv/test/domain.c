/*
 * domain.c - what pv_vm_init and pv_start do, less what needs the low 4 GiB: so that the builder, page types and
 * hypercalls can be driven under AddressSanitizer, whose shadow memory lies there.
 */
#include "domain.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/console.h"

extern const struct backend_ops pv_backend;

struct domain *domain_new(const char *image, uint64_t mem)
{
	struct load_request req = { .path = image, .xen_ok = true };

	return domain_new_with(&req, mem, NULL);
}

struct domain *domain_new_with(const struct load_request *req, uint64_t mem, struct disk *disk)
{
	return domain_new_shared(req, mem, disk, NULL);
}

struct domain *domain_new_shared(const struct load_request *req, uint64_t mem, struct disk *disk, const char *shmem)
{
	struct domain *d = calloc(1, sizeof(*d));
	struct vcpu *v = &d->vm.vcpu;
	int r;

	d->vm.disk = disk;
	d->cpu = calloc(1, sizeof(*d->cpu));
	d->vm.cfg.console_in = d->vm.cfg.console_out = -1;
	d->vm.priv = &d->pv;
	d->vm.ops = &pv_backend;
	v->vm = &d->vm;
	d->pv.vm = &d->vm;
	d->pv.cpu = d->cpu;
	d->pv.top = PV_TOP;
	d->pv.bottom = PAGE_SIZE;
	d->pv.shadow.model = true;
	d->cpu->pv = &d->pv;
	d->cpu->v = v;
	d->cpu->st = &v->state;
	interp_init(&v->interp, MECH_TRAP);
	r = mem_init(&d->vm.mem, mem);
	assert(!r);
	r = shmem ? mem_share(&d->vm.mem, shmem) : 0;
	assert(!r);
	r = clock_init(&d->vm.clock);
	assert(!r);
	r = console_create(&d->vm);
	assert(!r);
	r = pv_shadow_init(&d->pv);
	assert(!r);
	r = loader_load(req, &d->vm.mem, &d->vm.image, &v->state, d->vm.why, sizeof(d->vm.why));
	if (r)
		fprintf(stderr, "%s\n", d->vm.why);
	assert(!r);
	r = xen_create(v);
	assert(!r);
	return d;
}

void domain_free(struct domain *d)
{
	xen_fini(&d->pv);
	pv_shadow_fini(&d->pv);
	interp_fini(&d->vm.vcpu.interp);
	console_destroy(&d->vm);
	clock_fini(&d->vm.clock);
	mem_fini(&d->vm.mem);
	loader_free(&d->vm.image);
	stats_fini(&d->vm.vcpu.stats);
	free(d->cpu);
	free(d);
}
