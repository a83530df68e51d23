"""What every part of a report is made of: frozen, its numbers finite, its texts printable."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from edgeq.report.wording import printable

Text = Annotated[str, AfterValidator(printable)]
Count = Annotated[int, Field(ge=0, lt=2**63)]
Share = Annotated[float, Field(ge=0, le=1)]
Value = Annotated[int | float, Field(ge=0, lt=2**63)]


class Part(BaseModel):
    """The base of all parts."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)
