"""What the native engine needs beyond the `.tflite`: folded steps, arena layout, parameters; the plan's bytes."""

from edgeq.plan.build import Plan, PlannedStep, PlannedTensor, build_plan
from edgeq.plan.decode import decode_plan
from edgeq.plan.encode import encode_plan
from edgeq.plan.variants.variant import Target

__all__ = ["Plan", "PlannedStep", "PlannedTensor", "Target", "build_plan", "decode_plan", "encode_plan"]
