import html as markup
import json
import re
import xml.etree.ElementTree as ElementTree

from hypothesis import given, settings
from hypothesis import strategies as st

from stretto.core.function import step
from stretto.planning.draw import MOST_DRAWN
from stretto.planning.operation import Operation
from stretto.planning.plan import analyze_dependencies
from tests.planning.samples import operations_of_a_dag

HOSTILE = ('say "hi"', "<b>&amp;<b>", "back\\slash\\N", "größe→漢字", "a|b]--x{y}", "end", "#35;", "`x`")


def survey():
    return analyze_dependencies(
        [
            Operation(id="users", outputs=("users",), duration=2),
            Operation(id="symbols", inputs=("repository",), outputs=("symbols",), duration=3, operation_type="mcp"),
            Operation(id="report", inputs=("users", "symbols"), outputs=("report",), writes=("report.md",), duration=1),
            Operation(id="mail", reads=("report.md",), when=lambda inputs: True, duration=1),
        ],
        given=("repository",),
    )


def hostile():
    names = [Operation(id=name, outputs=(name,), writes=(f"</{name}>",)) for name in HOSTILE]
    return analyze_dependencies(
        [*names, Operation(id="all", inputs=HOSTILE, reads=tuple(f"</{name}>" for name in HOSTILE))]
    )


def wide(count):
    return analyze_dependencies(
        [
            *(Operation(id=f"o{n}", outputs=(f"d{n}",)) for n in range(count)),
            Operation(id="all", inputs=tuple(f"d{n}" for n in range(count))),
        ]
    )


def test_a_small_plan_is_explained_whole():
    assert survey().explain() == (
        "4 operations in 3 batches, up to 2 at once\n"
        "Given: repository\n"
        "3 dependencies: 2 for data, 1 to read after a write\n"
        "\n"
        "Batches (each needs only those above it)\n"
        "  1  users · symbols\n"
        "  2  report\n"
        "  3  mail\n"
        "\n"
        "Why this order\n"
        "  users → report    'report' needs 'users', which 'users' produces\n"
        "  symbols → report  'report' needs 'symbols', which 'symbols' produces\n"
        "  report → mail     'mail' reads 'report.md' after 'report' has written it\n"
        "\n"
        "Critical path (5 s)\n"
        "  symbols → report → mail\n"
        "\n"
        "Estimate\n"
        "  7 s one after another, 5 s with 10 at a time (1.4 × faster); never below 5 s\n"
    )


def test_an_explanation_with_other_slots_estimates_for_them():
    assert "7 s with 1 at a time (1 × faster); never below 7 s" in survey().explain(slots=1)


def test_one_operation_and_none_are_explained_in_the_right_number():
    single = analyze_dependencies([Operation(id="a")]).explain()
    assert single.startswith("1 operation in 1 batch\n")
    assert "(no duration is known; each counts as 1 s: say duration=)" in single
    assert analyze_dependencies([]).explain().startswith("0 operations in 0 batches\n")


def test_some_unknown_durations_are_told():
    plan = analyze_dependencies([Operation(id="a", duration=2000), Operation(id="b")])
    assert "(1 durations are unknown; each counts as 1 s: say duration=)" in plan.explain()
    assert "2,001 s one after another" in plan.explain()


def test_a_big_plan_is_cut_and_says_so():
    chain = [Operation(id="o0", outputs=("d0",))]
    chain += [Operation(id=f"o{n}", inputs=(f"d{n - 1}",), outputs=(f"d{n}",)) for n in range(1, 100)]
    text = analyze_dependencies(chain).explain()
    assert "… and 70 more batches" in text
    assert "… and 69 more; explain(limit=None) tells them all" in text
    assert "→ … and 70 more" in text
    text = wide(500).explain()
    assert "… and 470 more" in text
    assert max(map(len, text.splitlines())) <= 110


def test_without_a_limit_everything_is_told():
    text = wide(200).explain(limit=None)
    assert "more" not in text
    assert all(f"'d{n}', which 'o{n}' produces" in text for n in range(200))


def test_advice_is_told_and_cut_like_everything_else():
    plan = analyze_dependencies(
        [Operation(id=f"o{n}", step=step(timeout=1)(str), duration=2) for n in range(40)], given=("unused",)
    )
    assert len(plan.advice) == 41
    text = plan.explain()
    assert "\nAdvice\n  'o0' is expected to take 2 s and is given 1 s; raise its timeout\n" in text
    assert text.endswith("  … and 11 more\n")
    assert "'unused' of the plan's input" in plan.explain(limit=None)


def test_the_json_form_is_the_documented_one():
    plan = survey()
    assert plan.to_json() == {
        "operations": ["users", "symbols", "report", "mail"],
        "types": {id: operation.operation_type.value for id, operation in plan.operations.items()},
        "durations": {id: operation.seconds for id, operation in plan.operations.items()},
        "batches": [["users", "symbols"], ["report"], ["mail"]],
        "edges": [
            {
                "from": edge.origin, "to": edge.target, "kind": edge.kind, "about": list(edge.about),
                "because": edge.because,
            }
            for edge in plan.edges
        ],
        "critical_path": ["symbols", "report", "mail"],
        "estimate": vars(plan.estimate()),
    }  # fmt: skip
    assert json.loads(json.dumps(plan.to_json(slots=2)))["estimate"]["slots"] == 2


