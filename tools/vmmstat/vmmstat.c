// SPDX-License-Identifier: GPL-2.0
/*
 * vmmstat - what this host's VMs exit for: a table that renews itself, or JSON.
 *
 * Reads the file that each VM has in debugfs ("WHO NAME VALUE" a line, see
 * virt/stats.c) and shows what was added since the last look. Reasons have the
 * names that the tracepoint vmm:vmm_exit prints. Takes nothing from the guests,
 * unless --time makes the modules take the time of each exit.
 */
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DEBUGFS		"/sys/kernel/debug/vmm"
#define TIMING		"/sys/module/vm/parameters/exit_timing"
#define MAX_REASONS	64

struct reason {
	char name[64];
	uint64_t exits, ns;
};

struct vm {
	char id[32];			/* "PID-NUMBER", the file's name */
	int pid;
	char command[32];
	uint64_t vcpus, memory, exits;
	unsigned int nr_reasons;
	struct reason reason[MAX_REASONS];
};

/* All VMs at one moment. */
struct look {
	double time;			/* seconds */
	unsigned int nr;
	struct vm *vm;
};

static struct {
	double interval;
	bool json, once, timing;
	int pid;			/* 0: all */
} options = { .interval = 1 };

static volatile sig_atomic_t stopped;

/* --- looking --- */

static struct reason *find_reason(struct vm *vm, const char *name)
{
	unsigned int i;

	for (i = 0; i < vm->nr_reasons; i++)
		if (!strcmp(vm->reason[i].name, name))
			return &vm->reason[i];
	if (i == MAX_REASONS)
		return NULL;
	vm->nr_reasons++;
	snprintf(vm->reason[i].name, sizeof(vm->reason[i].name), "%s", name);
	return &vm->reason[i];
}

static void take_line(struct vm *vm, const char *who, const char *name, uint64_t value)
{
	struct reason *reason;

	if (!strcmp(who, "vm")) {
		if (!strcmp(name, "vcpus"))
			vm->vcpus = value;
		else if (!strcmp(name, "memory"))
			vm->memory = value;
	} else if (!strcmp(name, "exits")) {
		vm->exits += value;
	} else if (!strncmp(name, "exit_time_", 10)) {
		reason = find_reason(vm, name + 10);
		if (reason)
			reason->ns += value;
	} else if (!strncmp(name, "exit_", 5)) {
		reason = find_reason(vm, name + 5);
		if (reason)
			reason->exits += value;
	}
}

static void read_command(struct vm *vm)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/comm", vm->pid);
	file = fopen(path, "re");
	if (!file || !fgets(vm->command, sizeof(vm->command), file))
		strcpy(vm->command, "?");
	vm->command[strcspn(vm->command, "\n")] = '\0';
	if (file)
		fclose(file);
}

/* False if the VM went away meanwhile. */
static bool read_vm(const char *id, struct vm *vm)
{
	char path[300], line[200], who[50], name[64];
	uint64_t value;
	FILE *file;

	memset(vm, 0, sizeof(*vm));
	snprintf(path, sizeof(path), DEBUGFS "/%s", id);
	file = fopen(path, "re");
	if (!file)
		return false;
	snprintf(vm->id, sizeof(vm->id), "%.31s", id);
	vm->pid = atoi(id);
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "%49s %63s %" SCNu64, who, name, &value) == 3)
			take_line(vm, who, name, value);
	fclose(file);
	read_command(vm);
	return true;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void take_look(struct look *look)
{
	struct dirent *entry;
	DIR *dir = opendir(DEBUGFS);

	if (!dir && errno == EACCES)
		errx(1, DEBUGFS " is for root only: run vmmstat as root");
	if (!dir)
		err(1, DEBUGFS " (are the modules vm and vmm-amd or vmm-intel loaded, and is debugfs mounted on /sys/kernel/debug?)");
	look->nr = 0;
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.' ||
		    (options.pid && atoi(entry->d_name) != options.pid))
			continue;
		look->vm = realloc(look->vm, (look->nr + 1) * sizeof(*look->vm));
		if (!look->vm)
			err(1, "memory");
		if (read_vm(entry->d_name, &look->vm[look->nr]))
			look->nr++;
	}
	closedir(dir);
	look->time = now();
}

