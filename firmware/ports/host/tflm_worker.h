/* TensorFlow Lite Micro on the host: an engine whose interpreter is a child process (docs/tflm.md). */
#ifndef EQ_TFLM_WORKER_H
#define EQ_TFLM_WORKER_H

#include <stdbool.h>

#include "eq_engine.h"

/* The shell command of the child; without it there is no such engine. */
#define EQ_TFLM_WORKER_VARIABLE "EDGEQ_TFLM_WORKER"

extern const eq_engine_kind tflm_worker;

bool tflm_worker_there(void);

/* What of the time so far went into talking to the child rather than into its operators, for the board's
 * clock to leave out. */
uint64_t tflm_worker_overhead_ns(void);

/* Ends the child, if there is one. */
void tflm_worker_stop(void);

#endif
