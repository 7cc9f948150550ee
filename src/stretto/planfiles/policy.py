"""How an operation runs: what the file says about it, beside what its step says of itself."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stretto.core.errors import DefinitionError
from stretto.core.policies import CachePolicy, RetryPolicy, StepPolicy
from stretto.planfiles.callables import find_error
from stretto.planfiles.document import Node
from stretto.planfiles.model import Body, CacheEntry, DefaultsEntry, RetryEntry
from stretto.planfiles.source import Problems


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What is the same for all operations of a file: its settings, its directory, and the data that there are."""

    directory: Path
    defaults: DefaultsEntry
    defaults_node: Node
    known: Collection[str]
    problems: Problems


@dataclass(frozen=True)
class PolicyReader:
    """Makes the policy of one operation."""

    id: str
    entry: Body
    node: Node
    around: Surroundings

    def read(self, base: StepPolicy, said: str) -> StepPolicy:
        """Returns the step's own policy with what the file says instead."""
        entry, defaults = self.entry, self.around.defaults
        idempotent = entry.idempotent if entry.idempotent is not None else defaults.idempotent or base.idempotent
        settings: dict[str, Any] = {"idempotent": idempotent}
        if (timeout := entry.timeout or defaults.timeout) is not None:
            settings["timeout"] = timeout
        if (retry := entry.retry or (defaults.retry if idempotent else None)) is not None:
            settings["retry"] = self._retry(retry)
        if isinstance(entry.cache, CacheEntry) or entry.cache:
            cache = entry.cache if isinstance(entry.cache, CacheEntry) else CacheEntry()
            settings["cache"] = CachePolicy(ttl=cache.ttl, maximum=cache.maximum)
        elif entry.cache is False:
            settings["cache"] = None
        for name in ("isolation", "memory"):
            if (value := getattr(entry, name)) is not None:
                settings[name] = value
        if said:
            settings["version"] = hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        try:
            return replace(base, **settings)
        except DefinitionError as error:
            self.around.problems.add(
                (self.node.mapping.get("retry") or self.node).start,
                f"operation {self.id!r}: " + str(error).replace("idempotent=True", "idempotent: true"),
            )
            return base

    def _retry(self, entry: RetryEntry) -> RetryPolicy:
        errors: list[type[Exception]] = []
        retry = self.node.mapping.get("retry") or self.around.defaults_node.mapping["retry"]
        names = retry.mapping["on"].items if "on" in retry.mapping else []
        for node in names:
            try:
                errors.append(find_error(node.raw, self.around.directory))
            except DefinitionError as error:
                self.around.problems.add(node.start, str(error))
        return RetryPolicy(
            attempts=entry.attempts,
            wait=entry.wait,
            factor=entry.factor,
            max_wait=entry.max_wait,
            on=tuple(errors) or (Exception,),
        )
