"""Worked examples of the field, with exact numbers: what a user of workflows would try first."""

import asyncio
import hashlib
import re
import time
import uuid

import pytest

from stretto.core.aggregation import PartialSuccess
from stretto.core.errors import CircuitOpen
from stretto.core.events import StepRetrying
from stretto.core.function import step
from stretto.core.outcome import Completed
from stretto.core.policies import CircuitBreaker, ParallelResourceLimits, RetryPolicy
from stretto.core.resources import Channels, EndOfChannel
from stretto.runtime.run import run, run_sync
from stretto.workflows.branch import ParallelBranch
from stretto.workflows.fork_join import ForkJoinWorkflow
from stretto.workflows.iteration import Collect
from stretto.workflows.loop import LoopWorkflow
from stretto.workflows.map_reduce import MapReduceWorkflow
from stretto.workflows.parallel import ParallelWorkflow
from stretto.workflows.sequential import SequentialWorkflow
from stretto.workflows.stages import Map
from stretto.workflows.streaming import StreamingWorkflow


def calculation(name, function, **settings):
    async def calculate(x):
        return function(x)

    return step(name=name, **settings)(calculate)


def test_price_pipeline(watch):
    row = (
        calculation("base", lambda x: x * 2.5),
        calculation("tax", lambda x: round(x * 1.08, 2)),
        calculation("discount", lambda x: round(x * 0.9, 2)),
        calculation("text", lambda x: f"Final price: ${x:g}"),
    )
    run_ = watch(SequentialWorkflow(name="price", steps=row), 100)
    outputs = [e.output for e in run_.log if e.kind == "step_completed"]
    assert outputs == [250, 270, 243, "Final price: $243", "Final price: $243"]


