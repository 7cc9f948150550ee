"""What is known of a model beside its name, where somebody has said more than the tables know."""

from __future__ import annotations

from dataclasses import dataclass

from stretto.core.policies import whole
from stretto.core.settings import Described


@dataclass(frozen=True, kw_only=True)
class ModelFacts(Described):
    """Says about a model what the tables do not know, or know otherwise; what is None is not said.

    ``context_window`` and ``max_output`` are in tokens. ``temperature`` is that of calls which name none. A model with
    ``reasons=False`` is never asked to reason.
    """

    context_window: int | None = None
    max_output: int | None = None
    temperature: float | None = None
    reasons: bool = True

    def __post_init__(self) -> None:
        """Refuses numbers of tokens that are none."""
        for name in ("context_window", "max_output"):
            if (said := getattr(self, name)) is not None:
                whole("ModelFacts", name, said)
