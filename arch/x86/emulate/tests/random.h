/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A small fast random generator with a seed, so that every run of a test can be repeated.
 */
#ifndef EMULATE_TESTS_RANDOM_H
#define EMULATE_TESTS_RANDOM_H

#include <linux/types.h>

struct random {
	u64 s[2];
};

/* xorshift128+ */
static inline u64 random_u64(struct random *r)
{
	u64 a = r->s[0], b = r->s[1];

	r->s[0] = b;
	a ^= a << 23;
	r->s[1] = a ^ b ^ a >> 17 ^ b >> 26;
	return r->s[1] + b;
}

static inline void random_seed(struct random *r, u64 seed)
{
	r->s[0] = seed ^ 0x9e3779b97f4a7c15ull;
	r->s[1] = 0xd1b54a32d192ed03ull;
	for (int i = 0; i < 20; i++)
		random_u64(r);
}

/* Less than @n. */
static inline u64 random_below(struct random *r, u64 n)
{
	return (random_u64(r) >> 8) % n;
}

/* An operand: often one at an edge. */
static inline u64 random_operand(struct random *r)
{
	static const u64 edges[] = {
		0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000,
		0xffffffff,
		0x7fffffffffffffff, 0x8000000000000000, 0xffffffffffffffff, 0xfffffffffffffffe,
	};
	u64 v = random_u64(r);

	return v & 3 ? v : edges[v >> 8 & 15];
}

#endif
