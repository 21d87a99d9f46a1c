// SPDX-License-Identifier: GPL-2.0
/*
 * fuzz_target.c - what --fuzz-demo looks for a bug in: a function that reads a toy
 * image format, and is copied from vmmrun into the guest. So it may use nothing but its
 * arguments, and is compiled accordingly (see the Makefile).
 *
 * An image begins with "IMG"; then records come, of a tag, a size and that many bytes:
 * 'P', colours of the palette: the number of the first, in 2 bytes, and 4 bytes a colour.
 */
#include <stdint.h>

#define COLOURS		16

/* Tell that this point was reached, as -fsanitize-coverage makes compilers do. */
#define SEEN(point)	(seen[point] = 1)

uint32_t __attribute__((section("fuzz_code")))
fuzz_target(const uint8_t *in, unsigned int len, volatile uint8_t *seen);

uint32_t fuzz_target(const uint8_t *in, unsigned int len, volatile uint8_t *seen)
{
	volatile uint32_t palette[COLOURS] = { 0 };
	unsigned int at, size;

	SEEN(0);
	if (in[0] != 'I')
		return 0;
	SEEN(1);
	if (in[1] != 'M')
		return 0;
	SEEN(2);
	if (in[2] != 'G')
		return 0;
	SEEN(3);
	for (at = 3; at + 2 <= len; at += 2 + size) {
		int16_t first;

		size = in[at + 1];
		if (size > len - at - 2)
			return 0;
		SEEN(4);
		if (in[at] != 'P')
			continue;
		SEEN(5);
		if (size < 6)
			continue;
		SEEN(6);
		first = in[at + 2] | in[at + 3] << 8;
		/* Here is the bug: a number below 0 is below COLOURS as well. */
		if (first >= COLOURS)
			continue;
		SEEN(7);
		palette[first] = in[at + 4] | in[at + 5] << 8 | in[at + 6] << 16 |
				 (uint32_t)in[at + 7] << 24;
	}
	return palette[0];
}
