"""What the native engine needs beyond the `.tflite`: folded steps, arena layout, parameters; the plan's bytes."""

from edgeq.plan.build import Plan, build_plan
from edgeq.plan.encode import encode_plan

__all__ = ["Plan", "build_plan", "encode_plan"]
