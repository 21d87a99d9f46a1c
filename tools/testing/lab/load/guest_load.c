// SPDX-License-Identifier: GPL-2.0
/*
 * guest_load.c - keeps a guest busy while it is moved from host to host, and notices
 * what went wrong with it.
 *
 *	guest_load [--mem MiB] [--disk DEVICE] [--tcp ADDRESS]
 *	guest_load --serve
 *
 * Every CPU writes memory of its own, and finds in it what it wrote before. All of
 * them read one clock, which must never be behind what any of them has seen, and
 * sleep, which must not take less, nor much more, than was asked for. A block device
 * is written and read back; a TCP connection to the --serve side carries numbered
 * messages there and back.
 *
 * Once a second it prints "load: alive N". Whatever is wrong is a line "load: bad:
 * ...". A line "stop" on its standard input ends it; then "load: over" and what it did.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE		4096
#define WORDS		(PAGE / sizeof(uint64_t))
#define PORT		7077
#define DISK_PAGES	1024
#define MESSAGE		1024	/* words: more than a segment */
/* A move stops the guest for a while; its clock goes on by less than this. */
#define MAX_JUMP_NS	(60 * 1000000000LL)

static atomic_bool stopping;
static atomic_ullong clock_seen, nr_bad, nr_pages, nr_messages, nr_blocks, nr_clocks;
static atomic_llong longest_jump;

static void bad(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void bad(const char *fmt, ...)
{
	char text[200];
	va_list args;

	/* One that is wrong for good must not drown the console. */
	if (nr_bad++ >= 20)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	printf("load: bad: %s\n", text);
}

static void give_up(const char *what)
{
	printf("load: bad: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t mix(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9;
	x ^= x >> 27;
	x *= 0x94d049bb133111eb;
	return x ^ x >> 31;
}

/* --- contents: a page, a block or a message is made of its number and its turn --- */

static void fill(uint64_t *words, unsigned int n, uint64_t seed)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		words[i] = seed + i * 0x9e3779b97f4a7c15;
}

/* The first word that is not as fill() left it, or n. */
static unsigned int differs(const uint64_t *words, unsigned int n, uint64_t seed)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (words[i] != seed + i * 0x9e3779b97f4a7c15)
			break;
	return i;
}

static uint64_t seed_of(uint64_t number, uint64_t turn)
{
	return turn ? mix(number << 32 | turn) : 0;
}

/* --- the clock --- */

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

/* What any CPU has seen, every later look of another has to be past. */
static void check_clock(void)
{
	unsigned long long seen = clock_seen, now = now_ns();
	long long jump = now - seen;

	nr_clocks++;
	if (jump < 0) {
		bad("the clock went back by %lld ns", -jump);
		return;
	}
	if (jump > MAX_JUMP_NS && seen)
		bad("the clock jumped by %lld s", jump / 1000000000);
	if (seen && jump > longest_jump)
		longest_jump = jump;
	while (seen < now && !atomic_compare_exchange_weak(&clock_seen, &seen, now))
		;
}

static void check_sleep(unsigned int ms)
{
	struct timespec ts = { .tv_nsec = ms * 1000000 };
	uint64_t began = now_ns(), took;

	nanosleep(&ts, NULL);
	took = now_ns() - began;
	if (took < ms * 1000000ull)
		bad("a sleep of %u ms took %llu ns", ms, (unsigned long long)took);
	if (took > MAX_JUMP_NS)
		bad("a sleep of %u ms took %llu s", ms, (unsigned long long)took / 1000000000);
}

/* --- memory --- */

struct area {
	unsigned int cpu, pages;
	uint64_t *mem;
	uint32_t *turn;		/* of each page: how often it was written */
};

static void check_page(struct area *a, unsigned int page)
{
	uint64_t *words = a->mem + page * WORDS;
	uint64_t seed = seed_of(page, a->turn[page]);
	unsigned int i;

	/* Memory that nobody wrote is 0. */
	i = a->turn[page] ? differs(words, WORDS, seed) : words[0] ? 0 : WORDS;
	if (i < WORDS)
		bad("memory: CPU %u, page %u, turn %u, word %u is %#llx", a->cpu, page,
		    a->turn[page], i, (unsigned long long)words[i]);
	fill(words, WORDS, seed_of(page, ++a->turn[page]));
	nr_pages++;
}