/* --- what was added between two looks --- */

static const struct vm *find_vm(const struct look *look, const char *id)
{
	unsigned int i;

	for (i = 0; i < look->nr; i++)
		if (!strcmp(look->vm[i].id, id))
			return &look->vm[i];
	return NULL;
}

static int by_exits(const void *a, const void *b)
{
	const struct reason *x = a, *y = b;

	return x->exits < y->exits ? 1 : x->exits > y->exits ? -1 : strcmp(x->name, y->name);
}

/* Leaves the difference in vm, the most frequent reason first. */
static void subtract(struct vm *vm, const struct vm *before)
{
	unsigned int i, j;

	for (i = 0; before && i < vm->nr_reasons; i++) {
		for (j = 0; j < before->nr_reasons; j++) {
			if (strcmp(vm->reason[i].name, before->reason[j].name))
				continue;
			vm->reason[i].exits -= before->reason[j].exits;
			vm->reason[i].ns -= before->reason[j].ns;
		}
	}
	if (before)
		vm->exits -= before->exits;
	qsort(vm->reason, vm->nr_reasons, sizeof(vm->reason[0]), by_exits);
}

/* --- showing --- */

static void print_cost(const struct reason *reason)
{
	double ns = reason->ns && reason->exits ? (double)reason->ns / reason->exits : 0;

	if (!ns)
		printf("%12s\n", "-");
	else if (ns < 1e4)
		printf("%9.0f ns\n", ns);
	else if (ns < 1e7)
		printf("%9.1f us\n", ns / 1e3);
	else
		printf("%9.1f ms\n", ns / 1e6);
}

/* seconds: how long the counts took; 0: they are totals */
static void print_vm(const struct vm *vm, double seconds)
{
	double divisor = seconds ? seconds : 1, all = vm->exits ? vm->exits : 1;
	unsigned int i;

	printf("\nVM %s  %s  %" PRIu64 " vCPU%s  %.4g MiB  %.0f exits%s\n", vm->id, vm->command,
	       vm->vcpus, vm->vcpus == 1 ? "" : "s", vm->memory / 1048576.0,
	       vm->exits / divisor, seconds ? "/s" : "");
	printf("  %-16s%12s%10s%12s\n", "REASON", seconds ? "EXITS/s" : "EXITS", "SHARE", "MEAN COST");
	for (i = 0; i < vm->nr_reasons; i++) {
		const struct reason *reason = &vm->reason[i];

		if (!reason->exits)
			continue;
		printf("  %-16s%12.0f%8.1f %%", reason->name, reason->exits / divisor,
		       100 * reason->exits / all);
		print_cost(reason);
	}
}

static void print_table(const struct look *look, double seconds)
{
	unsigned int i;

	if (!options.once && isatty(STDOUT_FILENO))
		printf("\033[H\033[2J");
	printf("vmmstat: %u VM%s, ", look->nr, look->nr == 1 ? "" : "s");
	if (seconds)
		printf("the last %.1f s\n", seconds);
	else
		printf("since each was made\n");
	for (i = 0; i < look->nr; i++)
		print_vm(&look->vm[i], seconds);
}

static void print_string(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		unsigned char c = *text;

		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < 0x20 || c >= 0x7f)
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	putchar('"');
}

/* One object, on one line. */
static void print_json(const struct look *look, double seconds)
{
	unsigned int i, j;

	printf("{\"seconds\": ");
	if (seconds)
		printf("%.6f", seconds);
	else
		printf("null");
	printf(", \"vms\": [");
	for (i = 0; i < look->nr; i++) {
		const struct vm *vm = &look->vm[i];
		const char *comma = "";

		printf("%s{\"vm\": \"%s\", \"pid\": %d, \"command\": ", i ? ", " : "", vm->id, vm->pid);
		print_string(vm->command);
		printf(", \"vcpus\": %" PRIu64 ", \"memory\": %" PRIu64 ", \"exits\": %" PRIu64
		       ", \"reasons\": {", vm->vcpus, vm->memory, vm->exits);
		for (j = 0; j < vm->nr_reasons; j++) {
			const struct reason *reason = &vm->reason[j];

			if (!reason->exits)
				continue;
			printf("%s\"%s\": {\"exits\": %" PRIu64 ", \"time_ns\": %" PRIu64 "}", comma,
			       reason->name, reason->exits, reason->ns);
			comma = ", ";
		}
		printf("}}");
	}
	printf("]}\n");
}

