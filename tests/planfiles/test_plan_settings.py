"""Every setting of a plan file does what it says."""

# ruff: noqa: E501  # tables are read by their rows

import json
import os
import sys
import time
from pathlib import Path

import pytest

from stretto.core.errors import (
    BranchesFailed,
    CommandFailed,
    DefinitionError,
    ExecutionError,
    MemoryExceeded,
    StepTimeout,
    UnknownSetting,
    ValueMissing,
    WrongOutputs,
)
from stretto.core.events import StepRetrying
from stretto.core.policies import ErrorMode
from stretto.planfiles import load_plan
from stretto.runtime.loop import drive
from stretto.runtime.run import run_sync, start
from tests.planfiles import plan_callables
from tests.planfiles.plan_callables import CALLS

PY = "tests.planfiles.plan_callables"


@pytest.fixture(autouse=True)
def no_calls():
    CALLS.clear()


def one(settings: str) -> str:
    return "operations: {a: {" + settings + "}}"


# run, with, inputs, outputs


def test_a_callable_takes_its_arguments_by_name(value_of):
    assert value_of(one(f"run: '{PY}:pair', with: {{left: 1, right: [a, {{b: 2}}]}}"))["a"] == [1, ["a", {"b": 2}]]
    assert value_of(one(f"run: '{PY}:pair', with: {{left: 1}}"))["a"] == [1, "default"]
    assert value_of(one(f"run: '{PY}:nothing'"))["a"] == "nothing"
    assert value_of(one(f"run: '{PY}:Holder.inside', with: {{value: 1}}"))["a"] == 2


def test_a_value_without_names_is_the_input_itself(value_of):
    assert value_of(one(f"run: '{PY}:double', with: 4"))["a"] == 8
    assert value_of(one(f"run: '{PY}:squares', with: [1, 2]"))["a"] == 6


def test_data_pass_by_reference_and_keep_their_types(value_of):
    text = f"""
    inputs: {{rows: [1, 2]}}
    operations:
      a: {{run: '{PY}:pair', with: {{left: '${{rows}}', right: '${{rows[1]}} rows'}}}}
      b: {{run: '{PY}:double', with: {{value: '${{a[0][1]}}'}}}}
    """
    data = value_of(text)
    assert data["a"] == [[1, 2], "2 rows"]
    assert data["b"] == 4
    assert value_of(text, {"rows": [5, 6]})["b"] == 12


def test_listed_inputs_are_arguments(value_of):
    data = value_of(f"inputs: {{left: 1, right: 2}}\noperations: {{a: {{run: '{PY}:pair', inputs: [left, right]}}}}")
    assert data["a"] == [1, 2]
    data = value_of("inputs: {x: 1}\noperations: {a: {run: cat, inputs: [x], with: {y: '<${x}>'}, parse: json}}")
    assert data["a"] == {"x": 1, "y": "<1>"}


def test_outputs_name_what_is_made(value_of):
    assert value_of(one(f"run: '{PY}:nothing', outputs: [b]")) == {"b": "nothing"}
    two = 'run: [echo, \'{"b": 1, "c": 2}\'], parse: json, outputs: [b, c]'
    assert value_of(one(two)) == {"b": 1, "c": 2}
    with pytest.raises(WrongOutputs):
        value_of(one(two.replace('"c"', '"d"')))


def test_reads_and_writes_put_operations_in_order(load):
    loaded = load("operations: {a: {run: 'true', writes: [f]}, b: {run: 'true', reads: [f]}}")
    assert [(edge.origin, edge.target, edge.kind) for edge in loaded.plan.edges] == [("a", "b", "raw")]


def test_a_command_line_is_split_before_its_references_are_followed(value_of):
    evil = "x; touch pwned $(touch pwned) `touch pwned` 'a b' \" -rf * \n ünï \U0001f600"
    text = """
    inputs: {x: ''}
    operations:
      a: {run: "python3 -c 'import sys, json; print(json.dumps(sys.argv[1:]))' ${x} 'q ${x}' a\\\\ b", parse: json}
      b: {run: [python3, -c, 'import sys, json; print(json.dumps(sys.argv[1:]))', '${x}', 010, 1.10, true], parse: json}
    """
    data = value_of(text, {"x": evil})
    assert data["a"] == [evil, f"q {evil}", "a b"]
    assert data["b"] == [evil, "010", "1.10", "true"]


