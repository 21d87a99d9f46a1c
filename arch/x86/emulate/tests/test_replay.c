// SPDX-License-Identifier: GPL-2.0
/*
 * Runs the fuzz target over the files of a folder, and over random changes of them: what a fuzzer
 * has found once is tested ever after, without a fuzzer.
 *
 * Usage: test_replay folder [changes of each file]
 */
#include <dirent.h>
#include <stdlib.h>
#include "fuzz.h"
#include "ktap.h"
#include "random.h"

static const char *folder = "corpus";
static unsigned long changes = 200;

static void one_file(const char *path, struct random *rnd)
{
	u8 data[512], changed[512];
	FILE *f = fopen(path, "rb");
	size_t n;

	if (!f) {
		KTAP_FAIL("cannot open %s", path);
		return;
	}
	n = fread(data, 1, sizeof(data), f);
	fclose(f);
	LLVMFuzzerTestOneInput(data, n);
	for (unsigned long i = 0; i < changes && n; i++) {
		memcpy(changed, data, n);
		for (u64 j = 0; j <= random_below(rnd, 6); j++)
			changed[random_below(rnd, n)] = random_u64(rnd);
		LLVMFuzzerTestOneInput(changed, n);
	}
}

static void replay(void)
{
	struct random rnd;
	struct dirent *entry;
	unsigned int files = 0;
	DIR *dir = opendir(folder);
	char path[512];

	if (!dir) {
		KTAP_FAIL("cannot open %s", folder);
		return;
	}
	random_seed(&rnd, 1);
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		one_file(path, &rnd);
		files++;
	}
	closedir(dir);
	EXPECT(files > 0);
	printf("# %u files, %lu changes of each\n", files, changes);
}

int main(int argc, char **argv)
{
	static const struct ktap_test tests[] = { { "replay", replay } };

	if (argc > 1)
		folder = argv[1];
	if (argc > 2)
		changes = strtoul(argv[2], NULL, 0);
	return ktap_run(tests, 1);
}
