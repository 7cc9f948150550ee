"""Whatever is done with records, and in whichever order, a store on disk answers as one in memory does."""

import asyncio
from dataclasses import replace
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stretto.core.errors import StrettoError
from stretto.core.records import ROW_TABLES, ExecutionRow, Fold, WorkflowRow
from stretto.stores import record_rules
from stretto.stores.memory import MemoryStore
from stretto.stores.sql import SqlStore
from tests.stores.postgres_server import empty_tables

WORKFLOWS, RUNS = st.sampled_from(["w0", "w1"]), st.sampled_from(["r0", "r1", "r2"])
STATES = st.sampled_from(["queued", "running", "completed", "error", "cancelled", "interrupted"])
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=5)
TIMES = st.none() | st.integers(0, 9).map(float)
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "status": STATES, "started_at": TIMES, "ended_at": TIMES, "error": st.none() | st.text(max_size=3),
        "result": st.none() | st.dictionaries(TEXTS, st.integers() | st.text(max_size=3), max_size=2),
        "tokens_input": st.integers(0, 9), "tokens_output": st.integers(0, 9),
        "cost_usd": st.none() | st.sampled_from([0.25, 0.5]), "model_id": st.none() | st.sampled_from(["m1", "m2"]),
        "context_tokens": st.integers(0, 3), "message": TEXTS,
    },
)  # fmt: skip
ROWS = st.builds(
    lambda id, at, text, status: {"id": id, "created_at": at, "text": text, "status": status},
    st.sampled_from("abcd"), st.integers(0, 3).map(float), st.text(max_size=3), st.sampled_from(["pending", "done"]),
)  # fmt: skip
FOLDS = st.builds(
    lambda run, workflow, lines, rows, execution: Fold(
        run_id=run, workflow_id=workflow, lines=lines, rows=rows, execution=execution
    ),
    RUNS, WORKFLOWS, st.integers(0, 9),
    st.dictionaries(st.sampled_from(ROW_TABLES[:2]), st.lists(ROWS, max_size=3), max_size=2), CHANGES,
)  # fmt: skip
COMMANDS = st.one_of(
    st.tuples(st.just("add_workflow"), WORKFLOWS, TEXTS),
    st.tuples(st.just("rename"), WORKFLOWS, TEXTS),
    st.tuples(st.just("delete_workflow"), WORKFLOWS),
    st.tuples(st.just("add_execution"), RUNS, WORKFLOWS, CHANGES),
    st.tuples(st.just("change_execution"), RUNS, st.lists(STATES, max_size=2), CHANGES),
    st.tuples(st.just("delete_execution"), RUNS),
    st.tuples(st.just("keep"), st.lists(FOLDS, min_size=1, max_size=3)),
)
BEGIN = (("add_workflow", "w0", "a"), ("add_execution", "r0", "w0", {}), ("add_execution", "r1", "w0", {}))


async def done(records, number, command):
    """Does a command, and returns what it returned, or the kind of its error."""
    kind, *given = command
    try:
        if kind == "add_workflow":
            row = WorkflowRow(id=given[0], name=given[1], agent_id="agent", updated_at=float(number))
            return await records.add_workflow(row)
        if kind == "rename":
            return await records.change_workflow(given[0], name=given[1])
        if kind == "add_execution":
            row = ExecutionRow(run_id=given[0], workflow_id=given[1], message="m", agent_id="a")
            return await records.add_execution(replace(row, **given[2]))
        if kind == "change_execution":
            return await records.change_execution(given[0], expected=given[1], **given[2])
        return await getattr(records, kind)(*given)
    except StrettoError as error:
        return type(error)


async def seen(records):
    """Returns everything that can be asked for."""
    told = [await records.workflows(), await records.executions(), await records.workflows(text="a", status="running")]
    for id in ("w0", "w1"):
        told.append(await records.row_counts(id))
        told += [await records.row_texts(table, id) for table in ROW_TABLES[:2]]
    told += [await records.find_rows(table, statuses=["pending"]) for table in ROW_TABLES[:2]]
    told.append(await records.silent_workflows(20.0))
    return told


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_any_sequence_of_commands_leads_to_the_same_records(tmp_path, monkeypatch, kind):
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(record_rules, "time", SimpleNamespace(time=lambda: clock.now))

    @settings(max_examples=40 if kind == "sqlite" else 12, deadline=None, suppress_health_check=list(HealthCheck))
    @given(commands=st.lists(COMMANDS, min_size=5, max_size=25))
    def compared(commands):
        async def compare():
            place = await empty_tables() if kind == "postgresql" else tmp_path / "records.db"
            async with MemoryStore() as plain, SqlStore(place) as disk:
                for row in (await disk.records.workflows())[0]:
                    await disk.records.delete_workflow(row.id)
                for number, command in enumerate([*BEGIN, *commands]):
                    clock.now = float(number)
                    found = [await done(store.records, number, command) for store in (plain, disk)]
                    assert found[0] == found[1], command
                assert await seen(plain.records) == await seen(disk.records)

        asyncio.run(compare())

    compared()
