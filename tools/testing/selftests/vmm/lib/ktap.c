// SPDX-License-Identifier: GPL-2.0
/*
 * ktap.c - runs the cases of a test program, each in a child, and says in KTAP
 * how they went.
 *
 * usage: PROGRAM [WORD]: only the cases whose name contains WORD.
 * VMM_TEST_TIMEOUT: seconds that one case may take, 120 if unset.
 * VMM_TEST_SLOW: how many times slower than usual this host is (a debug kernel).
 */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ktap.h"

/* Weak: exit_cost has no cases, and a main() of its own. */
extern const struct ktap_test __start_ktap_tests[] __attribute__((weak));
extern const struct ktap_test __stop_ktap_tests[] __attribute__((weak));

void (*ktap_on_fail)(void);

static const char *label;

/* Why the child skipped its case; shared with the parent. */
static char *skip_reason;
#define SKIP_REASON_SIZE 256

void ktap_diag(const char *fmt, ...)
{
	va_list ap;

	printf("# ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
}

void ktap_label(const char *text)
{
	label = text;
}

void ktap_skip(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(skip_reason, SKIP_REASON_SIZE, fmt, ap);
	va_end(ap);
	fflush(stdout);
	_exit(KTAP_EXIT_SKIP);
}

void ktap_fail(const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	printf("# %s:%d: %s%s", file, line, label ? label : "", label ? ": " : "");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	if (ktap_on_fail) {
		void (*f)(void) = ktap_on_fail;

		ktap_on_fail = NULL;	/* it may fail itself */
		f();
	}
	fflush(stdout);
	_exit(KTAP_EXIT_FAIL);
}

int ktap_slow(void)
{
	const char *s = getenv("VMM_TEST_SLOW");

	return s && atoi(s) > 0 ? atoi(s) : 1;
}

static int timeout_seconds(void)
{
	const char *s = getenv("VMM_TEST_TIMEOUT");

	return (s && atoi(s) > 0 ? atoi(s) : 120) * ktap_slow();
}

/* Runs one case in a child; returns its exit status as wait() gives it. */
static int run_child(const struct ktap_test *t)
{
	int status;
	pid_t pid;

	skip_reason[0] = '\0';
	fflush(stdout);
	pid = fork();
	if (pid < 0) {
		ktap_diag("fork: %s", strerror(errno));
		return KTAP_EXIT_FAIL << 8;
	}
	if (!pid) {
		setpgid(0, 0);
		alarm(timeout_seconds());
		t->fn();
		fflush(stdout);
		_exit(KTAP_EXIT_PASS);
	}
	if (waitpid(pid, &status, 0) < 0)
		status = KTAP_EXIT_FAIL << 8;
	kill(-pid, SIGKILL);	/* what the case may have left behind */
	return status;
}

static const char *report(int nr, const struct ktap_test *t, int status)
{
	if (WIFSIGNALED(status)) {
		if (WTERMSIG(status) == SIGALRM)
			ktap_diag("%s:%d: out of time", t->file, t->line);
		else
			ktap_diag("%s:%d: killed by signal %d", t->file, t->line,
				  WTERMSIG(status));
	} else if (WEXITSTATUS(status) == KTAP_EXIT_PASS) {
		printf("ok %d %s\n", nr, t->name);
		return "pass";
	} else if (WEXITSTATUS(status) == KTAP_EXIT_SKIP) {
		printf("ok %d %s # SKIP %s\n", nr, t->name, skip_reason);
		return "skip";
	}
	printf("not ok %d %s\n", nr, t->name);
	return "fail";
}

int __attribute__((weak)) main(int argc, char **argv)
{
	const struct ktap_test *t;
	int pass = 0, fail = 0, skip = 0, nr = 0, n = 0;

	skip_reason = mmap(NULL, SKIP_REASON_SIZE, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (skip_reason == MAP_FAILED)
		return KTAP_EXIT_FAIL;

	for (t = __start_ktap_tests; t < __stop_ktap_tests; t++)
		if (argc < 2 || strstr(t->name, argv[1]))
			n++;

	printf("TAP version 13\n1..%d\n", n);
	for (t = __start_ktap_tests; t < __stop_ktap_tests; t++) {
		const char *how;

		if (argc >= 2 && !strstr(t->name, argv[1]))
			continue;
		how = report(++nr, t, run_child(t));
		pass += *how == 'p';
		fail += *how == 'f';
		skip += *how == 's';
	}
	printf("# Totals: pass:%d fail:%d xfail:0 xpass:0 skip:%d error:0\n",
	       pass, fail, skip);
	fflush(stdout);

	if (fail || !n)
		return KTAP_EXIT_FAIL;
	return pass ? KTAP_EXIT_PASS : KTAP_EXIT_SKIP;
}
