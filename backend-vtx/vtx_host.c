/*
 * vtx_host.c - what this host is: the module behind /dev/kvm, its settings, the CPU's features.
 *
 * Every result is labelled with the engine, because /dev/kvm alone says nothing: kvm_intel is VT-x, kvm_amd is SVM, anything
 * else is neither. Called by vtx.c and by `ringlab doctor`.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "vtx.h"

static const char *const module_name[] = {
	[ENGINE_NONE] = "none", [ENGINE_INTEL] = "kvm_intel", [ENGINE_AMD] = "kvm_amd", [ENGINE_PVM] = "kvm_pvm",
	[ENGINE_OTHER] = "kvm_other",
};

const char *vtx_engine_name(enum vtx_engine engine)
{
	return module_name[engine];
}

/* Whether /proc/cpuinfo's first flags line has this word. */
static bool cpu_flag(const char *flag)
{
	char *line = NULL;
	size_t cap = 0;
	bool found = false;
	FILE *f = fopen("/proc/cpuinfo", "re");

	while (f && getline(&line, &cap, f) > 0)
		if (!strncmp(line, "flags", 5)) {
			for (char *save, *w = strtok_r(line, " \t\n", &save); w && !found; w = strtok_r(NULL, " \t\n", &save))
				found = !strcmp(w, flag);
			break;
		}
	free(line);
	if (f)
		fclose(f);
	return found;
}

static bool module_loaded(enum vtx_engine engine)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/module/%s", module_name[engine]);
	return !access(path, F_OK);
}

/* KVM lets one of them serve /dev/kvm; a built-in one that found no hardware is there all the same, and does not. */
enum vtx_engine vtx_engine_detect(void)
{
	if (module_loaded(ENGINE_INTEL) && cpu_flag("vmx"))
		return ENGINE_INTEL;
	if (module_loaded(ENGINE_AMD) && cpu_flag("svm"))
		return ENGINE_AMD;
	return module_loaded(ENGINE_PVM) ? ENGINE_PVM : ENGINE_OTHER;
}

bool vtx_shadow_paging(enum vtx_engine engine)
{
	const char *path = engine == ENGINE_INTEL ? "/sys/module/kvm_intel/parameters/ept" : "/sys/module/kvm_amd/parameters/npt";
	int fd = engine == ENGINE_INTEL || engine == ENGINE_AMD ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	char c = 'Y';

	if (fd >= 0) {
		if (read(fd, &c, 1) != 1)
			c = 'Y';
		close(fd);
	}
	return c == 'N' || c == '0';
}

static void describe_parameter(FILE *out, int dir, const char *module, const char *name)
{
	char value[64];
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, value, sizeof(value) - 1) : -1;

	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return;
	value[n] = 0;
	value[strcspn(value, "\n")] = 0;
	fprintf(out, "%s.%s: %s\n", module, name, value);
}

void vtx_describe(struct vcpu *v, FILE *out)
{
	static const char *const flags[] = { "vmx", "svm", "ept", "vpid", "unrestricted_guest", "npt", "nrip_save", "hypervisor" };
	enum vtx_engine engine = vtx_engine_detect();
	struct dirent *d;
	char path[96];

	if (v) /* nothing to say of a guest */
		return;
	fprintf(out, "module behind /dev/kvm: %s\n", access("/dev/kvm", F_OK) ? "none" : vtx_engine_name(engine));
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		fprintf(out, "cpu %s: %s\n", flags[i], cpu_flag(flags[i]) ? "yes" : "no");
	snprintf(path, sizeof(path), "/sys/module/%s/parameters", vtx_engine_name(engine));
	DIR *dir = opendir(path);
	while (dir && (d = readdir(dir)))
		if (d->d_name[0] != '.')
			describe_parameter(out, dirfd(dir), vtx_engine_name(engine), d->d_name);
	if (dir)
		closedir(dir);
}
