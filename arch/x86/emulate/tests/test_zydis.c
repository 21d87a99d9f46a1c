// SPDX-License-Identifier: GPL-2.0
/*
 * The decoder against Zydis: length, and the fields that the executor relies on, in all three
 * modes, for random bytes, for bytes that begin like instructions, and for every instruction in the
 * code of ELF files.
 *
 * Both must agree on what is an instruction, too. explained() lists where they do not and why;
 * anything else fails the test.
 *
 * Usage: test_zydis [-n cases] [-s seed] [ELF file ...]
 */
#include <elf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <Zydis/Zydis.h>
#include "../emulate.h"
#include "ktap.h"
#include "random.h"

static u64 n_cases = 1000000, seed = 1;
static char **files;
static int n_files;
static ZydisDecoder decoders[3];
static u64 agreed, refused, differences;

static const char *const mode_names[3] = { "16", "32", "64" };

static void init_decoders(void)
{
	static const ZydisMachineMode modes[3] = {
		ZYDIS_MACHINE_MODE_LEGACY_16,
		ZYDIS_MACHINE_MODE_LEGACY_32,
		ZYDIS_MACHINE_MODE_LONG_64,
	};
	static const ZydisStackWidth widths[3] = { ZYDIS_STACK_WIDTH_16, ZYDIS_STACK_WIDTH_32,
						   ZYDIS_STACK_WIDTH_64 };

	for (int i = 0; i < 3; i++) {
		ZydisDecoderInit(&decoders[i], modes[i], widths[i]);
		/* Without MPX its instructions are NOPs, with laxer rules. */
		ZydisDecoderEnableMode(&decoders[i], ZYDIS_DECODER_MODE_MPX, ZYAN_FALSE);
	}
}

/*
 * Why an instruction may be one for us and none for Zydis, or the other way round; NULL if there is
 * no reason.
 */
static const char *explained(const struct emu_insn *insn, bool ours)
{
	u32 code = insn->map << 8 | insn->opcode;

	if (!ours)
		return code == 0x1a6 || code == 0x1a7 ? "VIA PadLock is not on AMD and Intel CPUs" :
							NULL;
	if (insn->flags & (INSN_VEX | INSN_EVEX | INSN_XOP))
		return "of vector encodings only the length is decoded";
	if (insn->map == INSN_MAP_1BYTE && (insn->opcode & 0xf8) == 0xd8)
		return "reserved x87 opcodes have a length";
	if (code == 0x10f)
		return "3DNow! opcodes are not looked at";
	if (insn->flags & INSN_LOCK && (insn->op == INSN_MOV_FROM_CR || insn->op == INSN_MOV_TO_CR))
		return "LOCK MOV CR0 is AMD's name for CR8";
	if (code == 0x101 && (insn->modrm == 0xc6 || insn->modrm == 0xfb))
		return "WRMSRNS is younger than Zydis 4.0; MWAITX ignores a prefix";
	return NULL;
}

static void report(const char *what, int mode, const u8 *b, const struct emu_insn *insn, int ret,
		   const ZydisDecodedInstruction *zi, ZyanStatus st)
{
	char line[64];
	int n = 0;

	for (int i = 0; i < INSN_MAX_LEN; i++)
		n += sprintf(line + n, "%02x ", b[i]);
	differences++;
	KTAP_FAIL("%s, %s-bit: %sours %d (length %d), Zydis %#x (length %d, %s)", what,
		  mode_names[mode], line, ret, ret ? 0 : insn->len, st,
		  ZYAN_SUCCESS(st) ? zi->length : 0,
		  ZYAN_SUCCESS(st) ? ZydisMnemonicGetString(zi->mnemonic) : "none");
}

