/* SPDX-License-Identifier: GPL-2.0 */
/*
 * KTAP output for the emulator's tests. A program lists its tests in an array and ends with
 * ktap_run().
 */
#ifndef EMULATE_TESTS_KTAP_H
#define EMULATE_TESTS_KTAP_H

#include <stdio.h>
#include <string.h>

struct ktap_test {
	const char *name;
	void (*run)(void);
};

static int ktap_failures;
static const char *ktap_skipped;

#define KTAP_FAIL(...) do {						\
	if (ktap_failures++ < 20) {					\
		printf("# %s:%d: ", __FILE__, __LINE__);		\
		printf(__VA_ARGS__);					\
		putchar('\n');						\
	}								\
} while (0)

#define EXPECT(cond) do { if (!(cond)) KTAP_FAIL("%s", #cond); } while (0)

#define EXPECT_EQ(a, b) do {						\
	unsigned long long a_ = (a), b_ = (b);				\
	if (a_ != b_)							\
		KTAP_FAIL("%s is %#llx, not %s = %#llx", #a, a_, #b, b_); \
} while (0)

/* The reason must name what is missing. */
#define KTAP_SKIP(reason) do { ktap_skipped = (reason); return; } while (0)

static inline int ktap_run(const struct ktap_test *tests, unsigned int n)
{
	int bad = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("KTAP version 1\n1..%u\n", n);
	for (unsigned int i = 0; i < n; i++) {
		ktap_failures = 0;
		ktap_skipped = NULL;
		tests[i].run();
		if (ktap_failures)
			bad = 1;
		printf("%sok %u %s%s%s\n", ktap_failures ? "not " : "", i + 1, tests[i].name,
		       ktap_skipped ? " # SKIP " : "", ktap_skipped ? ktap_skipped : "");
	}
	return bad;
}

#endif
