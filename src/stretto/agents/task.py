"""What an agent is asked to do."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

from stretto.models.messages import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task in words, with what came before.

    ``history`` are the messages of earlier turns, oldest first, without this task. ``workflow_id`` names the
    conversation, ``locale`` the language of the answer (``fr``, ``en`` or a language's name), ``context`` whatever else
    the caller wants the agent to know: it is shown to the model as JSON.
    """

    description: str
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    workflow_id: str = ""
    history: tuple[Message, ...] = field(default=(), repr=False)
    locale: str = ""
    context: dict[str, Any] = field(default_factory=dict[str, Any])
