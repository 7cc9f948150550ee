"""Whether the process that claimed a run still lives."""

from __future__ import annotations

import platform
import time

SILENCE = 120.0
"""After how many seconds without a sign of life an owner on another machine counts as dead."""
BEAT = 10.0
"""How many seconds an owner that polls its mailbox lets pass before it gives the next sign of life."""
_SLACK = 2.0  # clocks are set, and a process's time of birth is rounded


def is_alive(owner: str, heartbeat: float) -> bool:
    """Says whether an owner (``host:pid:time:number``) lives, ``heartbeat`` being its last sign of life (Unix epoch).

    On this machine its process is looked up; one that was born after the claim has only inherited the number.
    """
    host, _, rest = owner.partition(":")
    pid, _, since = rest.partition(":")
    try:
        claimed = float(since.partition(":")[0])
        number = int(pid)
    except ValueError:
        return time.time() - heartbeat < SILENCE
    if host != platform.node().replace(":", "-"):
        return time.time() - heartbeat < SILENCE
    return _process_lives(number, claimed)


def _process_lives(pid: int, claimed: float) -> bool:
    import psutil  # 30 ms, which only those who find a claimed run should pay

    try:
        process = psutil.Process(pid)
        return process.create_time() <= claimed + _SLACK and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True
