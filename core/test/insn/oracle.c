/*
 * oracle.c - the program that runs tests on the host's CPU: insn-oracle BATCH-FD OUT-FD IN-FD BACK-FD.
 *
 * Started by worker.c with the descriptors of the shared memory and the pipes. It is built without sanitizers: nothing but
 * the tests' pages may be mapped in the low 4 GiB. Read next: native.c.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <signal.h>
#include "itest.h"

int main(int argc, char **argv)
{
	void *batch, *out;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (argc != 5) {
		fprintf(stderr, "insn-oracle: started by the instruction tests, not by hand\n");
		return 2;
	}
	batch = mmap(NULL, sizeof(struct it_batch), PROT_READ, MAP_SHARED, atoi(argv[1]), 0);
	out = mmap(NULL, sizeof(struct it_out), PROT_READ | PROT_WRITE, MAP_SHARED, atoi(argv[2]), 0);
	if (batch == MAP_FAILED || out == MAP_FAILED)
		return 1;
	worker_child(&native_exec, batch, out, atoi(argv[3]), atoi(argv[4]));
}