def test_an_argument_that_no_command_can_take_is_refused(value_of):
    for bad in ("a\0b", "\ud800"):
        with pytest.raises(ExecutionError, match="operation 'a': an argument holds"):
            value_of("inputs: {x: ''}\noperations: {a: {run: [echo, '${x}']}}", {"x": bad})


def test_a_shell_only_when_it_is_asked_for(value_of):
    assert value_of(one("run: 'echo $((1 + 1)) | cat', shell: true"))["a"] == "2"
    data = value_of(
        "inputs: {x: '$(echo no)'}\noperations: {a: {run: 'echo \"$X\" ${X}', shell: true, env: {X: '${x}'}}}"
    )
    assert data["a"] == "$(echo no) $(echo no)"


# commands


def test_a_command_reads_what_stdin_says(value_of):
    text = "inputs: {x: [1, é]}\noperations: {a: {run: cat, %s}}"
    assert value_of(text % "stdin: 'text ${x}'")["a"] == 'text [1, "é"]'
    assert value_of(text % "stdin: '${x}', parse: json")["a"] == [1, "é"]
    assert value_of(text % "with: {y: '${x}'}")["a"] == '{"y": [1, "é"]}'
    assert value_of(text % "with: {y: '${x}'}, stdin: none")["a"] == ""
    assert value_of(text % "stdin: json")["a"] == "{}"


def test_parse_says_what_an_output_becomes(value_of):
    assert value_of(one("run: [printf, 'a\\n b\\n\\n']"))["a"] == "a\n b"
    assert value_of(one("run: [printf, 'a\\n b\\n\\n'], parse: lines"))["a"] == ["a", " b", ""]
    assert value_of(one("run: 'true', parse: lines"))["a"] == []
    assert value_of(one("run: [echo, '[1, null]'], parse: json"))["a"] == [1, None]
    for bad in ("x", "", "NaN", "[1] 2", "[" * 100_000):
        with pytest.raises(ExecutionError, match="operation 'a' says parse: json, but its command wrote"):
            value_of("inputs: {x: ''}\noperations: {a: {run: cat, stdin: '${x}', parse: json}}", {"x": bad})


def test_an_output_that_is_no_text_goes_on_as_it_is(value_of):
    text = r"""
    operations:
      a: {run: [printf, '\377\376 x']}
      b: {run: [od, -An, -tx1], stdin: '${a}'}
      c: {run: [printf, '\377'], parse: json}
    """
    with pytest.raises(ExecutionError, match=r"parse: json, but its command wrote '\\\\xff'"):
        value_of(text)
    assert value_of(text[: text.index("c:")])["b"].split() == ["ff", "fe", "20", "78"]


def test_a_failed_command_tells_its_status_and_the_end_of_what_it_said(value_of):
    with pytest.raises(
        CommandFailed, match=r"the command 'sh' of 'plan/a' ended with status 3: (?s:.*)\nthe end\n"
    ) as caught:
        value_of(one("run: [sh, -c, 'yes | head -c 9000 >&2; echo the end >&2; exit 3']"))
    assert caught.value.status == 3
    assert len(caught.value.stderr) <= 2000
    with pytest.raises(CommandFailed, match="killed by signal 9: it wrote nothing"):
        value_of(one("run: [sh, -c, 'kill -9 $$']"))


def test_env_is_added_and_taken_away(value_of, monkeypatch):
    monkeypatch.setenv("GONE", "there")
    text = """
    inputs: {x: 5}
    defaults: {env: {ONE: d1, TWO: d2}}
    operations: {a: {run: 'echo "$ONE $TWO $THREE ${GONE-gone}"', shell: true, env: {TWO: 02, THREE: "<${x}>", GONE: }}}
    """
    assert value_of(text)["a"] == "d1 02 <5> gone"