def test_three_independent_branches_run_together(watch, tmp_path):
    together = []

    @step
    async def write(_):
        together.append("file")
        await asyncio.sleep(1)
        path = tmp_path / "branch1.txt"
        path.write_text("Processing in parallel branch 1")
        return path

    @step
    async def sha256(path):
        return hashlib.sha256(path.read_bytes()).hexdigest()

    @step
    async def calculate(_):
        together.append("calculator")
        await asyncio.sleep(1)
        return (100 * 25) + (30 / 6) - 15

    @step
    async def template(result):
        return f"Calculation result: {result:g}"

    @step
    async def random_id(_):
        together.append("ids")
        await asyncio.sleep(1)
        return uuid.uuid4()

    @step
    async def named_id(_):
        return uuid.uuid5(uuid.UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8"), "parallel_test")

    flow = ParallelWorkflow(
        steps=(
            ParallelBranch("file_processor", (write, sha256)),
            ParallelBranch("calculator_branch", (calculate, template)),
            ParallelBranch("id_generator", (random_id, named_id)),
        ),
        limits=ParallelResourceLimits(max_concurrent_executions=3),
        aggregation=PartialSuccess(minimum=3),
    )
    done = watch(flow)
    assert [outcome.value for outcome in done.outcome.value] == [
        "5bf78e15ce6ac77ac2280dc9f5eac6dbf21c9db6421e29c197ae2ff2624c0e82",
        "Calculation result: 2490",
        uuid.UUID("22ab8ce8-0abd-5f30-9ee6-05c03ab27007"),
    ]
    assert together == ["file", "calculator", "ids"]
    assert done.seconds == pytest.approx(1)


def analyst(name, text, error=None):
    @step(name=name)
    async def analyse(_):
        await asyncio.sleep(0.5)
        if error is not None:
            raise error
        return text

    return analyse


@pytest.mark.parametrize("market_fails", [False, True])
def test_analyst_panel(watch, market_fails):
    @step
    async def roi(text):
        return re.search(r"ROI: (\d+)%", text)[1]

    @step
    async def complexity(text):
        found = re.search(r"(\d+)/10", text)
        return int(found[1]) if found else 5

    @step
    async def high_risks(text):
        return text.count("Probability: high")

    @step
    async def report(financial_analysis, technical_analysis, market_analysis, risk_analysis):
        market = market_analysis.value if isinstance(market_analysis, Completed) else "unknown"
        return (
            f"ROI {financial_analysis.unwrap()} %, complexity {technical_analysis.unwrap()}, "
            f"market {market}, high risks {risk_analysis.unwrap()}"
        )

    panel = ForkJoinWorkflow(
        branches=(
            ParallelBranch("financial_analysis", (analyst("finance", "The ROI: 23% in two years"), roi)),
            ParallelBranch("technical_analysis", (analyst("tech", "no number given"), complexity)),
            ParallelBranch(
                "market_analysis",
                (analyst("market", "growing", ConnectionError() if market_fails else None),),
                required=False,
            ),
            ParallelBranch("risk_analysis", (analyst("risk", "Probability: high. Probability: high."), high_risks)),
        ),
        join=report,
        limits=ParallelResourceLimits(max_concurrent_executions=4),
        timeout=120,
    )
    done = watch(panel, "a new product")
    market = "unknown" if market_fails else "growing"
    assert done.outcome.value == f"ROI 23 %, complexity 5, market {market}, high risks 2"
    assert done.seconds < 0.7


FILES = ["report_january.csv", "report_february.csv", "report_march.csv", "report_april.csv"]
MD5S = [
    "c3d7d6dfb6d660624c487acc985e48ae",
    "406a33159daabbe04593d43ccb93a21e",
    "31aad3c637c9a312235d0fc8fadfd0c8",
    "3c706259109253c798088f8d5f1e8ce3",
]


def test_loop_over_files_and_the_same_as_a_parallel_map(go):
    told = []

    @step
    async def month(file):
        found = re.fullmatch(r"report_(\w+)\.csv", file)[1]
        told.append(f"Processing {found} data from {file}")
        return file

    @step
    async def digest(file):
        return {"file": file, "hash": hashlib.md5(file.encode()).hexdigest()}

    body = SequentialWorkflow(name="file", steps=(month, digest))
    state = go(LoopWorkflow(body=body, over=FILES))
    assert [entry["hash"] for entry in state] == MD5S
    assert told[1] == "Processing february data from report_february.csv"
    assert [re.search("Processing (\\w+)", line)[1] for line in told] == ["january", "february", "march", "april"]
    assert go(MapReduceWorkflow(map=body), FILES) == state


def test_counter_loops(go):
    increment = calculation("increment", lambda x: x + 1)
    assert len(go(LoopWorkflow(body=increment, while_=lambda x: x < 5, max_iterations=10), 0)) == 5

    @step
    async def add(item, last):
        return item + last

    assert go(LoopWorkflow(body=add, over=range(1, 11), carry=True, collect=Collect.LAST), 0) == 55

    seven = calculation("seven", lambda x: x + 7)
    result = go(
        LoopWorkflow(body=seven, until=lambda x: x >= 42, max_iterations=20, collect=Collect.LAST, detailed=True), 0
    )
    assert (result.value, result.iterations, result.ended) == (42, 6, "condition")

    divide = calculation("divide", lambda x: 100 / x)
    partial = go(LoopWorkflow(body=divide, over=[10, 20, 30, 0, 40, 50], on_error="stop"))
    assert partial.value == [10, 5, pytest.approx(3.3333, abs=1e-3)]
    assert partial.ended == "error"
    assert isinstance(partial.errors["divide[3]"], ZeroDivisionError)


def test_adding_until_a_thousand(go):
    values = iter([50, 150, 73, 120, 99, 101, 64, 150, 88, 112, 140, 77, 133, 59, 61, 92, 145, 111, 58, 97])
    grow = calculation("grow", lambda x: x + next(values))
    result = go(LoopWorkflow(body=grow, while_=lambda x: x < 1000, max_iterations=50, detailed=True), 0)
    assert 1000 <= result.value[-1] <= 1149
    assert result.iterations <= 20
    assert result.ended == "condition"


def test_producer_consumer_and_monitor_end_by_themselves(go):
    samples = []

    @step
    async def exchange(count, context):
        queue = context.resource(Channels).open(3)

        @step
        async def producer(_):
            for n in range(1, count + 1):
                await queue.send({"id": f"item_{n}", "data": 100 + 89 * n, "priority": 1 + n % 5})
            queue.close()

        @step
        async def consumer(_):
            processed = []
            while True:
                try:
                    item = await queue.receive()
                except EndOfChannel:
                    return processed
                await asyncio.sleep(1)
                processed.append({"original": item["data"], "processed": 2 * item["data"], "id": item["id"]})

        @step
        async def monitor(_):
            for _ in range(5):
                samples.append(len(queue))
                await asyncio.sleep(1)

        return (await context.run(ParallelWorkflow(steps=(producer, consumer, monitor)), None))[1]

    processed = go(exchange, 10)
    assert [item["id"] for item in processed] == [f"item_{n}" for n in range(1, 11)]
    assert all(item["processed"] == 2 * item["original"] for item in processed)
    assert len(samples) == 5
    assert max(samples) <= 3


def test_three_stage_hand_off(go):
    extract = Map(calculation("extract", lambda n: {"stage": "ready", "value": n}))
    transform = Map(
        calculation("transform", lambda r: r | {"stage": r["stage"] + " -> transform_ready", "value": r["value"] * 1.1})
    )
    load = Map(
        calculation(
            "load",
            lambda r: (
                r
                | {"stage": r["stage"] + " -> load_ready -> complete", "category": "high" if r["value"] > 50 else "low"}
            ),
        )
    )
    records = go(StreamingWorkflow(stages=(extract, transform, load)), [10, 30, 50, 70, 90])
    assert [r["category"] for r in records] == ["low", "low", "high", "high", "high"]
    assert [r["value"] for r in records] == pytest.approx([11, 33, 55, 77, 99])
    assert {r["stage"] for r in records} == {"ready -> transform_ready -> load_ready -> complete"}


def test_fail_fast_names_the_second_step_and_skips_the_third(watch, tmp_path):
    @step
    async def read(_):
        return (tmp_path / "missing.txt").read_text()

    third = []
    row = (calculation("add", lambda x: x + 20), read, calculation("third", third.append))
    done = watch(SequentialWorkflow(name="s", steps=row), 10)
    assert [e.output for e in done.log if e.kind == "step_completed"] == [30]
    assert isinstance(done.outcome.error, FileNotFoundError)
    assert "s/read" in "".join(done.outcome.error.__notes__)
    assert third == []


def test_continue_with_a_fallback_recovers(watch):
    def fail(x):
        raise ValueError("step 2")

    row = (
        calculation("first", lambda x: "begun"),
        calculation("second", fail, fallback=calculation("handler", lambda x: "fallback_value")),
        calculation("third", lambda x: f"Recovered from error. Previous output: {x}"),
        calculation("fourth", str.upper),
    )
    done = watch(SequentialWorkflow(name="s", steps=row, on_error="continue"), "go")
    outcomes = done.outcome.value.outcomes
    assert outcomes["third"].value == "Recovered from error. Previous output: fallback_value"
    assert outcomes["fourth"].value == "RECOVERED FROM ERROR. PREVIOUS OUTPUT: FALLBACK_VALUE"
    assert [(e.path, e.source) for e in done.log if getattr(e, "source", "run") != "run"] == [("s/second", "fallback")]


def test_retries_wait_longer_each_time(watch):
    attempts = []

    @step(idempotent=True, retry=RetryPolicy(attempts=3, wait=0.5, factor=2, jitter=0))
    async def flaky(x):
        attempts.append(x)
        if len(attempts) < 3:
            raise ConnectionError
        return f"success on attempt {len(attempts)}"

    done = watch(SequentialWorkflow(steps=(flaky, calculation("upper", str.upper))), 1)
    assert done.outcome.value == "SUCCESS ON ATTEMPT 3"
    assert [e.wait for e in done.log if isinstance(e, StepRetrying)] == [1, 2]
    assert done.seconds == pytest.approx(3)


def test_a_circuit_breaker_skips_calls_after_three_failures(go):
    called = []

    @step(breaker=CircuitBreaker(service="reference example", failures=3, reset=5))
    async def service(n):
        called.append(n)
        raise ConnectionError(f"call {n}")

    result = go(LoopWorkflow(body=service, over=range(1, 11), on_error="continue"))
    assert called == [1, 2, 3]
    errors = list(result.errors.values())
    assert [type(error) for error in errors] == [ConnectionError] * 3 + [CircuitOpen] * 7
    assert all("Circuit breaker OPEN" in str(error) for error in errors[3:])


def test_parallel_as_the_user_calls_it_is_parallel_on_the_wall_clock():
    @step
    async def slow(x):
        await asyncio.sleep(1)
        return x

    began = time.perf_counter()
    assert run_sync(ParallelWorkflow.builder("p").add_step(slow).add_step(slow).add_step(slow).build(), 1) == [1, 1, 1]
    assert time.perf_counter() - began < 2.5


def test_two_runs_of_one_workflow_at_once_share_nothing(virtually):
    @step
    async def slow(x):
        await asyncio.sleep(1)
        return x + 1

    flow = LoopWorkflow(body=slow, over=3)

    async def both():
        async def one(x):
            return await run(flow, x)

        return await asyncio.gather(one(0), one(10))

    assert virtually(both) == [[1, 2, 3], [11, 12, 13]]


def test_a_panel_of_workflows_in_workflows(go):
    inner = ParallelWorkflow(name="inner", steps=(calculation("a", lambda x: x + 1), calculation("b", lambda x: x + 2)))
    outer = ParallelWorkflow(
        name="outer",
        steps=(SequentialWorkflow(name="row", steps=(inner, calculation("sum", sum))), inner),
    )
    assert go(SequentialWorkflow(steps=(outer,)), 1) == [5, [2, 3]]
