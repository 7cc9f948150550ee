"""People who allow things from another terminal, in place, before and after the process that asks was killed."""

import json
import os
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest

from stretto.cli.exits import Exit
from stretto.cli.requests import (
    deadline_of,
    find_request,
    form_of,
    lines_of,
    prompt_of,
    read_edit,
    read_form,
    read_reply,
    time_left,
)
from stretto.core.codec import encode
from stretto.core.errors import DefinitionError, StoreError
from stretto.core.events import Asked, RunStarted, StepStarted
from stretto.core.journal import Line
from stretto.runtime.loop import drive
from stretto.stores.sql import SqlStore

PATIENCE = 60.0

PEOPLE = '''
from stretto.agents.validation import Approvals, ApprovalSettings, Proposal
from stretto.tools.user_question import UserQuestionTool

SETTINGS = ApprovalSettings(mode="manual")


@step(idempotent=True)
async def call(n, context):
    """Has a call allowed, and says what came of it."""
    proposal = Proposal(type="tool", name="delete", operation=f"lead wants to delete {n}", risk="high", agent_id="lead",
                        arguments={"path": f"{n}.txt", "text": "one\\n\\x1b[31mtwo"})
    verdict = await Approvals(SETTINGS).validate(context, proposal)
    return [verdict.approved, verdict.arguments["path"], verdict.reason, verdict.by]


@step(idempotent=True)
async def goes_on(x):
    print("went on", flush=True)
    return "went on"


@step(idempotent=True)
async def several(names, context):
    async with context.branches() as branches:
        for name in names:
            await branches.start(call, name, name=f"call_{name}")
        await branches.start(goes_on, None)
    return [outcome.unwrap() for outcome in branches.outcomes]


@step(idempotent=True)
async def hurried(x, context):
    request = Request(question="quick?", timeout=float(x), default="reject", topic="approval", risk="low")
    answer = await context.ask(request)
    return [answer.choice, answer.by]


@step
async def form(x, context):
    said = await context.run(UserQuestionTool(), x)
    return [said["selected"], said["text"]] if said["success"] else said["outcome"]
'''


@pytest.fixture
def people(flow):
    flow.write_text(flow.read_text() + PEOPLE)
    return flow


