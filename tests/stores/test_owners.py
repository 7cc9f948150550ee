"""Who lives: processes of this machine by their pid and age, others by their last sign of life."""

import os
import subprocess
import sys
import time

import psutil

from stretto.core.journal import owner_of_this_process
from stretto.stores.owner import SILENCE, is_alive


def changed(place: int, value: object) -> str:
    parts = owner_of_this_process().split(":")
    parts[place] = str(value)
    return ":".join(parts)


def test_this_process_lives_whatever_its_last_sign():
    assert is_alive(owner_of_this_process(), 0.0)
    assert is_alive(owner_of_this_process() + ":a suffix", 0.0)


def test_a_process_that_is_gone_or_a_zombie_is_dead():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    theirs = changed(1, child.pid)
    assert is_alive(theirs, 0.0)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not is_alive(theirs, time.time())
    child.communicate()
    assert not is_alive(theirs, time.time())


def test_a_younger_process_with_the_same_number_is_another_one():
    born = psutil.Process().create_time()
    assert is_alive(changed(2, born), 0.0)
    assert not is_alive(changed(2, born - 60), time.time())


def test_an_owner_elsewhere_or_unreadable_lives_by_its_signs():
    for owner in (changed(0, "elsewhere"), "somebody", changed(1, "x")):
        assert is_alive(owner, time.time() - SILENCE / 2)
        assert not is_alive(owner, time.time() - SILENCE - 1)


def test_a_process_that_may_not_be_looked_at_counts_as_alive(monkeypatch):
    def forbidden(_pid):
        raise psutil.AccessDenied(_pid)

    monkeypatch.setattr(psutil, "Process", forbidden)
    assert is_alive(owner_of_this_process(), 0.0)