static void *memory_thread(void *arg)
{
	struct area *a = arg;
	uint64_t random = a->cpu + 1;
	unsigned int n = 0;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(a->cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
	while (!stopping) {
		random = mix(random + 0x9e3779b97f4a7c15);
		check_page(a, random % a->pages);
		check_clock();
		if (++n % 64 == 0)
			check_sleep(n / 64 % 5);
	}
	/* Those that it did not come across. */
	for (n = 0; n < a->pages; n++)
		check_page(a, n);
	return NULL;
}

static struct area *new_area(unsigned int cpu, unsigned int pages)
{
	struct area *a = calloc(1, sizeof(*a));

	if (!a)
		give_up("calloc");
	a->cpu = cpu;
	a->pages = pages;
	a->turn = calloc(pages, sizeof(*a->turn));
	a->mem = mmap(NULL, (size_t)pages * PAGE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (a->mem == MAP_FAILED || !a->turn)
		give_up("memory");
	return a;
}

/* --- the disk --- */

static void *disk_thread(void *name)
{
	static uint32_t turn[DISK_PAGES];
	uint64_t *buf, random = 1;
	int fd = open(name, O_RDWR | O_DIRECT);
	unsigned int block, i;

	if (fd < 0 || posix_memalign((void **)&buf, PAGE, PAGE))
		give_up(name);
	while (!stopping) {
		random = mix(random + 0x9e3779b97f4a7c15);
		block = random % DISK_PAGES;
		if (turn[block]) {
			if (pread(fd, buf, PAGE, (off_t)block * PAGE) != PAGE)
				give_up("read");
			i = differs(buf, WORDS, seed_of(block, turn[block]));
			if (i < WORDS)
				bad("disk: block %u, turn %u, word %u is %#llx", block,
				    turn[block], i, (unsigned long long)buf[i]);
		}
		fill(buf, WORDS, seed_of(block, ++turn[block]));
		if (pwrite(fd, buf, PAGE, (off_t)block * PAGE) != PAGE)
			give_up("write");
		nr_blocks++;
		usleep(2000);
	}
	return NULL;
}

/* --- the connection --- */

static bool send_all(int fd, const void *buf, size_t len)
{
	ssize_t n;

	for (; len; buf += n, len -= n) {
		n = send(fd, buf, len, MSG_NOSIGNAL);
		if (n <= 0)
			return false;
	}
	return true;
}

static void *tcp_thread(void *address)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	uint64_t out[MESSAGE], in[MESSAGE], number = 0;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	inet_pton(AF_INET, address, &to.sin_addr);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)))
		give_up("connect");
	printf("load: connected\n");
	while (!stopping) {
		number++;
		fill(out, MESSAGE, mix(number));
		if (!send_all(fd, out, sizeof(out)) ||
		    recv(fd, in, sizeof(in), MSG_WAITALL) != sizeof(in)) {
			bad("the connection is lost after %llu messages: %s",
			    (unsigned long long)number, strerror(errno));
			break;
		}
		if (differs(in, MESSAGE, mix(number)) < MESSAGE)
			bad("message %llu is not what was sent", (unsigned long long)number);
		nr_messages++;
		check_clock();
		usleep(5000);
	}
	close(fd);
	return NULL;
}

/* Sends back what comes. */
static void *echo_thread(void *arg)
{
	int fd = (long)arg;
	char buf[8192];
	ssize_t n;

	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0 && send_all(fd, buf, n))
		;
	close(fd);
	return NULL;
}

static int serve(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
	pthread_t thread;
	long peer;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) || listen(fd, 4))
		give_up("listen");
	while ((peer = accept(fd, NULL, NULL)) >= 0)
		if (pthread_create(&thread, NULL, echo_thread, (void *)peer))
			give_up("pthread_create");
	return 1;
}

/* --- all of it --- */

static void *wait_for_stop(void *unused)
{
	char line[80];

	(void)unused;
	while (fgets(line, sizeof(line), stdin))
		if (strstr(line, "stop"))
			break;
	stopping = true;
	return NULL;
}

#define MAX_THREADS 20
static pthread_t threads[MAX_THREADS];
static int nr_threads;

static void start(void *(*fn)(void *), void *arg)
{
	if (nr_threads == MAX_THREADS || pthread_create(&threads[nr_threads++], NULL, fn, arg))
		give_up("pthread_create");
}

static void load(unsigned int mib, char *disk, char *tcp)
{
	unsigned int cpus = sysconf(_SC_NPROCESSORS_ONLN), i;
	pthread_t stopper;
	int seconds;

	for (i = 0; i < cpus; i++)
		start(memory_thread, new_area(i, mib * 256 / cpus));
	if (disk)
		start(disk_thread, disk);
	if (tcp)
		start(tcp_thread, tcp);
	if (pthread_create(&stopper, NULL, wait_for_stop, NULL))
		give_up("pthread_create");
	for (seconds = 1; !stopping; seconds++) {
		sleep(1);
		check_clock();
		printf("load: alive %d\n", seconds);
	}
	while (nr_threads)
		pthread_join(threads[--nr_threads], NULL);
	printf("load: %llu pages, %llu blocks, %llu messages, %llu looks at the clock, "
	       "whose longest step was %lld ms\n",
	       nr_pages, nr_blocks, nr_messages, nr_clocks, longest_jump / 1000000);
	printf("load: over, %llu bad\n", nr_bad);
}

int main(int argc, char **argv)
{
	char *disk = NULL, *tcp = NULL;
	unsigned int mib = 16;
	int i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 2 && !strcmp(argv[1], "--serve"))
		return serve();
	for (i = 1; i + 1 < argc; i += 2) {
		if (!strcmp(argv[i], "--mem"))
			mib = atoi(argv[i + 1]);
		else if (!strcmp(argv[i], "--disk"))
			disk = argv[i + 1];
		else if (!strcmp(argv[i], "--tcp"))
			tcp = argv[i + 1];
		else
			break;
	}
	if (i < argc || !mib) {
		fprintf(stderr, "usage: guest_load [--mem MiB] [--disk DEVICE] [--tcp ADDRESS] | --serve\n");
		return 2;
	}
	load(mib, disk, tcp);
	return nr_bad ? 1 : 0;
}
