"""Logs of runs for the tests of this room: written by hand, and made up by hypothesis."""

from __future__ import annotations

import heapq
from random import Random

from hypothesis import strategies as st

from stretto.core.events import (
    Asked,
    ErrorRecord,
    Event,
    Progress,
    RunEnded,
    RunResumed,
    RunStarted,
    Said,
    StepAbandoned,
    StepCancelled,
    StepCompleted,
    StepFailed,
    StepRetrying,
    StepSkipped,
    StepStarted,
    StepTimedOut,
)

HOSTILE = (
    "</script><script>alert(1)</script>",
    "<!-- & --> ]]> \" ' ` ${x} {{data}}",
    "a\u2028b\u2029c\u0000d\x1be\ufffe",
    "\U0001f9ea 漢字 é \u202eabc",
    "\ud800 lone",
    '"]; drop [x] --> y{z}|end|#quot;\\',
)
ERROR = ErrorRecord("HTTPStatusError", "503 Service Unavailable", "lead/review/api/get_items")


def simple() -> list[Event]:
    """Four queries together, then one step: the run that the seed's chart shows, in seconds."""
    ends = {"query": 1.8, "api_1": 0.5, "api_2": 0.6, "serena": 0.4}
    started: list[Event] = [StepStarted("gather", 0.0, None, 0.0, "planned")]
    started += [StepStarted(f"gather/{name}", 0.0, None, 0.0, "tool") for name in ends]
    ended: list[Event] = [StepCompleted(f"gather/{name}", end) for name, end in ends.items()]
    ended.sort(key=lambda event: event.at)
    last: list[Event] = [
        StepStarted("gather/aggregate", 1.8, None, 0.0, "model"),
        StepCompleted("gather/aggregate", 2.2),
        StepCompleted("gather", 2.2),
        RunEnded("", 2.2, "completed"),
    ]
    return [RunStarted("", 0.0, "r1", "Gather", 1_790_000_000.0), *started, *ended, *last]


def eventful() -> list[Event]:
    """A live run in which everything happens once."""
    found: list[Event] = [
        RunStarted("", 0.0, "r2", "Refactor <billing>", 1_790_000_000.0, labels={"team": "a"}),
        StepStarted("lead", 0.0, None, 0.0, "agent"),
        StepStarted("lead/plan", 0.01, None, 0.0, "model"),
        StepCompleted("lead/plan", 0.18),
        StepStarted("lead/review", 0.18, None, 0.0, "fork_join"),
        StepStarted("lead/review/db", 0.18, None, 0.0, "agent"),
        StepStarted("lead/review/db/query_users", 0.21, None, 0.03, "tool"),
        StepStarted("lead/review/api", 0.22, None, 0.0, "agent"),
        StepStarted("lead/review/api/get_items", 0.23, None, 0.0, "tool"),
        StepStarted("lead/review/market", 0.24, None, 0.0, "agent"),
        Progress("lead/review/market", 0.3, 3, 10),
        StepRetrying("lead/review/api/get_items", 0.42, 1, ERROR, 0.1),
        StepRetrying("lead/review/api/get_items", 0.60, 2, ERROR, 0.2),
        StepStarted("lead/review/docs", 0.61, None, 0.42, "mcp"),
        StepCompleted("lead/review/docs", 0.62, None, "cache"),
        Said("lead/review/db/query_users", 0.9, "1,204 rows so far"),
        StepFailed("lead/review/api/get_items", 1.0, ERROR),
        StepFailed("lead/review/api", 1.01, ERROR),
        StepTimedOut("lead/review/market", 1.2, 1.0, "branch"),
        StepCompleted("lead/review/db/query_users", 1.89),
        StepCompleted("lead/review/db", 1.9),
        StepSkipped("lead/review/slow", 1.9, "an earlier branch answered"),
        StepStarted("lead/review/crawl", 1.9, None, 1.5, "tool"),
        StepCancelled("lead/review/crawl", 1.99, "no longer wanted"),
        StepAbandoned("lead/review/thread", 1.995, 0.5, "thread"),
        StepCompleted("lead/review", 2.0),
        StepStarted("lead/aggregate", 2.0, None, 0.0, "model"),
        Asked("lead/validate", 2.1, "q1", "Apply to 14 files?"),
        Said("lead/aggregate", 2.3, "streaming"),
    ]
    return found