def until(condition):
    """Waits for another process; the clock only bounds how long a broken test takes."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come to that")


def asked_on_disk(number):
    with closing(sqlite3.connect(os.environ["STRETTO_DATABASE"])) as database:
        sql = "SELECT count(DISTINCT path) FROM event WHERE kind = 'asked'"
        until(lambda: database.execute(sql).fetchone()[0] >= number)


def listed(stretto, *words):
    return json.loads(stretto("approvals", *words, "--json").stdout)


def output(process):
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == Exit.OK, err
    return json.loads(out.strip().splitlines()[-1])


def begin(spawn, flow, name, given, *words):
    return spawn("run", f"{flow}:{name}", "-i", json.dumps(given), "--run-id", "mine", "-q", *words)


def test_two_approvals_are_answered_in_any_order_while_a_third_branch_goes_on(spawn, stretto, people):
    process = begin(spawn, people, "several", ["a", "b"])
    asked_on_disk(2)
    assert process.stdout.readline() == "went on\n"
    first, second = listed(stretto)
    assert (first["request_id"], first["run_id"], first["agent_id"], first["risk"], first["live"]) == (
        "several/call_a?1", "mine", "lead", "high", True,
    )  # fmt: skip
    assert first["operation"] == "lead wants to delete a"
    assert first["arguments"]["path"] == "a.txt"
    assert first["asked_at"] <= second["asked_at"] <= time.time()
    assert (first["deadline"], first["default"], first["topic"]) == (None, None, "approval")
    shown = stretto("approvals", "mine").stdout
    assert "approval · risk high" in shown
    assert f"stretto approve mine {shlex.quote('several/call_a?1')}" in shown
    assert "\x1b[31m" not in shown
    unnamed = stretto("approve", "mine")
    assert unnamed.exit_code == Exit.STORE
    assert "asks 2 questions; name one of" in unnamed.stderr
    rejected = stretto("reject", "mine", "several/call_b", "--reason", "not on Fridays", "--by", "bob")
    assert rejected.exit_code == Exit.OK, rejected.stderr
    assert "rejected: lead wants to delete b (several/call_b?1 of run mine)" in rejected.stdout
    assert [one["request_id"] for one in listed(stretto)] == ["several/call_a?1"]
    twice = stretto("approve", "mine", "several/call_b?1")
    assert "is no open question" in twice.stderr
    assert stretto("approve", "mine", "--by", "ann", "--reason", "fine").exit_code == Exit.OK
    assert output(process) == [
        [True, "a.txt", "fine", "ann"], [False, "b.txt", "not on Fridays", "bob"], "went on",
    ]  # fmt: skip
    late = stretto("approve", "mine")
    assert late.exit_code == Exit.STORE
    assert "asks nothing (any more)" in late.stderr
    assert "nothing waits for an approval" in stretto("approvals").stderr


def test_an_approval_asked_before_a_kill_is_answered_after_it_and_the_run_goes_on(spawn, stretto, people):
    process = begin(spawn, people, "several", ["a", "b"])
    asked_on_disk(2)
    before = {one["request_id"]: one["asked_at"] for one in listed(stretto)}
    process.send_signal(signal.SIGKILL)
    process.wait()
    after = listed(stretto)
    assert {one["request_id"]: one["asked_at"] for one in after} == before
    assert not any(one["live"] for one in after)
    assert "takes the answer when it is resumed" in stretto("approvals").stdout
    done = stretto("approve", "mine", "several/call_b?1", "--edit", '{"path": "b.tmp"}', "--by", "ann")
    assert done.exit_code == Exit.OK
    assert "stretto resume mine" in done.stderr
    resumed = spawn("resume", "mine", "-q")
    until(lambda: [one["request_id"] for one in listed(stretto) if one["live"]] == ["several/call_a?1"])
    assert {one["asked_at"] for one in listed(stretto)} == {before["several/call_a?1"]}
    assert stretto("reject", "mine", "--by", "bob").exit_code == Exit.OK
    assert output(resumed)[:2] == [[False, "a.txt", "rejected by bob", "bob"], [True, "b.tmp", "", "ann"]]


def test_approving_all_answers_the_others_that_are_alike(spawn, stretto, people):
    process = begin(spawn, people, "several", ["a", "b", "c"])
    asked_on_disk(3)
    assert stretto("approve", "mine", "several/call_c?1", "--all", "--by", "ann").exit_code == Exit.OK
    said = output(process)
    assert [one[0] for one in said[:3]] == [True, True, True]
    assert said[0] == [True, "a.txt", "all calls of 'delete' were approved for this run", "ann"]


def test_time_goes_on_while_nobody_runs_and_late_answers_are_refused_with_words(spawn, stretto, people):
    process = begin(spawn, people, "hurried", 3)
    asked_on_disk(1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    (waiting,) = listed(stretto)
    assert waiting["deadline"] == pytest.approx(waiting["asked_at"] + 3)
    until(lambda: time.time() > waiting["deadline"])
    assert "its time is over: then 'reject' stands" in stretto("approvals").stdout
    late = stretto("approve", "mine")
    assert late.exit_code == Exit.STORE
    assert "was to be answered within 3 s" in late.stderr
    assert output(spawn("resume", "mine", "-q")) == ["reject", "timeout"]


AGENT = '''
"""An agent of one's own program, whose destructive call has to be allowed."""
import sys

from stretto import run_sync
from stretto.agents import Agent, AgentConfig
from stretto.agents.validation import Approvals, ApprovalSettings, Validation
from stretto.stores.sql import SqlStore
from stretto.testing.scripted import Scripted, ScriptedModel
from stretto.tools import tool


@tool(risk="high", destructive=True)
def burn(path: str) -> str:
    """Burns a file."""
    with open("burnt.txt", "a") as file:
        file.write(path + "\\n")
    return f"burnt {path}"


def think(call):
    with open("thoughts.txt", "a") as file:
        file.write("x")
    told = str(call.messages)
    return "It is done." if "burnt" in told else Scripted(calls=(("burn", {"path": "a"}),))


