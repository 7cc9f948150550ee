"""Tools for testing steps and workflows: a clock that jumps, shuffled schedules, a stage for one step, faults, leaks.

>>> from stretto import step
>>> @step(timeout=3600)
... async def patient(x):
...     await asyncio.sleep(3599)
...     return x
>>> clock = VirtualClock()
>>> run_virtual(patient, 1, clock=clock), clock.elapsed
(1, 3599.0)
"""

from stretto.core.checks import (
    CheckFailed,
    Hung,
    NeverMatched,
    NotReproducible,
    OrderDependent,
    SomethingLeft,
    UnexpectedCall,
    UnexpectedQuestion,
    UnusedAnswer,
    UnusedFault,
    UnusedOutput,
)
from stretto.runtime.virtual import VirtualClock, shuffled
from stretto.testing.clocked import run_virtual
from stretto.testing.faults import Fault, inject
from stretto.testing.harness import StepHarness
from stretto.testing.leaks import assert_nothing_left
from stretto.testing.order import find_order_dependence
from stretto.testing.scripted import Scripted, ScriptedModel

__all__ = [
    "CheckFailed",
    "Fault",
    "Hung",
    "NeverMatched",
    "NotReproducible",
    "OrderDependent",
    "Scripted",
    "ScriptedModel",
    "SomethingLeft",
    "StepHarness",
    "UnexpectedCall",
    "UnexpectedQuestion",
    "UnusedAnswer",
    "UnusedFault",
    "UnusedOutput",
    "VirtualClock",
    "assert_nothing_left",
    "find_order_dependence",
    "inject",
    "run_virtual",
    "shuffled",
]