def items(many: int, at_once: int = 16, seed: int = 1) -> list[Event]:
    """A map over many items with few slots; one in two hundred fails."""
    chance = Random(seed)
    slots = [0.4] * at_once
    found: list[Event] = []
    for number in range(many):
        begin = heapq.heappop(slots)
        end = begin + chance.expovariate(8.0) + 0.01
        heapq.heappush(slots, end)
        path = f"survey/measure/file[{number}]"
        found.append(StepStarted(path, begin, None, begin - 0.4))
        bad = number % 200 == 57
        found.append(
            StepFailed(path, end, ErrorRecord("UnicodeDecodeError", "0xff")) if bad else StepCompleted(path, end)
        )
    found.sort(key=lambda event: event.at)
    end = max(slots)
    head: list[Event] = [
        RunStarted("", 0.0, "r3", "Measure every file", 1_790_000_000.0),
        StepStarted("survey", 0.0, None, 0.0, "sequential"),
        StepStarted("survey/list", 0.0),
        StepCompleted("survey/list", 0.4),
        StepStarted("survey/measure", 0.4, None, 0.0, "map_reduce"),
    ]
    tail: list[Event] = [
        StepCompleted("survey/measure", end),
        StepStarted("survey/report", end),
        StepCompleted("survey/report", end + 1.0),
        StepCompleted("survey", end + 1.0),
        RunEnded("", end + 1.0, "completed"),
    ]
    return [*head, *found, *tail]


def renamed(events: list[Event], old: str, new: str) -> list[Event]:
    """Gives one step of a log another name."""
    for event in events:
        event.path = "/".join(new if name == old else name for name in event.path.split("/"))
    return events


@st.composite
def runs(draw: st.DrawFn, most: int = 40) -> list[Event]:
    """A well-formed log: children run within their parents, time never goes back, and anything may happen."""
    found: list[Event] = [RunStarted("", 0.0, "r", draw(st.sampled_from(("run", *HOSTILE))), 0.0)]
    live: list[str] = []
    now, number = 0.0, 0
    for _ in range(draw(st.integers(0, most))):
        now += draw(st.sampled_from((0.0, 0.0, 0.001, 0.25, 1.0, 60.0)))
        leaves = [path for path in live if not any(other.startswith(f"{path}/") for other in live)]
        action = draw(st.integers(0, 9))
        if action <= 3 or not leaves:
            above = draw(st.sampled_from(["", *live]))
            name = draw(
                st.sampled_from((f"step{number}", f"item[{number}]", f"again#{number}", f"{HOSTILE[0]}{number}"))
            )
            name, number = name.replace("/", "∕"), number + 1
            path = f"{above}/{name}" if above else name
            found.append(StepStarted(path, now, None, draw(st.sampled_from((0.0, 0.0, now / 2)))))
            live.append(path)
            continue
        path = draw(st.sampled_from(leaves))
        if action == 4:
            found.append(StepRetrying(path, now, 1, ErrorRecord("E", HOSTILE[2]), 0.1))
        elif action == 5:
            found.append(
                draw(
                    st.sampled_from(
                        (Progress(path, now, 1, 2), Said(path, now, HOSTILE[1]), Asked(path, now, "q", "?"))
                    )
                )
            )
        elif action == 6 and draw(st.booleans()):
            found.append(RunResumed("", now, 0, list(live)))
            found += [StepStarted(again, now) for again in live]
        elif action == 7:
            found.append(StepSkipped(f"skipped{number}", now, "not needed"))
            number += 1
        else:
            error = ErrorRecord("E", HOSTILE[0])
            endings = (StepCompleted(path, now), StepFailed(path, now, error), StepTimedOut(path, now, 1.0))
            ending = draw(st.sampled_from((*endings, StepCancelled(path, now), StepAbandoned(path, now, 1.0))))
            found.append(ending)
            live.remove(path)
    if draw(st.booleans()):
        found += [StepCompleted(path, now) for path in reversed(live)]
        found.append(RunEnded("", now, "completed"))
    return found