def test_mermaid_shows_types_conditions_conflicts_and_the_critical_path():
    assert survey().to_mermaid() == (
        "flowchart LR\n"
        '    n0["users"]\n'
        '    n1[("symbols")]\n'
        '    n2["report"]\n'
        '    n3["mail ?"]\n'
        '    n0 -->|"users"| n2\n'
        '    n1 ==>|"symbols"| n2\n'
        '    n2 -.->|"raw report.md"| n3\n'
        "    classDef critical stroke-width:3px\n"
        "    class n1,n2,n3 critical\n"
    )
    assert analyze_dependencies([]).to_mermaid() == "flowchart LR\n"
    assert (
        '["a × each of files"]'
        in analyze_dependencies([Operation(id="a", for_each="files")], given=["files"]).to_mermaid()
    )


def test_dot_shows_the_same():
    assert survey().to_dot() == (
        "digraph plan {\n"
        "    rankdir=LR;\n"
        '    node [shape=box, fontname="sans-serif"];\n'
        '    n0 [label="users", shape=box];\n'
        '    n1 [label="symbols", shape=cylinder, style=bold];\n'
        '    n2 [label="report", shape=box, style=bold];\n'
        '    n3 [label="mail ?", shape=box, style=bold];\n'
        '    n0 -> n2 [label="users"];\n'
        '    n1 -> n2 [label="symbols", style=bold];\n'
        '    n2 -> n3 [label="raw report.md", style=dashed];\n'
        "}\n"
    )


def check_mermaid(plan):
    lines = plan.to_mermaid().splitlines()
    safe = r'"(?:[\w .,:/?×-]|#\d+;)*"'
    node = re.compile(rf"    n\d+(?:\[|\(\[|\{{\{{|\[\(|\[\[){safe}(?:\]|\]\)|\}}\}}|\)\]|\]\])")
    edge = re.compile(rf"    n\d+ (?:-->|==>|-\.->)(?:\|{safe}\|)? n\d+")
    assert lines[0] == "flowchart LR"
    assert sum(bool(node.fullmatch(line)) for line in lines) == len(plan.operations)
    assert sum(bool(edge.fullmatch(line)) for line in lines) == len(plan.edges)
    assert len(lines) == 1 + len(plan.operations) + len(plan.edges) + 2


def check_dot(plan):
    lines = plan.to_dot().splitlines()
    text = r'"(?:[^"\\]|\\["\\])*"'
    node = re.compile(rf"    n\d+ \[label={text}, shape=\w+(?:, style=bold)?\];")
    edge = re.compile(rf"    n\d+ -> n\d+ \[label={text}(?:, style=\w+)?\];")
    assert sum(bool(node.fullmatch(line)) for line in lines) == len(plan.operations)
    assert sum(bool(edge.fullmatch(line)) for line in lines) == len(plan.edges)
    assert len(lines) == 4 + len(plan.operations) + len(plan.edges)


def test_hostile_names_stay_names_in_every_drawing():
    plan = hostile()
    check_mermaid(plan)
    check_dot(plan)
    drawn = plan._repr_html_()
    svg = ElementTree.fromstring(drawn[: drawn.index("<details>")])
    titles = [title.text for title in svg.iter("{http://www.w3.org/2000/svg}title")]
    assert set(HOSTILE) <= set(titles)
    assert "<b>" not in drawn


@given(
    st.lists(
        st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="/"), min_size=1),
        unique=True,
        min_size=1,
    )
)
@settings(max_examples=60, deadline=None)
def test_any_name_can_be_drawn(names):
    plan = analyze_dependencies([Operation(id=name, outputs=(name,), writes=("one resource",)) for name in names])
    check_mermaid(plan)
    check_dot(plan)


@given(operations_of_a_dag(most=8))
@settings(max_examples=60, deadline=None)
def test_a_small_plan_names_every_operation_and_every_edge(operations):
    plan = analyze_dependencies(operations)
    text = plan.explain(limit=None)
    assert all(edge.because in text for edge in plan.edges)
    assert all(re.search(rf"\b{id}\b", text) for id in plan.operations)


def test_a_notebook_shows_a_drawing_and_the_explanation():
    shown = survey()._repr_html_()
    assert shown.startswith("<svg")
    assert "<title>&#x27;report&#x27; needs &#x27;users&#x27;, which &#x27;users&#x27; produces</title>" in shown
    assert survey().explain() in markup.unescape(shown)
    assert "http://" not in shown.replace("http://www.w3.org/2000/svg", "")
    assert survey()._repr_markdown_() == f"```mermaid\n{survey().to_mermaid()}```\n"


def test_a_long_name_is_cut_in_the_drawing_and_whole_in_its_title():
    shown = analyze_dependencies([Operation(id="x" * 60)])._repr_html_()
    assert f">{'x' * 23}…</text>" in shown
    assert f"<title>{'x' * 60}</title>" in shown


def test_a_notebook_shows_a_big_plan_and_an_empty_one_in_words():
    assert wide(MOST_DRAWN)._repr_html_().startswith("<pre>101 operations")
    assert analyze_dependencies([])._repr_html_().startswith("<pre>0 operations")
