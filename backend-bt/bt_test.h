/*
 * bt_test.h - what tests and the listing option use of the translator beyond its backend_ops.
 */
#pragma once
#include <stdio.h>
#include "core/vm.h"

/*
 * From now on run leaves with EXIT_KICK before the instruction at eip, with the exact state there; bt_stopped says whether that
 * was why. Drops all translations. To run N instructions: set v->state, push, bt_stop_at, run, look at v->state.
 */
void bt_stop_at(struct vcpu *v, uint32_t eip);
void bt_stop_nowhere(struct vcpu *v);
bool bt_stopped(const struct vcpu *v);

/* Guest code and its translation, instruction by instruction, for the block that covers eip in the current view. */
void bt_listing(struct vcpu *v, FILE *out, uint32_t eip);