static void show(struct look *look, const struct look *before)
{
	double seconds = before ? look->time - before->time : 0;
	struct look shown = *look;
	unsigned int i;

	/* The next look subtracts this one: keep it as it is. */
	shown.vm = calloc(look->nr + 1, sizeof(*shown.vm));
	if (!shown.vm)
		err(1, "memory");
	for (i = 0; i < look->nr; i++) {
		shown.vm[i] = look->vm[i];
		subtract(&shown.vm[i], before ? find_vm(before, look->vm[i].id) : NULL);
	}
	if (options.json)
		print_json(&shown, seconds);
	else
		print_table(&shown, seconds);
	fflush(stdout);
	free(shown.vm);
}

/* --- the time of exits: on while we look, then as it was --- */

static bool set_timing(const char *value)
{
	FILE *file = fopen(TIMING, "we");

	if (!file)
		return false;
	fputs(value, file);
	return !fclose(file);
}

static void timing_off(void)
{
	set_timing("0");
}

static void timing_on(void)
{
	char value[8] = "";
	FILE *file = fopen(TIMING, "re");

	if (!file || !fgets(value, sizeof(value), file))
		err(1, TIMING);
	fclose(file);
	if (value[0] == 'Y')
		return;
	if (!set_timing("1"))
		err(1, TIMING);
	atexit(timing_off);
}

/* --- */

static void stop(int signal)
{
	(void)signal;
	stopped = 1;
}

static void usage(FILE *out)
{
	fprintf(out, "usage: vmmstat [-1jt] [-i SECONDS] [-p PID]\n"
		"  -i, --interval SECONDS  between two looks (default 1)\n"
		"  -1, --once              what was counted since each VM was made, and end\n"
		"  -j, --json              an object a line in place of a table\n"
		"  -p, --pid PID           only this process's VMs\n"
		"  -t, --time              take the time of each exit meanwhile, which makes exits dearer\n");
}

static void parse(int argc, char **argv)
{
	static const struct option names[] = {
		{ "interval", required_argument, NULL, 'i' },
		{ "once", no_argument, NULL, '1' },
		{ "json", no_argument, NULL, 'j' },
		{ "pid", required_argument, NULL, 'p' },
		{ "time", no_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{}
	};
	int c;

	while ((c = getopt_long(argc, argv, "i:1jp:th", names, NULL)) != -1) {
		switch (c) {
		case 'i':
			options.interval = atof(optarg);
			break;
		case '1':
			options.once = true;
			break;
		case 'j':
			options.json = true;
			break;
		case 'p':
			options.pid = atoi(optarg);
			break;
		case 't':
			options.timing = true;
			break;
		case 'h':
			usage(stdout);
			exit(0);
		default:
			usage(stderr);
			exit(2);
		}
	}
	if (optind < argc || !(options.interval >= 0.01 && options.interval <= 86400)) {
		usage(stderr);
		exit(2);
	}
}

static void wait_for(double seconds)
{
	struct timespec ts = { .tv_sec = seconds };

	ts.tv_nsec = (seconds - ts.tv_sec) * 1e9;
	nanosleep(&ts, NULL);
}

int main(int argc, char **argv)
{
	const struct sigaction action = { .sa_handler = stop };
	struct look looks[2] = {};
	int i = 0;

	parse(argc, argv);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	if (options.timing)
		timing_on();
	take_look(&looks[0]);
	if (options.once) {
		show(&looks[0], NULL);
		return 0;
	}
	for (;;) {
		wait_for(options.interval);
		if (stopped)
			return 0;
		take_look(&looks[!i]);
		show(&looks[!i], &looks[i]);
		i = !i;
	}
}
