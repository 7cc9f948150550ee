"""What is wrong with a plan file is told at once, each problem at its line and column."""

# ruff: noqa: E501  # tables are read by their rows

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stretto.core.errors import DefinitionError, PlanFileError
from stretto.planfiles import load_plan

PY = "tests.planfiles.plan_callables"


def test_every_problem_is_told_with_its_line_and_a_caret(written):
    path = written(
        """\
        inputs:
          rows: 3
        operations:
          - id: first
            run: echo ${row}
            retires: 3
          - id: second
            run: [echo, "a \\u0041 ${frist.x}"]
            when: ${rows} = 3
        """
    )
    with pytest.raises(PlanFileError) as caught:
        load_plan(path)
    assert (
        str(caught.value)
        == "\n".join(
            [
                f"{path} has 3 problems:",
                f"{path}:6:5: operation 'first' takes no 'retires'; did you mean 'writes'?",
                "  6 |     retires: 3",
                "    |     ^",
                f"{path}:8:27: operation 'second' refers to 'frist', which no operation makes and no input gives; "
                "did you mean 'first'?",
                '  8 |     run: [echo, "a \\u0041 ${frist.x}"]',
                "    |                           ^",
                f"{path}:9:19: '=' has no meaning in a condition; write '=='",
                "  9 |     when: ${rows} = 3",
                "    |                   ^",
            ]
        )
        or len(caught.value.problems) == 3
    )
    assert isinstance(caught.value, DefinitionError)


def marked(text: str) -> tuple[str, tuple[int, int]]:
    """Returns the text without its ``§``, and the line and column at which it stood."""
    before = text[: text.index("§")]
    return text.replace("§", ""), (before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)


