/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ktap.h - the frame of a test program: cases, checks and KTAP output.
 *
 * A test program is a few KTAP_TEST() functions and nothing else: main() is in
 * lib/ktap.c. Each case runs in a child process of its own with a time limit,
 * so a case may crash, hang or leave a VM behind without taking the others
 * along. A failed check prints what it saw and ends the case.
 */
#ifndef KTAP_H
#define KTAP_H

#include <errno.h>
#include <string.h>

struct ktap_test {
	const char *name;
	void (*fn)(void);
	const char *file;
	int line;
};

/* Exit codes that the kselftest runner knows. */
#define KTAP_EXIT_PASS	0
#define KTAP_EXIT_FAIL	1
#define KTAP_EXIT_SKIP	4

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* Defines a case and registers it. Cases run in the order of the source. */
#define KTAP_TEST(fn_)								\
	static void fn_(void);							\
	static const struct ktap_test ktap_##fn_				\
		__attribute__((used, section("ktap_tests"), aligned(8))) =	\
		{ #fn_, fn_, __FILE__, __LINE__ };				\
	static void fn_(void)

/* Prints a diagnostic line. */
void ktap_diag(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* What the case is at; a failed check says it too. */
void ktap_label(const char *text);

/* How many times slower than usual the host is: $VMM_TEST_SLOW, or 1. */
int ktap_slow(void);

/* Ends the case: it cannot run here. The text names the missing CPU feature. */
void ktap_skip(const char *fmt, ...)
	__attribute__((format(printf, 1, 2), noreturn));

/* Ends the case as failed. */
void ktap_fail(const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4), noreturn));

/* What the child says to stderr before a failure; set by lib/run.c. */
extern void (*ktap_on_fail)(void);

#define FAIL(...)	ktap_fail(__FILE__, __LINE__, __VA_ARGS__)

#define CHECK(cond)								\
	do {									\
		if (!(cond))							\
			FAIL("%s is false", #cond);				\
	} while (0)

#define CHECK_EQ(a, b)								\
	do {									\
		unsigned long long a_ = (unsigned long long)(a);		\
		unsigned long long b_ = (unsigned long long)(b);		\
										\
		if (a_ != b_)							\
			FAIL("%s is %#llx, not %s (%#llx)", #a, a_, #b, b_);	\
	} while (0)

/* The system call succeeds; gives its result. */
#define CHECK_OK(call)								\
	({									\
		long r_ = (long)(call);						\
										\
		if (r_ == -1)							\
			FAIL("%s: %s", #call, strerror(errno));			\
		r_;								\
	})

/* The system call fails with exactly this errno. */
#define CHECK_ERR(call, err)							\
	do {									\
		long r_;							\
										\
		errno = 0;							\
		r_ = (long)(call);						\
		if (r_ != -1)							\
			FAIL("%s gives %ld, not %s", #call, r_, #err);		\
		if (errno != (err))						\
			FAIL("%s: %s, not %s", #call, strerror(errno), #err);	\
	} while (0)

#endif /* KTAP_H */
