/*
 * env.c - what a reader must know of the machine, the software and the run: env.json (docs/results.md has its keys).
 *
 * Also behind `ringlab bench --env`, which scripts/compare calls, so that there is one writer. What cannot be read is left out or null,
 * never invented. Called by runner.c and cli_bench.c.
 */
#include <dirent.h>
#include <fcntl.h>
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "commit.h"
#include "runner.h"

static const char *const packages[] = {
#include "packages.h"
};

#define OUTPUT_MAX (1 << 20)

/* What a program prints, up to OUTPUT_MAX bytes; "" when it cannot be run. It has 20 seconds. To be freed; NULL without memory. */
static char *output_of(const char *const *argv)
{
	char *text = malloc(OUTPUT_MAX + 1);
	size_t n = 0;
	ssize_t k;
	int p[2];
	pid_t pid;

	if (!text || pipe2(p, O_CLOEXEC))
		return text ? (*text = 0, text) : NULL;
	fflush(NULL);
	pid = fork();
	if (!pid) {
		int null = open("/dev/null", O_RDWR);
		sigset_t none;

		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		dup2(null, 0);
		dup2(p[1], 1);
		dup2(null, 2);
		alarm(20);
		execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	close(p[1]);
	while (pid > 0 && n < OUTPUT_MAX && ((k = read(p[0], text + n, OUTPUT_MAX - n)) > 0 || (k < 0 && errno == EINTR)))
		n += k > 0 ? (size_t)k : 0;
	close(p[0]);
	if (pid > 0)
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	text[n] = 0;
	return text;
}

json_t *doctor_read(const struct bench_options *o)
{
	const char *const argv[] = { o->paths.ringlab, "doctor", "--json", NULL };
	char *text = output_of(argv);
	json_t *j = text ? json_loads(text, 0, NULL) : NULL;

	free(text);
	return j;
}

/* The first line of a file, without its newline. NULL when there is none. */
static json_t *file_line(const char *path)
{
	char line[1000];
	FILE *f = fopen(path, "re");
	json_t *j = NULL;

	if (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		j = json_string(line);
	}
	if (f)
		fclose(f);
	return j;
}

/* A line "key : value" of /proc/cpuinfo, of the first CPU. */
static json_t *cpuinfo_of(const char *key)
{
	FILE *f = fopen("/proc/cpuinfo", "re");
	json_t *j = NULL;
	char line[8192];

	while (f && !j && fgets(line, sizeof(line), f)) {
		char *v = strchr(line, ':');

		if (!v || strncmp(line, key, strlen(key)) || !strchr("\t ", line[strlen(key)]))
			continue;
		v += 1 + (v[1] == ' ');
		v[strcspn(v, "\n")] = 0;
		j = json_string(v);
	}
	if (f)
		fclose(f);
	return j;
}

static json_t *mitigations(void)
{
	static const char dir[] = "/sys/devices/system/cpu/vulnerabilities";
	json_t *all = json_object();
	DIR *d = opendir(dir);
	struct dirent *e;
	char path[400];

	while (d && (e = readdir(d))) {
		json_t *v;

		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (e->d_name[0] != '.' && (v = file_line(path)))
			json_object_set_new(all, e->d_name, v);
	}
	if (d)
		closedir(d);
	return all;
}

/* Of the packages that the scripts name, those that are installed. */
static json_t *packages_installed(void)
{
	enum { N = sizeof(packages) / sizeof(packages[0]) };
	const char *argv[N + 5] = { "dpkg-query", "-W", "-f", "${db:Status-Abbrev}${Package} ${Version}\\n" };
	char *text, *save = NULL, name[200], version[200];
	json_t *all = json_object();

	for (size_t i = 0; i < N; i++)
		argv[4 + i] = packages[i];
	text = output_of(argv);
	for (char *l = text ? strtok_r(text, "\n", &save) : NULL; l; l = strtok_r(NULL, "\n", &save))
		if (sscanf(l, "ii %199s %199s", name, version) == 2)
			json_object_set_new(all, name, json_string(version));
	free(text);
	return all;
}

/* The first line of what a peer says of itself that has a digit in it. */
static json_t *peer_version(const char *const *argv)
{
	char *text = output_of(argv), *save = NULL;
	json_t *j = NULL;

	for (char *l = text ? strtok_r(text, "\n", &save) : NULL; l && !j; l = strtok_r(NULL, "\n", &save))
		if (strpbrk(l, "0123456789")) {
			l += strspn(l, " \t=*");
			j = json_string(l);
		}
	free(text);
	return j;
}

static json_t *peers(const json_t *installed)
{
	static const char *const qemu[] = { "qemu-system-i386", "--version", NULL };
	json_t *all = json_object(), *bochs = json_object_get(installed, "bochs"), *v = peer_version(qemu);

	if (v)
		json_object_set_new(all, "qemu-tcg", v);
	if (bochs)
		json_object_set(all, "bochs", bochs);
	return all;
}

static const char *kvm_module(const json_t *doctor)
{
	static const char *const modules[] = { "kvm_intel", "kvm_amd", "kvm_pvm" };
	char path[100];
	json_t *e;
	size_t i;

	json_array_foreach(json_object_get(doctor, "backends"), i, e)
		if (!strcmp(json_string_value(json_object_get(e, "backend")) ?: "", "vtx") && json_string_value(json_object_get(e, "engine")))
			return json_string_value(json_object_get(e, "engine"));
	for (i = 0; i < sizeof(modules) / sizeof(modules[0]); i++) {
		snprintf(path, sizeof(path), "/sys/module/%s", modules[i]);
		if (!access("/dev/kvm", F_OK) && !access(path, F_OK))
			return modules[i];
	}
	return "none";
}

/* Seconds that the hypervisor below us gave to others, over all CPUs, since boot; NAN where the kernel does not say. */
double steal_seconds(void)
{
	unsigned long long steal;
	FILE *f = fopen("/proc/stat", "re");
	int n = f ? fscanf(f, "cpu %*u %*u %*u %*u %*u %*u %*u %llu", &steal) : 0;

	if (f)
		fclose(f);
	return n == 1 ? (double)steal / (double)sysconf(_SC_CLK_TCK) : NAN;
}

static json_t *or_null(json_t *j)
{
	return j ? j : json_null();
}

/* The machine and its software: what does not depend on a run. */
static void env_machine(json_t *env, const json_t *doctor, double hz)
{
	json_t *installed = packages_installed(), *microcode = cpuinfo_of("microcode"), *model = cpuinfo_of("model name");
	char host[200];
	struct utsname u;

	run_host(host, sizeof(host));
	uname(&u);
	json_object_set_new(env, "commit", json_string(RINGLAB_COMMIT));
	json_object_set_new(env, "host", json_string(host));
	json_object_set_new(env, "tsc_hz", json_real(round(hz)));
	json_object_set_new(env, "cpu", model ? model : json_string("unknown"));
	json_object_set_new(env, "cpus", json_integer(sysconf(_SC_NPROCESSORS_ONLN)));
	json_object_set_new(env, "microcode", microcode ? microcode : json_string("unknown"));
	json_object_set_new(env, "kernel", json_string(u.release));
	json_object_set_new(env, "kvm_module", json_string(kvm_module(doctor)));
	json_object_set_new(env, "governor", or_null(file_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")));
	json_object_set_new(env, "huge_pages", json_string("unknown"));
	json_t *thp = file_line("/sys/kernel/mm/transparent_hugepage/enabled");
	if (thp)
		json_object_set_new(env, "huge_pages", thp);
	json_object_set_new(env, "mitigations", mitigations());
	json_object_set_new(env, "peers", peers(installed));
	json_object_set_new(env, "packages", installed);
	json_object_set_new(env, "doctor", doctor ? json_deep_copy(doctor) : json_object());
}

void utc_text(char out[40], time_t t)
{
	struct tm tm;

	strftime(out, 40, "%FT%TZ", gmtime_r(&t, &tm));
}

static json_t *missing_json(const struct bench *b)
{
	json_t *all = json_array();

	for (size_t i = 0; i < b->missings; i++)
		json_array_append_new(all, json_pack("{s:s,s:s,s:s,s:s}", "suite", b->missing[i].suite->name, "engine", b->missing[i].engine,
			"part", b->missing[i].part, "why", b->missing[i].why));
	return all;
}

static json_t *calibration_json(const struct bench *b)
{
	const struct calibration *c = &b->calibration;
	double median = series_quantile(&c->all, 0.5);

	return json_pack("{s:f,s:f,s:i,s:i}", "best", b->calib_best, "median", isnan(median) ? b->calib_best : median, "disturbed",
		(int)c->disturbed, "samples", (int)c->samples);
}

/* Where things are on this machine is of use to --resume only. */
static json_t *options_public(const struct bench *b)
{
	static const char *const places[] = { "ringlab", "guests", "linux" };
	json_t *o = json_copy(json_object_get(b->rundir.run, "options"));

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		json_object_del(o, places[i]);
	return o;
}

json_t *env_make(const struct bench *b, bool complete)
{
	const char *name = strrchr(b->rundir.dir, '/'), *started = json_string_value(json_object_get(b->rundir.run, "date"));
	double steal = steal_seconds() - b->steal;
	size_t planned, done;
	char end[40];
	json_t *env = json_object();

	utc_text(end, time(NULL));
	plan_count(b, &planned, &done);
	json_object_set_new(env, "name", json_string(name ? name + 1 : b->rundir.dir));
	json_object_set_new(env, "date", json_pack("{s:s,s:s}", "start", started ? started : end, "end", end));
	json_object_set_new(env, "command", json_string(b->o->command));
	json_object_set_new(env, "options", options_public(b));
	json_object_set_new(env, "complete", json_boolean(complete));
	json_object_set_new(env, "tasks", json_pack("{s:i,s:i}", "planned", (int)planned, "done", (int)done));
	json_object_set_new(env, "rounds", plan_rounds(b));
	json_object_set_new(env, "missing", missing_json(b));
	json_object_set_new(env, "calibration", calibration_json(b));
	json_object_set_new(env, "steal_seconds", isnan(steal) ? json_null() : json_real(steal));
	env_machine(env, b->doctor, b->tsc_hz);
	return env;
}

int bench_env(const struct bench_options *o)
{
	json_t *env = json_object(), *doctor = doctor_read(o);
	char now[40];
	int err;

	utc_text(now, time(NULL));
	json_object_set_new(env, "date", json_string(now));
	env_machine(env, doctor, tsc_hz());
	err = json_dumpf(env, stdout, JSON_INDENT(1)) || putchar('\n') < 0 || fflush(stdout) ? -EIO : 0;
	json_decref(env);
	json_decref(doctor);
	return err;
}