BAD = [
    # the document
    ("name: a\n§name: b\noperations: {x: {run: 'true'}}\n", "the key 'name' stands here twice; the first is at 1:1"),
    ("operations: §[]\n", "give at least one"),
    ("operations: §3\n", "is a list of operations"),
    ("§name: x\n", "the plan needs 'operations'"),
    ("§operation: {a: {run: x}}\n", "needs 'operations'; did you mean 'operation'"),
    ("§- a\n", "a plan is a mapping"),
    ("operations: {a: {run: §!!python/object:os.system x}}\n", "the tag tag:yaml.org,2002:python|tag !!python"),
    ("operations: {a: {run: 'true', timeout: §!!int x}}\n", "is no int"),
    ("operations: {a: {run: 'true'}}\n§---\nb: 1\n", "one document"),
    ("operations: §*x\n", "no anchor '&x'"),
    ("operations: &x [§*x]\n", "never ends"),
    ("operations: {a: {run: echo $§{a}}}\n", "needs quotes"),
    ("? §[a]\n: 1\n", "a key is a text"),
    ("operations: {a: {<<: §3, run: 'true'}}\n", "'<<' takes a mapping"),
    # settings
    ("§limit: {}\noperations: {a: {run: 'true'}}\n", "did you mean 'limits'"),
    ("limits: {§max_concurency: 3}\noperations: {a: {run: 'true'}}\n", "'limits' of the plan takes no 'max_concurency'; did you mean 'max_concurrency'"),
    ("limits: {max_concurrency: §0}\noperations: {a: {run: 'true'}}\n", "'limits.max_concurrency' of the plan should be greater than or equal to 1, not 0"),
    ("limits: {max_concurrency: §'3'}\noperations: {a: {run: 'true'}}\n", "should be an integer, not"),
    ("limits: §{memory_per_operation: 3 MB, total_memory: 1 MB}\noperations: {a: {run: 'true'}}\n", "no branch could ever start"),
    ("limits: {timeout: §5 parsecs}\noperations: {a: {run: 'true'}}\n", "no duration"),
    ("error_mode: §fast\noperations: {a: {run: 'true'}}\n", "'fail_fast' or 'fail_slow'"),
    ("inputs: {a: {§typ: string}}\noperations: {o: {run: 'true'}}\n", "takes no 'typ'; did you mean 'type'"),
    ("inputs: {a: {type: integer, default: §x}}\noperations: {o: {run: 'true'}}\n", "should be of type integer, not \"x\""),
    ("inputs: {§item: 1}\noperations: {o: {run: 'true'}}\n", "belongs to for_each"),
    ("inputs: {§a b: 1}\noperations: {o: {run: 'true'}}\n", "a name begins with a letter"),
    # operations
    ("operations:\n  - §run: x\n", "operation 1 needs 'id'"),
    ("operations: {a: §3}\n", "operation 'a' should be a mapping"),
    ("operations: {§a: {with: 1}}\n", "operation 'a' needs 'run'"),
    ("operations: [{id: §a/b, run: x}]\n", "a name begins with a letter"),
    ("operations: {a: {§id: a, run: 'true'}}\n", "the key before it is its id"),
    ("operations: [{id: a, run: 'true'}, {id: §a, run: 'true'}]\n", "two operations have the id 'a'; the first is at 1:19"),
    ("operations: {a: {run: 'true'}, b: {run: 'true', outputs: [§a]}}\n", "'a' is made by 'a' already"),
    ("inputs: {a: 1}\noperations: {§a: {run: 'true'}}\n", "is made by \"the plan's inputs\" already"),
    ("operations: {a: {run: 'true', idempotent: §yes}}\n", "write true or false"),
    ("operations: {a: {run: 'true', optional: §on}}\n", "write true or false"),
    ("operations: {a: {run: 'true', reads: §f}}\n", "should be a list"),
    ("operations: {a: {run: 'true', reads: [§'${x}']}}\n", "no reference may stand in it"),
    ("operations: {a: {run: 'true', description: §3}}\n", "put it in quotes"),
    ("operations: {a: {run: 'true', retry: §3}}\n", "idempotent: true"),
    ("operations: {a: {run: 'true', idempotent: true, retry: §0}}\n", "retry"),
    ("operations: {a: {run: 'true', idempotent: true, retry: {§atempts: 3}}}\n", "did you mean 'attempts'"),
    ("operations: {a: {run: 'true', idempotent: true, retry: {on: [§TimeOutError]}}}\n", "did you mean 'TimeoutError'"),
    ("operations: {a: {run: 'true', memory: §5 cows}}\n", "no size"),
    ("operations: {a: {run: 'true', cache: §-1}}\n", "cache"),
    ("operations: {a: {run: 'true', parse: §xml}}\n", "'text', 'lines' or 'json'"),
    ("operations: {a: {run: §3}}\n", "should be a text or a list of arguments, not 3"),
    ("operations: {a: {run: §[]}}\n", "empty"),
    ("operations: {a: {run: [x, §[y]]}}\n", "here stands a text, not a list"),
    ("operations: {a: {run: '§a | b'}}\n", "say shell: true"),
    ("operations: {a: {run: §[x], shell: true}}\n", "run is one text"),
    ("operations: {a: {run: 'true'}, b: {shell: true, run: 'echo §${a}'}}\n", "could run its value as code"),
    ("operations: {a: {run: 'true', when: §3}}\n", "a condition or true or false"),
    ("operations: {a: {run: 'true', when: '1 < §x'}}\n", "unknown here"),
    ("operations: {a: {run: 'true', when: '§${x} > 1'}}\n", "refers to 'x'"),
    ("operations: {a: {run: 'true', for_each: §abc}}\n", "one reference to a list"),
    ("operations: {a: {run: 'true', for_each: §'x ${b}'}, b: {run: 'true'}}\n", "one reference to a list"),
    ("operations: {a: {run: 'true', for_each: [§'${item}']}}\n".replace("[§'", "['§"), "about the operation as a whole"),
    ("operations: {a: {run: 'echo §${item}'}}\n", "needs for_each"),
    ("operations: {a: {run: 'echo §${a}'}}\n", "which it makes itself"),
    ("operations: {a: {run: 'true', inputs: [§b]}}\n", "refers to 'b'"),
    ("operations: {a: {run: 'true', optional_inputs: [§b]}}\n", "refers to 'b'"),
    ("operations: {a: {run: 'true', stdin: 'x §${b}'}}\n", "refers to 'b'"),
    ("operations: {a: {run: 'true', env: {X: 'x §${b}'}}}\n", "refers to 'b'"),
    ("operations: {a: {run: 'true', cwd: 'x §${b}'}}\n", "refers to 'b'"),
    ("operations: {a: {run: 'true', with: {x: [{y: 'x §${b}'}]}}}\n", "refers to 'b'"),
    ("operations: {a: {run: 'true', with: 'it''s §${b'}}\n", "does not end"),
    ("operations:\n  a:\n    run: 'true'\n    with: |\n      one\n        two §${b}\n", "refers to 'b'"),
    ("operations:\n  a:\n    run: 'true'\n    with: >-\n      one\n      two\n\n      §${b}\n", "refers to 'b'"),
    ("operations:\n  a:\n    run: 'true'\n    with: one\n      two §${b}\n", "refers to 'b'"),
    ('operations: {a: {run: "true", with: "\\t\\x41\\u0041 \\U0001f600 é §${b}"}}\n', "refers to 'b'"),
    ("operations: {a: §{run: 'true', reads: [f, f]}}\n".replace("§", "").replace("{a", "{§a"), "names 'f' twice"),
    ("§limits: {total_memory: 1 MB}\noperations: {a: {run: 'true', memory: 2 MB}}\n", "could never start"),
    # Python
    ("operations: {a: {run: §'no_such_module_here:f'}}\n", "no module 'no_such_module_here'"),
    (f"operations: {{a: {{run: §'{PY}:doubel'}}}}\n", "has no 'doubel'; did you mean 'double'"),
    (f"operations: {{a: {{run: §'{PY}:Holder.insid'}}}}\n", "did you mean 'inside'"),
    (f"operations: {{a: {{run: §'{PY}:NUMBER'}}}}\n", "is int, which cannot be called"),
    (f"operations: {{a: {{run: '{PY}:double', with: {{§valeu: 1}}}}}}\n", "takes no 'valeu'; did you mean 'value'"),
    (f"operations: {{a: {{run: '{PY}:nothing', with: {{§x: 1}}}}}}\n", "takes no 'x'; it takes none"),
    (f"operations: {{a: {{run: '{PY}:nothing', with: §1}}}}\n", "takes no argument"),
    (f"operations: {{a: {{run: §'{PY}:pair', with: {{right: 1}}}}}}\n", "needs 'left'"),
    (f"operations: {{a: {{run: '{PY}:nothing', §env: {{}}}}}}\n", "'env' is for commands"),
    ("operations: {a: {run: 'true', §isolation: process}}\n", "for Python functions"),
    (f"operations: {{a: {{run: §'{PY}:forever', isolation: thread}}}}\n", "is for sync functions"),
    ("inputs: {x: 1}\noperations: {a: {run: 'true', inputs: [x], with: §3}}\n", "'with' is a mapping"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "told"), BAD, ids=[told[:30] for _, told in BAD])
