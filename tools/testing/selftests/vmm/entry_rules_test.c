// SPDX-License-Identifier: GPL-2.0
/*
 * entry_rules_test.c - a refused entry is explained: the broken rule is named with
 * its field, the value and the manual's section, in the exit's data, in the trace
 * and in the log.
 *
 * Rules are broken one by one: through SREGS where that lets it, else by a hook
 * that vm.ko has when it is loaded with spoil=1 (see arch/x86/spoil.c).
 */
#include <cpuid.h>
#include <fcntl.h>
#include <stdio.h>

#include "vmm_test.h"
#include "entry_rules.h"
#include "entry_rules_amd.h"
#include "entry_rules_intel.h"

#define SPOIL_FILE	"/sys/kernel/debug/vmm-spoil"
#define TRACE_DIR	"/sys/kernel/tracing/"

/* What the CPU answers. */
#define REFUSED_CONTROLS	7ULL
#define REFUSED_HOST		8ULL
#define REFUSED_GUEST		0x80000021ULL
#define REFUSED_AMD		0xffffffffULL

GUEST64(code_64, hlt);
GUEST32(code_32, hlt);

static bool cpu_is_amd(void)
{
	unsigned int eax, ebx, ecx, edx;

	__cpuid(0x80000001, eax, ebx, ecx, edx);
	return ecx >> 2 & 1;		/* SVM */
}

static void need_vendor(bool amd)
{
	if (cpu_is_amd() != amd)
		ktap_skip("the CPU is not %s", amd ? "AMD's" : "Intel's");
}

