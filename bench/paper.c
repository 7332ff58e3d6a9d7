/*
 * paper.c - `ringlab bench --paper NAME`: the papers that we hold our figures against.
 */
#include "core/vm.h"
#include "paper.h"

int bench_paper(const struct bench_options *o, const char *name)
{
	say("bench: --paper %s: there is no paper of that name (see: ringlab bench --help)", name);
	return 223;
}