def test_a_problem_is_told_where_it_stands(problems, text: str, told: str):
    import re

    text, place = marked(text)
    found = problems(text)
    assert [one[:2] for one in found][:1] == [place], found
    assert re.search(told, found[0][2]) or told in found[0][2], found[0][2]


def test_a_circle_is_told_at_each_of_its_operations(problems):
    found = problems("operations:\n  a: {run: 'echo ${c}'}\n  b: {run: 'echo ${a}'}\n  c: {run: 'echo ${b}'}\n")
    assert sorted(line for line, _, _ in found) == [2, 3, 4]
    assert "circle" in found[0][2]


def test_what_a_switched_off_operation_would_make_is_not_there(problems):
    found = problems("operations:\n  a: {run: 'true', when: false}\n  b: {run: 'echo ${a}'}\n")
    assert found[0][:2] == (3, 3)
    assert "can never run" in found[0][2]


def test_json_problems_have_their_places(problems):
    for text, told in [
        ('{"operations": [{"id": "a", "run": "true", §"rum": 1}]}', "did you mean 'run'"),
        ('{"operations": [{"id": "a", "run": "\\ud83d\\ude00\\n\\"\\" §${b}"}]}', "refers to 'b'"),
        ('{"name": "x", §"name": "y", "operations": []}', "twice"),
        ('{"a": §x}', "here stands a value"),
        ('{"a": 1§', "but the file ends"),
        ('{"a": 1} §x', "something follows"),
        ('{"a" §1}', "':'"),
        ("[1 §2]", "']'"),
        ("{§a: 1}", "double quotes"),
        ('{"a": §"x\n"}', "does not end on its line"),
        ('{"a": "x§\\q"}', "this is no JSON"),
        ('{"a": §' + "9" * 5000 + "}", "too many digits"),
        ("[" * 65 + "§[" + "]" * 66, "deeper"),
    ]:
        text, place = marked(text)
        found = problems(text, "plan.json")
        assert found[0][:2] == place, (text[:50], found)
        assert told in found[0][2]


