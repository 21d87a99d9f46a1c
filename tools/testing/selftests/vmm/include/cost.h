/* SPDX-License-Identifier: GPL-2.0 */
/*
 * cost.h - for programs that measure: the median of samples, and a line a result,
 * which is a KTAP case where results are compared with goals (-c).
 */
#ifndef COST_H
#define COST_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static inline int cost_by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static inline uint64_t cost_median(uint64_t *samples, int n)
{
	qsort(samples, n, sizeof(samples[0]), cost_by_value);
	return samples[n / 2];
}

/* Before the first line: how many have a goal. */
static inline void cost_plan(int goals)
{
	printf("KTAP version 1\n1..%d\n", goals);
}

/* True: there is a goal, and it was missed. */
static inline bool cost_line(const char *name, uint64_t ticks, bool compare, uint64_t goal)
{
	static int nr;

	if (!compare) {
		printf("%-46s %12llu\n", name, (unsigned long long)ticks);
	} else if (!goal) {
		printf("# %s: %llu ticks\n", name, (unsigned long long)ticks);
	} else {
		printf("# %s: %llu ticks, at most %llu\n%sok %d %s\n", name,
		       (unsigned long long)ticks, (unsigned long long)goal,
		       ticks > goal ? "not " : "", ++nr, name);
	}
	fflush(stdout);
	return compare && goal && ticks > goal;
}

#endif
