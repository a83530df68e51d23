/* A plan's tables (docs/plan-format.md), read in place from its bytes. */
#ifndef EQ_PLAN_H
#define EQ_PLAN_H

#include "step.h" /* and eq_plan from eq_engine.h */

/* Reads the header and checks it, the CRC and every table, needs included; fills fault if the result is not
 * EQ_OK. */
eq_status eq_plan_check(eq_plan *plan, const uint8_t *bytes, uint32_t size, eq_fault *fault);

/* Rows of a checked plan; index must be below the count. */
eq_tensor eq_plan_tensor(const eq_plan *plan, uint32_t index);
eq_step eq_plan_step(const eq_plan *plan, uint32_t index);
/* What a step is run with, but for its data; `kind` gets its row. */
eq_call eq_plan_call(const eq_plan *plan, uint32_t index, const eq_step_kind **kind);

uint16_t eq_read_u16(const uint8_t *p);
uint32_t eq_read_u32(const uint8_t *p);

#endif
