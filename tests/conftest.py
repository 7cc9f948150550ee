"""What holds for all tests: measuring is cheap, the longest begin first, and a failure is told when it happens."""

from __future__ import annotations

import os
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.measuring import measure_greenlets_as_threads, measure_processes, measure_workers_once, paused

LONGEST = (
    "tests/server/test_killed_servers.py",
    "tests/server/test_no_operation_breaks.py",
    "tests/crash/",
    "tests/server/test_command_sequences.py",
    "tests/test_benchmarks.py",
    "tests/page/",
    "tests/docs/",
)
"""What begins first, so that no worker is left alone with it in the end."""
UNMEASURED = (
    "tests/page/", "tests/server/test_no_operation_breaks.py", "tests/test_benchmarks.py", "tests/crash/",
    "tests/server/test_command_sequences.py", "tests/server/test_killed_servers.py",
    "tests/server/test_dropped_connections.py", "tests/docs/", "tests/test_architecture.py",
    "tests/test_one_command.py", "tests/test_distribution.py", "tests/agents/test_agents_killed.py",
)  # fmt: skip
"""What runs code that other tests cover line by line: to measure it again takes half of its time."""
MEASURED_PROCESSES = (
    "tests/test_importing.py",
    "tests/runtime/",
    "tests/cli/test_chat.py",
    "tests/cli/test_mcp_command.py",
    "tests/testing/test_pytest_plugin.py",
)
"""Whose processes run what no test runs in its own."""

settings.register_profile("stretto", deadline=None)  # how long an example takes is a matter of what else is going on
settings.load_profile("stretto")


def pytest_configure(config: pytest.Config) -> None:
    """Has a worker measured once, and trusts one authority instead of all.

    Every client of HTTP reads them, and the tests talk to loopback alone.
    """
    place = Path(config.rootpath) / ".pytest_cache" / "one-authority.pem"
    if hasattr(config, "workerinput"):
        measure_workers_once(config)
    else:
        found = ssl.create_default_context().get_ca_certs(binary_form=True)
        if not found:
            return
        place.parent.mkdir(exist_ok=True)
        place.write_text(ssl.DER_cert_to_PEM_cert(found[0]))
    if place.exists():
        os.environ["SSL_CERT_FILE"] = str(place)


def pytest_sessionstart() -> None:
    """Makes cheaper what measures from now on."""
    measure_greenlets_as_threads()


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Iterator[None]:
    """Imports the tests unmeasured: what importing runs is measured by a test, once."""
    with paused(session.config):
        return (yield)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Deals the longest to the workers, each of which begins with an equal part of all."""
    order = {name: number for number, name in enumerate(LONGEST)}
    for item in items:
        if item.nodeid.startswith(UNMEASURED):
            item.add_marker(pytest.mark.no_cover)

    def rank(item: pytest.Item) -> int:
        return next((number for name, number in order.items() if item.nodeid.startswith(name)), len(LONGEST))

    items.sort(key=rank)
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    longest = sum(rank(item) < len(LONGEST) for item in items)
    rest, share = items[longest:], -(-(len(items) - longest) // workers)
    dealt = [items[number:longest:workers] + rest[number * share : (number + 1) * share] for number in range(workers)]
    items[:] = [item for part in dealt for item in part]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Has the processes of a test measured only where they cover what nothing else does."""
    measure_processes(item.nodeid.startswith(MEASURED_PROCESSES))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Tells a failure at once, where the workers' reports arrive: a run that is cut has said who failed."""
    if report.failed and "PYTEST_XDIST_WORKER" not in os.environ:
        text = "\n".join(line for line in report.longreprtext.splitlines() if line.startswith(("E ", ">")))
        said = text or report.longreprtext[-2000:]
        sys.__stdout__.write(f"\nFAILED {report.nodeid} ({report.when})\n{said[:4000]}\n")
        sys.__stdout__.flush()
