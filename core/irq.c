/*
 * irq.c - the wire between devices, the 8259 pair and the vCPU.
 */
#include "core/irq.h"
#include "core/dev.h"
#include "core/vm.h"

void irq_set(struct vm *vm, unsigned line, bool level)
{
	struct pic *p = dev_pic(vm);

	if (vm->cfg.user_kvm_irqchip && vm->ops->irq_line) {
		vm->ops->irq_line(vm, line, level);
		return;
	}
	pic_set_line(p, line, level);
	if (pic_output(p))
		vm->vcpu.attention = 1;
}

bool irq_pending(const struct vm *vm)
{
	const struct pic *p = dev_pic(vm);

	return p && pic_output(p);
}

int irq_ack(struct vm *vm)
{
	return pic_ack(dev_pic(vm));
}