/* The fields of an instruction that both have decoded. */
static bool fields_equal(const struct emu_insn *insn, const ZydisDecodedInstruction *zi)
{
	bool mem = zi->attributes & ZYDIS_ATTRIB_HAS_MODRM && zi->raw.modrm.mod != 3 &&
		insn->op != INSN_MOV_FROM_CR && insn->op != INSN_MOV_TO_CR &&
		insn->op != INSN_MOV_FROM_DR && insn->op != INSN_MOV_TO_DR;

	if (insn->len != zi->length ||
	    insn->opcode != (zi->encoding == ZYDIS_INSTRUCTION_ENCODING_3DNOW ? 0x0f : zi->opcode))
		return false;
	if (insn_has_mem(insn) && insn->ad_bytes * 8 != zi->address_width)
		return false;
	if (!(insn->flags & INSN_MODRM) != !(zi->attributes & ZYDIS_ATTRIB_HAS_MODRM))
		return false;
	if (insn->flags & INSN_MODRM &&
	    (insn->mod != zi->raw.modrm.mod || (insn->reg & 7) != zi->raw.modrm.reg ||
	     (insn->modrm & 7) != zi->raw.modrm.rm ||
	     (insn->mod == 3 && (insn->rm & 7) != zi->raw.modrm.rm)))
		return false;
	if (mem && zi->raw.disp.size && insn->disp != (s32)zi->raw.disp.value &&
	    !(insn->flags & INSN_EVEX))
		return false;
	/* What is left of an immediate when both are cut to its size. */
	if (zi->raw.imm[0].size && insn->map != 8 &&
	    !(zi->encoding == ZYDIS_INSTRUCTION_ENCODING_3DNOW)) {
		u64 mask = ~0ull >> (64 - zi->raw.imm[0].size);

		if ((insn->imm ^ zi->raw.imm[0].value.u) & mask)
			return false;
	}
	/* The operand size, where it is executed. */
	return insn->op < INSN_FIRST_EXECUTED || insn->op == INSN_VEC_MOV || insn->op == INSN_NOP ||
		insn->op == INSN_FLUSH || insn->op == INSN_CMPXCHG8B ||
		insn->op == INSN_MOVNTI || insn->op == INSN_SETCC || insn->op == INSN_MOV_SEG ||
		insn->op_bytes == 1 || insn->op_bytes * 8 == zi->operand_width;
}

/* A string that is cut must be refused as cut, wherever, and nothing beyond it may count. */
static bool cut_is_truncated(const u8 *b, const struct emu_insn *insn, int mode)
{
	struct emu_insn cut;

	for (unsigned int n = 0; n < insn->len; n++) {
		/* Bytes of their own on the heap let the address sanitizer see a read too far. */
		u8 *copy = malloc(n ? n : 1);
		int ret;

		memcpy(copy, b, n);
		ret = emu_decode(&cut, copy, n, mode);
		free(copy);
		if (ret != -EMU_TRUNCATED)
			return false;
	}
	return !emu_decode(&cut, b, insn->len, mode) && cut.len == insn->len;
}

/*
 * The first Xeon Phi had encodings of its own. It had no virtualization, and nothing else ever got
 * them.
 */
static bool is_knights_corner(const ZydisDecodedInstruction *zi)
{
	return zi->meta.isa_ext == ZYDIS_ISA_EXT_KNC || zi->meta.isa_ext == ZYDIS_ISA_EXT_KNCE ||
	       zi->meta.isa_ext == ZYDIS_ISA_EXT_KNCV ||
	       zi->encoding == ZYDIS_INSTRUCTION_ENCODING_MVEX;
}

/* Return: the length, or 0 for no instruction. */
static unsigned int one(const u8 *b, unsigned int n, int mode, bool cut)
{
	struct emu_insn insn;
	ZydisDecodedInstruction zi;
	ZyanStatus st = ZydisDecoderDecodeInstruction(&decoders[mode], NULL, b, n, &zi);
	int ret = emu_decode(&insn, b, n, mode);

	if (ZYAN_SUCCESS(st) && is_knights_corner(&zi))
		return zi.length;
	if (ret && !ZYAN_SUCCESS(st)) {
		refused++;
	} else if (ret || !ZYAN_SUCCESS(st)) {
		if (!explained(&insn, !ret))
			report("one refuses", mode, b, &insn, ret, &zi, st);
	} else if (!fields_equal(&insn, &zi)) {
		report("fields", mode, b, &insn, ret, &zi, st);
	} else {
		agreed++;
	}
	if (cut && !ret && !cut_is_truncated(b, &insn, mode))
		report("cut short", mode, b, &insn, ret, &zi, st);
	return ZYAN_SUCCESS(st) ? zi.length : 0;
}

static void random_bytes(struct random *rnd, u8 *b)
{
	u64 r[2] = { random_u64(rnd), random_u64(rnd) };

	memcpy(b, r, 16);
}

/* Prefixes and opcode escapes in front, so that every map gets its share. */
static void structured_bytes(struct random *rnd, u8 *b)
{
	static const u8 prefixes[16] = {
		0x66, 0xf2, 0xf3, 0x48, 0x67, 0xf0, 0x2e, 0x41,
		0x66, 0x65, 0xf3, 0x4f, 0x36, 0x44, 0x67, 0x40,
	};
	static const u8 vex[8] = { 0xc4, 0xc5, 0x62, 0x8f, 0xc4, 0xc5, 0x62, 0xc4 };
	u64 r = random_u64(rnd);
	unsigned int n = 0;

	random_bytes(rnd, b);
	while (r & 1 && n < 13) {
		b[n++] = prefixes[r >> 1 & 15];
		r = r >> 5 | (u64)(random_u64(rnd) & 31) << 59;
	}
	switch (r >> 8 & 7) {
	case 0 ... 2:
		b[n++] = 0x0f;
		break;
	case 3:
		b[n++] = 0x0f;
		b[n++] = 0x38;
		break;
	case 4:
		b[n++] = 0x0f;
		b[n++] = 0x3a;
		break;
	case 5:
		b[n++] = vex[r >> 12 & 7];
		break;
	default:
		break;
	}
}

