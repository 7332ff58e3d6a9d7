#include "bench.h"
int bench_nano(const struct bench_options *o) { return 0; }
