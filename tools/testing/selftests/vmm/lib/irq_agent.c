// SPDX-License-Identifier: GPL-2.0
/*
 * irq_agent.c - the guest of irq_agent.h: a loop that takes one command from memory
 * each time the VMM let it go on after an OUT, and handlers that report.
 */
#include <time.h>

#include "irq_agent.h"

#define PORT_IDLE	0x3f4

#define CODE		0x20000
#define HANDLERS	0x30000		/* HANDLER_SIZE each */
#define HANDLER_SIZE	128

/* The command of vCPU n is n * COMMAND_SIZE further on; R15 points there. */
#define COMMANDS	0x48000
#define COMMAND_SIZE	0x40

enum op { OP_NONE, OP_OUT8, OP_IN8, OP_WRITE32, OP_READ32, OP_CLI, OP_STI };

struct command {
	uint32_t op;
	uint32_t value;
	uint64_t address;
	uint32_t result;
	uint32_t eoi;
};

_Static_assert(offsetof(struct command, eoi) == 20, "the code below knows the layout");

GUEST64(agent,
	mov $0xfee000f0, %eax; movl $0x1ff, (%rax);
	mov $0xfee00350, %eax; movl $0x10000, (%rax);
	sti;
	1: movl $0, (%r15);
	mov $PORT_IDLE, %edx; xor %eax, %eax; out %eax, %dx;
	mov (%r15), %ecx; mov 4(%r15), %eax; mov 8(%r15), %rdx;
	cmp $1, %ecx; jne 2f; out %al, %dx; jmp 1b;
	2: cmp $2, %ecx; jne 3f; in %dx, %al; movzbl %al, %eax; mov %eax, 16(%r15); jmp 1b;
	3: cmp $3, %ecx; jne 4f; mov %eax, (%rdx); jmp 1b;
	4: cmp $4, %ecx; jne 5f; mov (%rdx), %eax; mov %eax, 16(%r15); jmp 1b;
	5: cmp $5, %ecx; jne 6f; cli; jmp 1b;
	6: cmp $6, %ecx; jne 1b; sti; jmp 1b);

/* The vector is patched in, 2 bytes from the start. */
GUEST64(handler,
	push %rax; mov $0, %eax; push %rdx;
	mov $PORT_REPORT, %edx; out %eax, %dx;
	mov 20(%r15), %edx;
	cmp $1, %edx; jne 1f; mov $0xfee000b0, %eax; movl $0, (%rax);
	1: cmp $2, %edx; jne 2f; mov $0x20, %al; out %al, $0xa0; out %al, $0x20;
	2: pop %rdx; pop %rax; iretq);

struct vm *vm_create_irqchip(void)
{
	struct vm *vm = vm_create();

	CHECK_OK(ioctl(vm->fd, VMM_CREATE_IRQCHIP, 0));
	return vm;
}

static volatile struct command *command(struct vcpu *vcpu)
{
	return vm_gpa(vcpu->vm, COMMANDS + vcpu->id * COMMAND_SIZE);
}

static void write_handlers(struct vm *vm)
{
	int vector;

	CHECK(handler_end - handler <= HANDLER_SIZE);
	for (vector = 32; vector < 256; vector++) {
		uint64_t gpa = HANDLERS + vector * HANDLER_SIZE;
		uint8_t *p = vm_gpa(vm, gpa);

		memcpy(p, handler, handler_end - handler);
		p[2] = vector;
		vm_set_gate(vm, MODE_LONG, vector, gpa);
	}
}

/* Interrupts that a vCPU took and the test has not asked for. */
static struct taken {
	unsigned int nr;
	uint8_t vector[64];
} taken[16];

/* The run after which the agent is idle again, or reported. True: idle. */
static bool run_agent(struct vcpu *vcpu)
{
	struct vmm_run *run = vcpu->run;
	struct taken *t = &taken[vcpu->id];

	expect_exit(vcpu, VMM_EXIT_IO);
	if (run->io.port == PORT_IDLE)
		return true;
	CHECK_EQ(run->io.port, PORT_REPORT);
	CHECK(t->nr < ARRAY_SIZE(t->vector));
	t->vector[t->nr++] = load_le(run_io_data(run), 4);
	return false;
}

static uint32_t agent_do(struct vcpu *vcpu, enum op op, uint64_t address, uint32_t value)
{
	volatile struct command *c = command(vcpu);

	c->address = address;
	c->value = value;
	c->op = op;
	while (!run_agent(vcpu))
		;
	return c->result;
}