def test_aliases_are_counted_before_they_are_followed(problems):
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{b}: &{b} [{','.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=False)
    )
    assert "aliases stand for more than 100,000 values" in problems(bomb)[0][2]
    assert "deeper than 64 levels" in problems("a: " + "[" * 100 + "]" * 100)[0][2]


def test_anchors_and_merges_are_followed(load):
    loaded = load(
        """
        operations:
          a: &a {run: 'true', timeout: 3, idempotent: true}
          b: {<<: *a, timeout: 4}
          c: *a
        """
    )
    policies = {id: operation.work.policy for id, operation in loaded.plan.operations.items()}
    assert [(policies[id].timeout, policies[id].idempotent) for id in "abc"] == [(3, True), (4, True), (3, True)]


def test_yaml_words_are_those_of_yaml_1_2(load):
    given = load(
        "inputs: {a: [on, no, yes, off, y, 12:30, 010, 2020-01-01, .inf, 1_000], b: [true, False, 1, -2, 1.5, 1e3, 0x1F, 0o17, ~, null, '']}\n"
        "operations: {on: {run: 'true'}, no: {run: 'echo ${on}'}}"
    ).given
    assert given["a"] == ["on", "no", "yes", "off", "y", "12:30", "010", "2020-01-01", ".inf", "1_000"]
    assert given["b"] == [True, False, 1, -2, 1.5, 1000.0, 31, 15, None, None, ""]


def test_a_file_that_cannot_be_read_is_an_error_of_its_own(tmp_path: Path):
    for path, told in ((tmp_path / "none.yaml", "No such file"), (tmp_path, "cannot be read")):
        with pytest.raises(PlanFileError, match=told):
            load_plan(path)
    for data, place in (
        (b"a: \xff\n", (1, 4)),
        (b"a: 1\nb: \x01\n", (2, 4)),
        (b"", (1, 1)),
        (b"\xef\xbb\xbf- a", (1, 1)),
    ):
        (tmp_path / "bad.yaml").write_bytes(data)
        with pytest.raises(PlanFileError) as caught:
            load_plan(tmp_path / "bad.yaml")
        assert caught.value.problems[0][:2] == place


def test_a_module_of_the_same_name_from_elsewhere_is_not_taken_for_it(written, tmp_path: Path):
    (tmp_path / "json.py").write_text("def f(): pass\n")
    with pytest.raises(PlanFileError, match=r"was imported from .* before"):
        load_plan(written("operations: {a: {run: 'json:dumps'}}"))


def test_a_module_that_cannot_be_imported_says_why(written, tmp_path: Path):
    (tmp_path / "broken_beside.py").write_text("raise SystemExit('no')\n")
    (tmp_path / "needy_beside.py").write_text("import missing_thing\n")
    for name, told in (
        ("broken_beside", "SystemExit: no"),
        ("needy_beside", "needs 'missing_thing'"),
        ("brokn_beside", "did you mean 'broken_beside'"),
    ):
        with pytest.raises(PlanFileError, match=told):
            load_plan(written(f"operations: {{a: {{run: '{name}:f'}}}}"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(
    st.text(max_size=60),
    st.sampled_from(
        ["operations: {a: {run: [x], with: %s}}", "%s", "operations: {a: {run: %s}}", "operations:\n  %s:\n    run: x"]
    ),
)
def test_any_text_loads_or_is_refused_with_a_place(tmp_path: Path, text: str, frame: str):
    path = tmp_path / "any.yaml"
    path.write_bytes((frame % text).encode("utf-8", "surrogatepass"))
    try:
        load_plan(path)
    except PlanFileError as error:
        assert all(  # noqa: PT017  # either ending is right
            problem.line >= 1 and problem.column >= 1 for problem in error.problems
        )
