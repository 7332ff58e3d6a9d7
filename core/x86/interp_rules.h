/*
 * interp_rules.h - private to the interpreter's backend: its rule table (interp_rules.c).
 */
#pragma once
#include "core/backend.h"

#define INTERP_RULES 54
extern const struct backend_rule interp_rules[INTERP_RULES];