static void summary(void)
{
	printf("# %llu agreed, %llu refused by both, %llu differ, seed %llu\n", agreed, refused,
	       differences, seed);
	if (differences)
		KTAP_FAIL("%llu differences", differences);
}

static void run_random(void (*make)(struct random *, u8 *))
{
	struct random rnd;
	u8 b[16];

	agreed = refused = differences = 0;
	random_seed(&rnd, seed);
	for (u64 i = 0; i < n_cases; i++) {
		make(&rnd, b);
		one(b, INSN_MAX_LEN, i % 3, i % 64 == 0);
	}
	summary();
}

static void test_random(void)
{
	run_random(random_bytes);
}

static void test_structured(void)
{
	run_random(structured_bytes);
}

/* Every opcode of the four maps with every ModRM byte and mandatory prefix. */
static void test_exhaustive(void)
{
	static const u8 prefixes[] = { 0, 0x66, 0xf3, 0xf2, 0x67, 0xf0, 0x48, 0x65 };
	static const u8 escapes[4][2] = { { 0, 0 }, { 0x0f, 0 }, { 0x0f, 0x38 }, { 0x0f, 0x3a } };

	agreed = refused = differences = 0;
	for (u32 i = 0; i < 3u * 8 * 4 * 65536; i++) {
		u8 b[INSN_MAX_LEN] = { 0 };
		unsigned int n = 0, map = i >> 16 & 3, pfx = i >> 18 & 7;

		if (prefixes[pfx])
			b[n++] = prefixes[pfx];
		for (unsigned int j = 0; j < 2 && escapes[map][j]; j++)
			b[n++] = escapes[map][j];
		b[n++] = i >> 8;
		b[n++] = i;
		memcpy(b + n, "\x21\x43\x65\x87\xa9\xcb\xed\x0f", 8);
		one(b, INSN_MAX_LEN, i >> 21, false);
	}
	summary();
}

static void sweep(const u8 *p, u64 size)
{
	while (size) {
		unsigned int n = size < INSN_MAX_LEN ? size : INSN_MAX_LEN;
		u8 b[INSN_MAX_LEN] = { 0 };
		unsigned int len;

		/* At a section's end an instruction may be cut. */
		memcpy(b, p, n);
		len = one(b, INSN_MAX_LEN, 2, false);
		if (!len || len > size)
			len = 1;
		p += len;
		size -= len;
	}
}

static void sweep_elf(const u8 *elf, u64 size)
{
	const Elf64_Ehdr *eh = (const void *)elf;
	const Elf64_Shdr *sh = (const void *)(elf + eh->e_shoff);

	if (size < sizeof(*eh) || memcmp(eh->e_ident, ELFMAG, SELFMAG) ||
	    eh->e_ident[EI_CLASS] != ELFCLASS64 || eh->e_shoff + eh->e_shnum * sizeof(*sh) > size)
		return;
	for (int i = 0; i < eh->e_shnum; i++)
		if (sh[i].sh_flags & SHF_EXECINSTR && sh[i].sh_type == SHT_PROGBITS &&
		    sh[i].sh_offset + sh[i].sh_size <= size)
			sweep(elf + sh[i].sh_offset, sh[i].sh_size);
}

static void test_files(void)
{
	agreed = refused = differences = 0;
	if (!n_files)
		KTAP_SKIP("no file given");
	for (int i = 0; i < n_files; i++) {
		int fd = open(files[i], O_RDONLY);
		struct stat st;
		void *p;

		if (fd < 0 || fstat(fd, &st)) {
			KTAP_FAIL("cannot open %s", files[i]);
			continue;
		}
		p = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		close(fd);
		if (p == MAP_FAILED) {
			KTAP_FAIL("cannot map %s", files[i]);
			continue;
		}
		sweep_elf(p, st.st_size);
		munmap(p, st.st_size);
		printf("# %s: %llu instructions so far\n", files[i], agreed);
	}
	summary();
}

int main(int argc, char **argv)
{
	static const struct ktap_test tests[] = {
		{ "zydis_exhaustive", test_exhaustive },
		{ "zydis_random", test_random },
		{ "zydis_structured", test_structured },
		{ "zydis_files", test_files },
	};
	int opt;

	while ((opt = getopt(argc, argv, "n:s:")) != -1) {
		if (opt == 'n')
			n_cases = strtoull(optarg, NULL, 0);
		else if (opt == 's')
			seed = strtoull(optarg, NULL, 0);
		else
			return 2;
	}
	files = argv + optind;
	n_files = argc - optind;
	init_decoders();
	return ktap_run(tests, sizeof(tests) / sizeof(tests[0]));
}
