/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What Bochs includes as "instrument.h": none of its hooks but the one that
 * bochs-count.cc has. Its own header defines them all away when there is no
 * instrumentation.
 */
#undef BX_INSTRUMENTATION
#define BX_INSTRUMENTATION 0
#include "instrument/stubs/instrument.h"
#undef BX_INSTRUMENTATION
#define BX_INSTRUMENTATION 1

class bxInstruction_c;
void vmm_count(unsigned cpu, bxInstruction_c *i);

#undef BX_INSTR_BEFORE_EXECUTION
#define BX_INSTR_BEFORE_EXECUTION(cpu_id, i)	vmm_count(cpu_id, i)