/* What the next entry is to break. */
static void spoil(const struct entry_rule *rule, uint64_t reason)
{
	char text[512];
	int n = 0, i, fd = open(SPOIL_FILE, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		ktap_skip("%s: vm.ko was not loaded with spoil=1", SPOIL_FILE);
	for (i = 0; i < MAX_CHANGES && rule->change[i].size; i++) {
		const struct change *c = &rule->change[i];

		n += snprintf(text + n, sizeof(text) - n, "%x %x %llx %llx\n", c->field, c->size,
			      (unsigned long long)c->clear, (unsigned long long)c->set);
	}
	if (rule->unchecked)
		n += snprintf(text + n, sizeof(text) - n, "refuse %llx\n",
			      (unsigned long long)reason);
	CHECK_EQ(CHECK_OK(write(fd, text, n)), n);
	close(fd);
}

/* The sentence about the field's value; its changes have to show in the value. */
static bool says(const struct entry_rule *rule, const char *explain)
{
	const struct change *c = rule->change;
	char start[64];
	const char *p;

	if (!rule->field)
		return strstr(explain, rule->text);
	while (c < rule->change + MAX_CHANGES - 1 && c[1].size)
		c++;
	snprintf(start, sizeof(start), "%s is ", rule->field);
	for (p = explain; (p = strstr(p, start)); p++) {
		char *end;
		uint64_t value = strtoull(p + strlen(start), &end, 16);

		if (!strncmp(end, ": ", 2) && !strncmp(end + 2, rule->text, strlen(rule->text)))
			return (value & c->set) == c->set && !(value & c->clear & ~c->set);
	}
	return false;
}

/* How many rules the text names: each ends with its section. */
static int count_rules(const char *explain)
{
	int n = 0;

	for (; *explain; explain++)
		n += !strncmp(explain, "(SDM ", 5) || !strncmp(explain, "(APM ", 5);
	return n;
}

static bool refused(struct vcpu *vcpu, const struct entry_rule *rule, uint64_t reason)
{
	const struct vmm_run *run = vcpu->run;
	const char *name = rule->field ? rule->field : "the control block";

	vcpu_run(vcpu);
	if (run->exit_reason != VMM_EXIT_FAIL_ENTRY) {
		ktap_diag("%s, %s: not refused, but exit %s", name, rule->text,
			  exit_name(run->exit_reason));
		return false;
	}
	if (run->fail_entry.hardware_entry_failure_reason != reason) {
		ktap_diag("%s, %s: reason %#llx, not %#llx", name, rule->text,
			  (unsigned long long)run->fail_entry.hardware_entry_failure_reason,
			  (unsigned long long)reason);
		return false;
	}
	CHECK_EQ(run->fail_entry.explain_len, strlen(run->fail_entry.explain));
	if (!says(rule, run->fail_entry.explain) ||
	    (!rule->more && count_rules(run->fail_entry.explain) != 1)) {
		ktap_diag("%s, %s: explained as: %s", name, rule->text, run->fail_entry.explain);
		return false;
	}
	return true;
}

static void drop(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;

	vcpu_destroy(vcpu);
	vm_destroy(vm);
}

static void run_rules(const struct entry_rule *rule, uint64_t reason, enum guest_mode mode)
{
	int nr = 0, bad = 0;

	for (; rule->text; rule++, nr++) {
		struct vcpu *vcpu = mode == MODE_LONG ? vcpu_start(MODE_LONG, code_64) :
							vcpu_start(mode, code_32);

		spoil(rule, reason);
		bad += !refused(vcpu, rule, reason);
		drop(vcpu);
	}
	ktap_diag("%d rules", nr);
	CHECK_EQ(bad, 0);
}

/* ---- where it can be read ---- */

static void write_file(const char *path, const char *text)
{
	int fd = CHECK_OK(open(path, O_WRONLY | O_CLOEXEC));

	CHECK_EQ(CHECK_OK(write(fd, text, strlen(text))), strlen(text));
	close(fd);
}

/* A state that both vendors' CPUs refuse and that SREGS allows. */
static void break_code_segment(struct vcpu *vcpu)
{
	struct vmm_sregs sregs;

	vcpu_get_sregs(vcpu, &sregs);
	sregs.cs.l = sregs.cs.db = 1;
	vcpu_set_sregs(vcpu, &sregs);
}

KTAP_TEST(in_exit_trace_and_log)
{
	struct vcpu *vcpu = vcpu_start(MODE_LONG, code_64);
	int log = CHECK_OK(open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC));
	static char trace[1 << 16], record[8192];
	const char *why = vcpu->run->fail_entry.explain;
	bool logged = false;
	ssize_t n;
	int fd;

	write_file(TRACE_DIR "trace", "\n");
	write_file(TRACE_DIR "events/vmm/vmm_fail_entry/enable", "1");
	CHECK_OK(lseek(log, 0, SEEK_END));
	break_code_segment(vcpu);
	expect_exit(vcpu, VMM_EXIT_FAIL_ENTRY);
	write_file(TRACE_DIR "events/vmm/vmm_fail_entry/enable", "0");
	CHECK(strstr(why, cpu_is_amd() ? "CS.L and CS.D are both set in long mode" :
					 "L and D are both set in IA-32e mode"));

	fd = CHECK_OK(open(TRACE_DIR "trace", O_RDONLY | O_CLOEXEC));
	n = CHECK_OK(read(fd, trace, sizeof(trace) - 1));
	trace[n] = '\0';
	if (!strstr(trace, why))
		FAIL("not in the trace: %s", why);

	while ((n = read(log, record, sizeof(record) - 1)) > 0) {
		record[n] = '\0';
		logged |= !!strstr(record, why);
	}
	if (!logged)
		FAIL("not in the log: %s", why);

	/* Mended, it runs: the refusal left nothing behind. */
	vcpu_set_mode(vcpu, MODE_LONG);
	expect_hlt(vcpu);
}

/* ---- through SREGS ---- */

struct sregs_rule {
	void (*spoil)(struct vmm_sregs *s);
	struct entry_rule rule;
};

#define SREGS_RULE(name, code, field_, text_)					\
	static void name##_spoil(struct vmm_sregs *s) { code; }			\
	static const struct sregs_rule name = { name##_spoil,			\
						{ .field = field_, .text = text_ } }

#define SEG " (SDM 27.3.1.2)"
SREGS_RULE(cs_l_d, s->cs.db = 1, "GUEST_CS_AR_BYTES", "L and D are both set in IA-32e mode" SEG);
SREGS_RULE(cs_dpl, s->cs.dpl = 3, "GUEST_CS_AR_BYTES", "DPL does not fit the type and SS.DPL" SEG);
SREGS_RULE(cs_type, s->cs.type = 1, "GUEST_CS_AR_BYTES",
	   "the type is not accessed code, nor data 3 of real mode" SEG);