model = ScriptedModel(think, forever=True)
agent = Agent(AgentConfig(name="lead"), model=model, tools=[burn])
report = run_sync(agent, "burn it", run_id="mine", store=SqlStore.default(), resources=[Approvals()])
print(report.response, flush=True)
'''


def test_an_agent_in_a_program_of_its_own_is_killed_while_it_asks_and_goes_on_with_the_answer(stretto, tmp_path):
    program = tmp_path / "agent.py"
    program.write_text(AGENT)

    def launch():
        return subprocess.Popen(
            [sys.executable, program], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    first = launch()
    try:
        asked_on_disk(1)
    finally:
        first.kill()
        first.communicate()
    (waiting,) = listed(stretto)
    assert waiting["arguments"] == {"path": "a"}
    assert stretto("approve", "mine", "--edit", '{"path": "b"}', "--by", "ann").exit_code == Exit.OK
    second = launch()
    out, err = second.communicate(timeout=PATIENCE)
    assert out == "It is done.\n", err
    assert (tmp_path / "burnt.txt").read_text() == "b\n"
    assert (tmp_path / "thoughts.txt").read_text() == "xx"  # no call of the model was made twice


# -- editing -------------------------------------------------------------------------------------------------------


@pytest.fixture
def left_behind():
    """A run whose process died while it asked."""

    async def leave():
        async with SqlStore.default() as store:
            owner = "another-machine:1:1:1"
            await store.claim("mine", owner)
            asked = Asked(
                "call", 0.0, "call?1", "may it?", ["approve", "reject"], topic="approval", risk="high",
                value={"path": "a"}, asked_at=time.time(),
            )  # fmt: skip
            events = [RunStarted("", 0.0, "mine", "call", time.time()), StepStarted("call", 0.0), asked]
            lines = [Line(seq, e.kind, e.path, e.at, encode(e)) for seq, e in enumerate(events)]
            await store.append("mine", lines)
            await store.release("mine", owner)

    drive(leave())


def posted():
    """Returns the answers that lie in the mailbox."""

    async def look():
        async with SqlStore.default() as store:
            return await store.answers("mine")

    return drive(look())


def test_the_arguments_may_be_edited_in_an_editor(stretto, left_behind, monkeypatch, tmp_path):
    script = tmp_path / "editor.py"
    script.write_text(
        "import json, sys\nplace = sys.argv[1]\nheld = json.load(open(place))\nheld['path'] = 'edited'\n"
        "json.dump(held, open(place, 'w'))\n"
    )
    monkeypatch.setenv("VISUAL", f"{sys.executable} {script}")
    assert stretto("approve", "mine", "--editor", "--by", "ann").exit_code == Exit.OK
    (answer,) = posted().values()
    assert (answer.choice, answer.value, answer.by) == ("approve", {"path": "edited"}, "ann")
    assert listed(stretto) == []


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (("--edit", "[1]"), Exit.USAGE, "must be a JSON object, not [1]"),
        (("--edit", "{"), Exit.USAGE, "holds no JSON"),
        (("--edit", "{}", "--editor"), Exit.USAGE, "the same thing twice"),
        (("--editor",), Exit.USAGE, "set $VISUAL or $EDITOR"),
        (("--all",), Exit.USAGE, "choose approve, reject"),
        (("nothing?1",), Exit.STORE, "'nothing?1' is no open question of run 'mine'; it asks 'call?1'"),
    ],
)
def test_what_cannot_be_taken_is_refused_and_the_request_stands(stretto, left_behind, monkeypatch, words, status, told):
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.delenv("EDITOR", raising=False)
    result = stretto("approve", "mine", *words)
    assert (result.exit_code, told in result.stderr) == (status, True), result.stderr
    assert len(listed(stretto)) == 1


@pytest.mark.parametrize(("editor", "told"), [("false", "ended with status 1"), ("/nowhere/ed", "cannot be started")])
def test_an_editor_that_fails_changes_nothing(stretto, left_behind, monkeypatch, editor, told):
    monkeypatch.setenv("VISUAL", editor)
    result = stretto("approve", "mine", "--editor")
    assert result.exit_code == Exit.USAGE
    assert told in result.stderr
    assert len(listed(stretto)) == 1


def test_watching_shows_what_comes_and_goes(spawn, stretto, left_behind):
    watching = spawn("approvals", "--watch", "--json")
    assert [one["request_id"] for one in json.loads(watching.stdout.readline())] == ["call?1"]
    stretto("approve", "mine")
    assert json.loads(watching.stdout.readline()) == []
    watching.send_signal(signal.SIGINT)
    assert watching.wait(PATIENCE) == Exit.INTERRUPTED


# -- in place ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [100, 50])
def test_approvals_are_asked_in_place_one_after_the_other(terminal, people, monkeypatch, columns):
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.delenv("EDITOR", raising=False)
    screen = terminal("run", f"{people}:several", "-i", '["a", "b", "c", "d"]', columns=columns)
    screen.until("approval · 1 of 4 · risk high")
    screen.until("[r] reject")
    screen.type("what\n")
    screen.until("none of the choices")
    screen.until("[r] reject")
    screen.type("a because I say so\n")
    screen.until("1 of 3")
    screen.type("r\n")
    screen.until("why (empty for no reason) > ")
    screen.type("too late\n")
    screen.until("1 of 2")
    screen.type('e {"path": 3\n')
    screen.until("are no JSON")
    screen.type("e\n")
    screen.until("as they shall be, as JSON > ")
    screen.type('{"path": "z"}\n')
    screen.until("? lead wants to delete d")
    screen.type("l\n")
    assert screen.end() == Exit.OK
    told = "".join(screen.plain.split())
    assert '[true,"a.txt","becauseIsayso","terminal"]' in told
    assert '[false,"b.txt","toolate","terminal"]' in told
    assert '[true,"z","","terminal"]' in told
    assert '[true,"d.txt","","terminal"]' in told


def test_what_was_typed_before_a_question_could_be_read_allows_nothing(terminal, people):
    screen = terminal("run", f"{people}:call", "-i", '"a"')
    screen.type("a\n")
    screen.until("[r] reject > ")
    screen.type("r not that\n")
    assert screen.end() == Exit.OK
    assert '[false,"a.txt","notthat","terminal"]' in "".join(screen.plain.split())


def test_who_stops_a_run_is_not_told_that_somebody_else_has_answered(terminal, people):
    screen = terminal("run", f"{people}:call", "-i", '"a"')
    screen.until("[r] reject > ")
    screen.process.send_signal(signal.SIGINT)
    assert screen.end() == Exit.INTERRUPTED
    assert "stopping in order" in screen.plain
    assert "answered elsewhere" not in screen.plain


def test_an_editor_in_place_lets_the_run_go_on(terminal, people, monkeypatch, tmp_path):
    script = tmp_path / "editor.py"
    script.write_text("import sys\nopen(sys.argv[1], 'w').write(open(sys.argv[0] + '.told').read())\n")
    (tmp_path / "editor.py.told").write_text("[]")
    monkeypatch.setenv("EDITOR", f"{sys.executable} {script}")
    monkeypatch.delenv("VISUAL", raising=False)
    screen = terminal("run", f"{people}:call", "-i", '"a"')
    screen.until("[r] reject > ")
    screen.type("e\n")
    screen.until("must be a JSON object")
    (tmp_path / "editor.py.told").write_text('{"path": "q"}')
    screen.type("e\n")
    assert screen.end() == Exit.OK
    assert '[true, "q", "", "terminal"]' in screen.plain


def test_an_editor_is_closed_when_somebody_else_has_answered(terminal, people, stretto, monkeypatch):
    monkeypatch.setenv("VISUAL", f"{sys.executable} -c 'import time; time.sleep(60)'")
    screen = terminal("run", f"{people}:call", "-i", '"a"', "--run-id", "mine")
    screen.until("[r] reject > ")
    screen.type("e\n")
    asked_on_disk(1)
    assert stretto("approve", "mine", "--by", "ann").exit_code == Exit.OK
    screen.until("answered elsewhere")
    assert screen.end() == Exit.OK


FORM = {
    "question": "Which?",
    "question_type": "mixed",
    "options": [{"id": "src", "label": "Sources"}, {"id": "d", "label": "Documents"}],
    "text_required": True,
    "context": "There are two.",
}


def test_a_question_with_options_is_asked_in_place_by_numbers_and_text(terminal, people):
    screen = terminal("run", f"{people}:form", "-i", json.dumps(FORM))
    screen.until("1 Sources")
    screen.until("2 Documents")
    screen.until("(skip passes over it) > ")
    screen.type("7\n")
    screen.until("none of the options")
    screen.type("2\n")
    screen.until("a text is needed")
    screen.type("1, docu: because: yes\n")
    assert screen.end() == Exit.OK
    assert '[["src", "d"], "because: yes"]' in screen.plain


def test_a_question_with_options_is_answered_from_another_terminal(spawn, stretto, people):
    process = begin(spawn, people, "form", FORM)
    asked_on_disk(1)
    assert "1 Sources" in stretto("questions").stdout
    assert "1 other question waits: stretto questions" in stretto("approvals").stderr
    assert stretto("answer", "mine", "src: why not").exit_code == Exit.OK
    assert output(process) == [["src"], "why not"]


# -- what is typed, and what is shown ------------------------------------------------------------------------------


def question(kind="checkbox", **details):
    options = [{"id": "a", "label": "Apples"}, {"id": "1", "label": "Apricots"}, {"id": "c", "label": "Cherries"}]
    return Asked("p", 0, "p?1", "?", ["answer", "skip"], details={"question_type": kind, "options": options, **details})


@pytest.mark.parametrize(
    ("text", "selected"),
    [("a", ["a"]), ("1", ["1"]), ("2, c", ["1", "c"]), ("2 3", ["1", "c"]), ("cher", ["c"]), ("a, a, Apples", ["a"])],
)
def test_options_are_chosen_by_id_number_or_label(text, selected):
    assert read_form(question(), text) == {"selected": selected, "text": ""}


@pytest.mark.parametrize(
    ("asked", "text", "told"),
    [
        (question(), "ap", "'ap' is none of the options; choose among 1 Apples, 2 Apricots, 3 Cherries"),
        (question(), "a: why", "none of the options"),
        (question(), " , ", "choose one option at least"),
        (question("mixed"), "z: why", "'z' is none"),
        (question("mixed", text_required=True), "a", "a text is needed"),
        (question("text"), "  ", "write a text, or skip"),
    ],
)
def test_what_is_no_answer_to_a_form_is_refused_with_words(asked, text, told):
    with pytest.raises(DefinitionError, match=told):
        read_reply(asked, text)


def test_a_form_says_how_it_is_answered():
    assert prompt_of(question()).startswith("  numbers, as 1,3 (skip")
    assert prompt_of(question("mixed")).startswith("  numbers: your text")
    assert prompt_of(question("text", text_placeholder="a\x1b[0mcolour")).startswith("  a\ufffd[0mcolour (skip")
    assert read_reply(question("text"), "anything: at all").value == {"selected": [], "text": "anything: at all"}
    assert read_reply(question("text"), "skip") == ("skip", None, "")
    assert form_of(Asked("p", 0, "p?1", "?", ["yes"], details={"question_type": "text"})) is None


def approval(**given):
    told = {"choices": ["approve", "approve_all", "reject", "escalate"], "topic": "approval", "value": {"x": 1}}
    return Asked("p", 0, "p?1", "may it?", **{**told, **given})


@pytest.mark.parametrize(
    ("text", "choice", "reason"),
    [("a", "approve", ""), ("L", "approve_all", ""), ("r no way", "reject", "no way"), ("p", "escalate", ""),
     ("approve", "approve", ""), ("3", "reject", ""), ("rej", "reject", "")],
)  # fmt: skip
def test_an_approval_takes_letters_words_and_reasons(text, choice, reason):
    assert read_reply(approval(), text) == (choice, None, reason)


def test_the_words_of_an_approval_are_those_that_it_offers():
    assert prompt_of(approval()) == (
        "  [a] approve   [e] edit   [l] approve all of this kind   [r] reject   [p] pass on > "
    )
    assert prompt_of(approval(choices=["approve", "reject"], value=None)) == "  [a] approve   [r] reject > "
    with pytest.raises(DefinitionError):
        read_reply(approval(choices=["approve", "reject"]), "l")


def test_arguments_are_shown_readably_and_cut():
    long = approval(value={"text": "line\n" * 100, "path": "p" * 3000, "n": [1, 2]}, risk="low", timeout=9.0)
    told = [text for text, _ in lines_of(long)]
    assert "    text  500 characters:" in told
    assert told.count("      │ line") == 12
    assert "      │ …" in told
    assert any(text.endswith("(3,000 characters)") for text in told)
    assert "    n     [1, 2]" in told
    assert lines_of(long)[0] == ("approval · risk low", "green")
    assert "    without arguments" in [text for text, _ in lines_of(approval(value={}))]
    assert "    7" in [text for text, _ in lines_of(approval(value=7))]
    assert time_left(long) is None  # nobody knows when it was asked
    assert deadline_of(approval(timeout=9.0, asked_at=1.0)) == 10.0
    assert "its time is over" in (time_left(approval(timeout=9.0, asked_at=1.0)) or "")


def test_edits_are_objects_and_requests_are_found():
    assert read_edit('{"a": 1}') == {"a": 1}
    with pytest.raises(StoreError, match="asks nothing"):
        find_request("r", [], None)
    with pytest.raises(StoreError, match="is no open question of run 'r'; it asks nothing"):
        find_request("r", [], "p")