def test_a_command_runs_where_cwd_says(value_of, tmp_path: Path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    assert value_of(one("run: pwd"))["a"] == str(tmp_path)
    text = "inputs: {d: two}\ndefaults: {cwd: one}\noperations: {a: {run: pwd}, b: {run: pwd, cwd: '${d}'}, c: {run: pwd, cwd: /}}"
    data = value_of(text)
    assert [data[name] for name in "abc"] == [str(tmp_path / "one"), str(tmp_path / "two"), "/"]


def test_memory_holds_a_command_and_a_process(value_of):
    hungry = "run: [python3, -c, 'print(len(bytes(300_000_000)))'], memory: %s"
    assert value_of(one(hungry % "2 GiB"))["a"] == "300000000"
    with pytest.raises(CommandFailed):
        value_of(one(hungry % "100 MB"))
    with pytest.raises(MemoryExceeded):
        value_of(one(f"run: '{PY}:big', with: 900000000, isolation: process, memory: 64 MiB"))


# when, for_each, optional


def test_when_decides_and_what_is_skipped_is_absent(value_of):
    text = f"""
    inputs: {{n: 1}}
    operations:
      a: {{run: '{PY}:nothing', when: '${{n}} > 3'}}
      b: {{run: [echo, '${{a}}']}}
      c: {{run: '{PY}:whole', optional_inputs: [a, b]}}
      d: {{run: '{PY}:nothing', when: 'not exists ${{a}}'}}
      e: {{run: '{PY}:nothing', when: false}}
    """
    assert value_of(text) == {"n": 1, "c": {"a": None, "b": None}, "d": "nothing"}
    assert value_of(text, {"n": 4}) == {"n": 4, "a": "nothing", "b": "nothing", "c": {"a": "nothing", "b": "nothing"}}


def test_a_condition_that_cannot_be_decided_fails_the_plan(value_of):
    with pytest.raises(ExecutionError, match="operation 'a': its condition cannot be decided"):
        value_of("inputs: {n: x}\noperations: {a: {run: 'true', when: '${n} > 3'}}")


def test_for_each_runs_once_for_each_item(value_of):
    text = f"""
    inputs: {{rows: {{default: {{list: [a, b]}}}}, x: 7}}
    operations:
      a: {{for_each: '${{rows.list}}', run: [echo, '${{item}} ${{index}} ${{x}}']}}
      b: {{for_each: [1, '${{x}}'], run: '{PY}:double'}}
      c: {{for_each: '${{a}}', run: '{PY}:pair', with: {{left: '${{item}}'}}}}
      d: {{for_each: '${{rows.list}}', run: [echo, '{{"e": "${{item}}", "f": ${{index}}}}'], parse: json, outputs: [e, f]}}
      g: {{for_each: [], run: 'true'}}
      h: {{for_each: [1], run: '{PY}:pair', with: {{left: '${{x}}', right: '${{item}}'}}}}
    """
    data = value_of(text)
    assert data["a"] == ["a 0 7", "b 1 7"]
    assert data["b"] == [2, 14]
    assert data["c"] == [["a 0 7", "default"], ["b 1 7", "default"]]
    assert (data["e"], data["f"], data["g"], data["h"]) == (["a", "b"], [0, 1], [], [[7, 1]])


def test_for_each_over_what_is_no_list_is_an_error(value_of):
    for bad in ("text", 3, {"a": 1}):
        with pytest.raises(ExecutionError, match="runs for each item of a list, and was given"):
            value_of("inputs: {x: [1]}\noperations: {a: {for_each: '${x}', run: 'true'}}", {"x": bad})


def test_an_optional_operation_may_fail(value_of):
    assert value_of("operations: {a: {run: 'false', optional: true}, b: {run: echo}}") == {"b": ""}
    with pytest.raises(CommandFailed):
        value_of("operations: {a: {run: 'false'}, b: {run: echo}}")


# retry, timeout, cache, isolation, duration


def test_retry_tries_again_what_is_idempotent(value_of):
    text = f"run: '{PY}:flaky', with: {{times: 3}}, idempotent: true, retry: {{attempts: %d, wait: 0}}"
    assert value_of(one(text % 3))["a"] == 3
    CALLS.clear()
    with pytest.raises(ConnectionError):
        value_of(one(text % 2))


def test_retry_waits_as_it_is_told(load, written):
    text = f"run: '{PY}:flaky', with: {{times: 4}}, idempotent: true, retry: {{attempts: 4, wait: 4ms, factor: 3, max_wait: 20ms}}"

    async def waits() -> list[float]:
        async with start(load(one(text)).workflow) as running:
            pass
        return [event.wait for event in running.log if isinstance(event, StepRetrying)]

    assert [
        low <= wait <= high
        for (low, high), wait in zip([(0.006, 0.012), (0.01, 0.02), (0.01, 0.02)], drive(waits()), strict=True)
    ] == [True] * 3


@pytest.mark.parametrize(
    ("on", "tries"),
    [
        ("[ConnectionError]", 3),
        ("[OSError, timeout]", 3),
        ("[ValueError]", 1),
        ("[failure]", 1),
        (f"['{PY}:Again']", 1),
    ],
)
def test_retry_only_on_the_errors_that_it_names(value_of, on: str, tries: int):
    plan = one(f"run: '{PY}:flaky', with: {{times: 3}}, idempotent: true, retry: {{wait: 0, on: {on}}}")
    if tries == 3:
        value_of(plan)
    else:
        with pytest.raises(ConnectionError):
            value_of(plan)
    assert len(CALLS) == tries


def test_defaults_hold_for_what_does_not_say_otherwise(load):
    loaded = load(
        """
        defaults: {retry: 4, timeout: 9s, idempotent: true}
        operations:
          a: {run: 'true'}
          b: {run: 'true', idempotent: false, timeout: 2}
          c: {run: 'true', retry: 2}
        """
    )
    policies = [operation.work.policy for operation in loaded.plan.operations.values()]
    assert [(p.idempotent, p.retry.attempts if p.retry else None, p.timeout) for p in policies] == [
        (True, 4, 9), (False, None, 2), (True, 2, 9),
    ]  # fmt: skip
    assert loaded.defaults.timeout == 9


def test_timeout_bounds_one_try(value_of):
    began = time.monotonic()
    with pytest.raises(StepTimeout, match=r"0\.05 s"):
        value_of(one("run: sleep 30, timeout: 50ms"))
    with pytest.raises(StepTimeout):
        value_of(one(f"for_each: [1], run: '{PY}:forever', with: {{}}, timeout: 0.05"))
    assert time.monotonic() - began < 20


def test_cache_keeps_a_value_for_equal_inputs(value_of):
    text = one(f"for_each: [1, 1, 2], run: '{PY}:counted', with: {{value: '${{item}}'}}, cache: %s")
    assert value_of("limits: {max_concurrency: 1}\n" + text % "true")["a"] == [1, 1, 2]
    CALLS.clear()
    assert value_of("limits: {max_concurrency: 1}\n" + text % "false")["a"] == [1, 2, 3]


def test_cache_has_a_lifetime_and_a_size(load):
    for said, expected in (("true", (3600, 10_000)), ("5m", (300, 10_000)), ("{ttl: 1h, maximum: 3}", (3600, 3))):
        policy = load(one(f"run: 'true', cache: {said}")).plan.operations["a"].work.policy.cache
        assert (policy.ttl, policy.maximum) == expected


def test_isolation_says_where_a_function_runs(value_of):
    assert value_of(one(f"run: '{PY}:where'"))["a"] == os.getpid()
    assert value_of(one(f"run: '{PY}:where', isolation: process"))["a"] != os.getpid()


def test_a_step_with_settings_of_its_own_keeps_them_unless_the_file_says_otherwise(value_of):
    assert value_of(one(f"run: '{PY}:decorated', with: {{value: 2}}"))["a"] == 2
    CALLS.clear()
    with pytest.raises(ValueError, match="again"):
        value_of(one(f"run: '{PY}:decorated', with: {{value: 3}}"))
    CALLS.clear()
    assert value_of(one(f"run: '{PY}:decorated', with: {{value: 3}}, retry: {{attempts: 3, wait: 0}}"))["a"] == 3
    assert plan_callables.decorated.policy.retry.attempts == 2


def test_duration_and_descriptions_are_for_planning(load):
    loaded = load("name: n\ndescription: d\noperations: [{id: a, run: 'true', duration: 2m, description: says}]")
    assert loaded.plan.estimate().makespan == 120
    assert (loaded.name, loaded.description, loaded.descriptions) == ("n", "d", {"a": "says"})
    assert load(one("run: 'true'")).name == "plan"


# the plan


def test_limits_bound_the_plan(load, value_of):
    loaded = load(
        """
        limits: {max_concurrency: 3, timeout: 1m, operation_timeout: 30s, cancellation_timeout: 0,
                 memory_per_operation: 1 MiB, total_memory: 10 MB}
        operations: {a: {run: 'true'}}
        """
    )
    limits = loaded.workflow.limits
    assert (limits.max_concurrent_executions, limits.execution_timeout, limits.cancellation_timeout) == (3, 30, 0)
    assert (limits.max_memory_per_branch, limits.max_total_memory, loaded.workflow.timeout) == (2**20, 10**7, 60)
    with pytest.raises(StepTimeout, match="workflow"):
        value_of("limits: {timeout: 50ms}\n" + one("run: sleep 30"))
    with pytest.raises(StepTimeout, match="branch"):
        value_of("limits: {operation_timeout: 50ms}\n" + one("run: sleep 30"))


def test_for_each_keeps_to_the_limits_of_the_plan(load):
    loaded = load("limits: {max_concurrency: 3}\nerror_mode: fail_slow\n" + one("for_each: [1], run: 'true'"))
    each = loaded.workflow.children()["a"]
    assert (each.limits.max_concurrent_executions, each.mode) == (3, ErrorMode.FAIL_SLOW)


def test_error_mode_says_whether_the_others_go_on(value_of):
    text = "operations: {a: {run: 'false'}, b: {run: 'false'}}"
    with pytest.raises(BranchesFailed):
        value_of("error_mode: fail_slow\n" + text)
    with pytest.raises(CommandFailed):
        value_of("error_mode: fail_fast\n" + text)


def test_inputs_have_types_and_defaults(load):
    text = """
    inputs:
      a: {type: string, description: what}
      b: {type: integer, default: 3}
      c: {type: number, default: 1.5}
      d: [1]
      e:
      f: {type: mapping, default: {x: 1}}
    operations: {o: {run: 'true', inputs: [a]}}
    """
    loaded = load(text)
    assert loaded.given == {"b": 3, "c": 1.5, "d": [1], "f": {"x": 1}}
    assert [name for name, one in loaded.inputs.items() if one.required] == ["a", "e"]
    assert load(text, {"a": "x"}).given["a"] == "x"
    for bad, told in (
        ({"a": 1}, "type string, not 1"),
        ({"b": True}, "type integer"),
        ({"f": []}, "type mapping, not a list"),
    ):
        with pytest.raises(DefinitionError, match=told):
            load(text, bad)
        with pytest.raises(DefinitionError, match=told):
            run_sync(loaded.workflow, {"a": "x", **bad})
    with pytest.raises(UnknownSetting, match="takes no 'z'"):
        load(text, {"z": 1})
    with pytest.raises(DefinitionError, match="needs 'a'"):
        run_sync(loaded.workflow)


def test_a_path_that_is_not_there_at_run_time_names_the_operation(value_of):
    with pytest.raises(
        ValueMissing, match=r"operation 'b' refers to \$\{a.rowz\}, but a has no 'rowz'; it holds rows; did you mean"
    ):
        value_of("operations: {a: {run: [echo, '{\"rows\": 1}'], parse: json}, b: {run: [echo, '${a.rowz}']}}")


def test_a_module_beside_the_plan_file_is_found(value_of, tmp_path: Path):
    (tmp_path / "beside_the_plan.py").write_text("def f(x):\n    import later_beside\n    return [x, later_beside.Y]\n")
    (tmp_path / "later_beside.py").write_text("Y = 1\n")
    before = list(sys.path)
    assert value_of(one("run: 'beside_the_plan:f', with: {x: 1}"))["a"] == [1, 1]
    assert sys.path == [*before, str(tmp_path)]
    sys.path.remove(str(tmp_path))


def test_a_changed_operation_has_another_version(load):
    def version(settings: str) -> str:
        return load(one(settings)).plan.operations["a"].work.policy.version

    assert version("run: echo a") == version("run: echo  a")
    assert (
        len(
            {
                version(said)
                for said in (
                    "run: echo a",
                    "run: echo b",
                    "run: echo a, stdin: x",
                    "run: echo a, env: {X: 1}",
                    f"run: '{PY}:nothing'",
                )
            }
        )
        == 5
    )


def test_json_is_read_as_well(written, tmp_path: Path):
    text = json.dumps({"operations": [{"id": "a", "run": ["echo", "\U0001f600\t${x}"]}], "inputs": {"x": "é/"}})
    path = written(text.replace("/", "\\/"), "plan.json")
    assert run_sync(load_plan(path).workflow)["a"] == "\U0001f600\té/"