SREGS_RULE(ss_type, s->ss.type = 1, "GUEST_SS_AR_BYTES", "the type is neither 3 nor 7" SEG);
SREGS_RULE(ds_type, s->ds.type = 8, "GUEST_DS_AR_BYTES",
	   "the type is not accessed, or code that is not readable" SEG);
SREGS_RULE(es_system, s->es.s = 0, "GUEST_ES_AR_BYTES", "S is clear: a system segment" SEG);
SREGS_RULE(cs_base, s->cs.base = B(32), "GUEST_CS_BASE", "bits 63:32 are not 0" SEG);
SREGS_RULE(gs_base, s->gs.base = B(62), "GUEST_GS_BASE", NOT_CANONICAL SEG);
SREGS_RULE(ds_granularity, s->ds.limit = 0xfff00000, "GUEST_DS_AR_BYTES",
	   "G does not fit the limit" SEG);
SREGS_RULE(tr_ti, s->tr.selector |= 4, "GUEST_TR_SELECTOR", "TI is set" SEG);
SREGS_RULE(tr_type, s->tr.type = 9, "GUEST_TR_AR_BYTES",
	   "the type is not a busy TSS (11, or 3 outside IA-32e mode)" SEG);
SREGS_RULE(tr_s, s->tr.s = 1, "GUEST_TR_AR_BYTES", "S is set" SEG);
SREGS_RULE(tr_granularity, s->tr.g = 1, "GUEST_TR_AR_BYTES", "G does not fit the limit" SEG);
SREGS_RULE(ldtr_type, (s->ldt.present = 1, s->ldt.unusable = 0, s->ldt.s = 0, s->ldt.type = 3),
	   "GUEST_LDTR_AR_BYTES", "the type is not 2, an LDT" SEG);
SREGS_RULE(gdt_base, s->gdt.base = B(62), "GUEST_GDTR_BASE", NOT_CANONICAL GDT);
SREGS_RULE(idt_base, s->idt.base = B(62), "GUEST_IDTR_BASE", NOT_CANONICAL GDT);

KTAP_TEST(intel_by_sregs)
{
	static const struct sregs_rule *const rules[] = {
		&cs_l_d, &cs_dpl, &cs_type, &ss_type, &ds_type, &es_system, &cs_base, &gs_base,
		&ds_granularity, &tr_ti, &tr_type, &tr_s, &tr_granularity, &ldtr_type,
		&gdt_base, &idt_base,
	};
	unsigned int i, bad = 0;

	need_vendor(false);
	for (i = 0; i < ARRAY_SIZE(rules); i++) {
		struct vcpu *vcpu = vcpu_start(MODE_LONG, code_64);
		struct vmm_sregs sregs;

		vcpu_get_sregs(vcpu, &sregs);
		rules[i]->spoil(&sregs);
		vcpu_set_sregs(vcpu, &sregs);
		bad += !refused(vcpu, &rules[i]->rule, REFUSED_GUEST);
		/* Mended, it runs: the refusal left nothing behind. */
		vcpu_set_mode(vcpu, MODE_LONG);
		vcpu_get_sregs(vcpu, &sregs);
		sregs.ldt.unusable = 1;
		vcpu_set_sregs(vcpu, &sregs);
		expect_hlt(vcpu);
		drop(vcpu);
	}
	CHECK_EQ(bad, 0);
}

/* ---- by the hook ---- */

KTAP_TEST(intel_controls)
{
	need_vendor(false);
	run_rules(intel_control_rules, REFUSED_CONTROLS, MODE_LONG);
}

KTAP_TEST(intel_host_state)
{
	need_vendor(false);
	run_rules(intel_host_rules, REFUSED_HOST, MODE_LONG);
}

KTAP_TEST(intel_guest_registers)
{
	need_vendor(false);
	run_rules(intel_guest_rules, REFUSED_GUEST, MODE_LONG);
}

KTAP_TEST(intel_guest_segments)
{
	need_vendor(false);
	run_rules(intel_segment_rules, REFUSED_GUEST, MODE_LONG);
}

KTAP_TEST(intel_guest_pdptes)
{
	need_vendor(false);
	run_rules(intel_pae_rules, REFUSED_GUEST, MODE_PAE);
}

KTAP_TEST(amd_control_block)
{
	need_vendor(true);
	run_rules(amd_rules, REFUSED_AMD, MODE_LONG);
}