struct vcpu *agent_create(struct vm *vm, int id)
{
	struct vcpu *vcpu = vcpu_create(vm, id);
	struct vmm_mp_state mp = { .mp_state = VMM_MP_STATE_RUNNABLE };
	struct vmm_regs regs;

	CHECK(id < (int)ARRAY_SIZE(taken));
	CHECK_OK(ioctl(vcpu->fd, VMM_SET_MP_STATE, &mp));
	vcpu_load_at(vcpu, MODE_LONG, CODE, agent, agent_end);
	vcpu_get_regs(vcpu, &regs);
	regs.r15 = COMMANDS + id * COMMAND_SIZE;
	vcpu_set_regs(vcpu, &regs);
	write_handlers(vm);
	agent_set_eoi(vcpu, EOI_LAPIC);
	while (!run_agent(vcpu))
		;
	return vcpu;
}

struct vcpu *agent_start(void)
{
	return agent_create(vm_create_irqchip(), 0);
}

void agent_set_eoi(struct vcpu *vcpu, enum agent_eoi eoi)
{
	command(vcpu)->eoi = eoi;
}

void agent_out8(struct vcpu *vcpu, uint16_t port, uint8_t value)
{
	agent_do(vcpu, OP_OUT8, port, value);
}

uint8_t agent_in8(struct vcpu *vcpu, uint16_t port)
{
	return agent_do(vcpu, OP_IN8, port, 0);
}

void agent_write32(struct vcpu *vcpu, uint64_t gpa, uint32_t value)
{
	agent_do(vcpu, OP_WRITE32, gpa, value);
}

uint32_t agent_read32(struct vcpu *vcpu, uint64_t gpa)
{
	return agent_do(vcpu, OP_READ32, gpa, 0);
}

void agent_cli(struct vcpu *vcpu)
{
	agent_do(vcpu, OP_CLI, 0, 0);
}

void agent_sti(struct vcpu *vcpu)
{
	agent_do(vcpu, OP_STI, 0, 0);
}

void agent_idle(struct vcpu *vcpu)
{
	agent_do(vcpu, OP_NONE, 0, 0);
}

int agent_next_irq(struct vcpu *vcpu)
{
	struct taken *t = &taken[vcpu->id];
	struct timespec start, now;
	int vector;

	clock_gettime(CLOCK_MONOTONIC, &start);
	while (!t->nr) {
		/* Not to the next idle moment: in a storm there is none. */
		command(vcpu)->op = OP_NONE;
		run_agent(vcpu);
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (!t->nr && now.tv_sec - start.tv_sec > 2)
			return -1;
	}
	vector = t->vector[0];
	memmove(t->vector, t->vector + 1, --t->nr);
	return vector;
}

void agent_expect_none_(struct vcpu *vcpu, const char *file, int line)
{
	struct taken *t = &taken[vcpu->id];
	int i;

	/* Once round delivers what is pending; more, in case it is on its way. */
	for (i = 0; i < 3; i++)
		agent_idle(vcpu);
	if (t->nr)
		ktap_fail(file, line, "an interrupt came, vector %#x", t->vector[0]);
}

void ioapic_write_entry(struct vcpu *vcpu, int pin, uint64_t bits)
{
	agent_write32(vcpu, IOAPIC, 0x11 + pin * 2);
	agent_write32(vcpu, IOAPIC_WINDOW, bits >> 32);
	agent_write32(vcpu, IOAPIC, 0x10 + pin * 2);
	agent_write32(vcpu, IOAPIC_WINDOW, bits);
}

int irq_line(struct vm *vm, uint32_t gsi, uint32_t level)
{
	struct vmm_irq_level l = { .irq = gsi, .level = level };

	return ioctl(vm->fd, VMM_IRQ_LINE, &l);
}

int irq_status(struct vm *vm, uint32_t gsi, uint32_t level)
{
	struct vmm_irq_level l = { .irq = gsi, .level = level };

	CHECK_OK(ioctl(vm->fd, VMM_IRQ_LINE_STATUS, &l));
	return l.status;
}

struct vmm_irqchip get_chip(struct vm *vm, uint32_t id)
{
	struct vmm_irqchip chip = { .chip_id = id };

	CHECK_OK(ioctl(vm->fd, VMM_GET_IRQCHIP, &chip));
	return chip;
}
