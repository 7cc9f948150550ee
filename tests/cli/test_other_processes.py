"""Runs that are stopped, killed, answered and resumed from another process."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

from stretto.cli.exits import Exit

PATIENCE = 30.0


def until(condition):
    """Waits for another process; the clock only bounds how long a broken test takes."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come to that")


def begin(spawn, flow, name, *words):
    """Starts a run whose step says that it has begun, and waits until its first lines are on disk."""
    process = spawn("run", f"{flow}:{name}", "--run-id", "mine", *words)
    assert process.stdout.readline() == "begun\n"
    with closing(sqlite3.connect(os.environ["STRETTO_DATABASE"])) as database:
        until(lambda: database.execute("SELECT 1 FROM event WHERE kind = 'step_started'").fetchone())
    return process


def status(stretto):
    return json.loads(stretto("runs", "--json").stdout)[0]["status"]


def test_an_interrupt_stops_in_order_and_says_what_is_kept(spawn, stretto, flow):
    process = begin(spawn, flow, "first_then_slow", "-i", "3")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == Exit.INTERRUPTED
    assert "stopping in order" in err
    assert "1 completed step is kept; go on with: stretto resume mine" in err
    assert "cancelled" in out
    assert status(stretto) == "cancelled"


def test_a_second_interrupt_kills_at_once(spawn, stretto, flow):
    flow.write_text(
        flow.read_text()
        + "\nimport time\n\n@step\ndef stubborn():\n    print('begun', flush=True)\n    time.sleep(20)\n"
    )
    process = begin(spawn, flow, "stubborn")
    process.send_signal(signal.SIGINT)
    while "stopping in order" not in process.stderr.readline():
        pass
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == Exit.INTERRUPTED
    assert status(stretto) == "interrupted"


def test_a_step_that_does_not_stop_is_named(spawn, flow):
    flow.write_text(
        flow.read_text()
        + "\nimport time\n\n@step\ndef stubborn():\n    print('begun', flush=True)\n    time.sleep(9)\n"
    )
    process = begin(spawn, flow, "stubborn")
    process.send_signal(signal.SIGINT)
    while "did not stop, and may still run: stubborn" not in (line := process.stderr.readline()):
        assert line
    process.kill()


def test_another_process_cancels_and_tells_what_happened(spawn, stretto, flow):
    process = begin(spawn, flow, "first_then_slow", "-i", "3")
    result = stretto("cancel", "mine")
    assert result.exit_code == Exit.OK
    assert "run mine is cancelled; 1 completed step is kept; go on with: stretto resume mine" in result.stdout
    process.communicate(timeout=PATIENCE)
    assert process.returncode == Exit.INTERRUPTED
    again = stretto("cancel", "mine")
    assert again.exit_code == Exit.STORE
    assert "it is cancelled" in again.stderr


def test_a_program_of_ones_own_listens_as_the_command_does(stretto, flow):
    program = (
        f"import {flow.stem} as flow\nfrom stretto import run_sync\nfrom stretto.core.errors import BranchCancelled\n"
        "from stretto.stores.sql import SqlStore\n"
        "try:\n    run_sync(flow.slow, 1, run_id='mine', store=SqlStore.default())\n"
        "except BranchCancelled as error:\n    print(error)\n"
    )
    mine = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=flow.parent)
    try:
        assert mine.stdout.readline() == "begun\n"
        until(lambda: stretto("runs", "--status", "running", "--json").stdout != "[]\n")
        assert stretto("cancel", "mine").exit_code == Exit.OK
        assert "cancelled from another process" in mine.communicate(timeout=PATIENCE)[0]
    finally:
        mine.kill()
        mine.communicate()


def test_a_run_that_does_not_listen_is_waited_for_no_longer_than_said(spawn, stretto, flow, tmp_path):
    flow.write_text(
        flow.read_text()
        + "\nimport time\nfrom pathlib import Path\n\n@step\nasync def blocks(x, context):\n"
        + "    print('begun', flush=True)\n"
        + "    while not Path(x).exists():\n        await context.resource(Clock).sleep(0.05)\n"
        + "    print('deaf', flush=True)\n    time.sleep(30)\n"
    )
    go = tmp_path / "go"
    program = tmp_path / "deaf.py"
    program.write_text(
        f"import sys; sys.path.insert(0, {str(flow.parent)!r})\n"
        f"import {flow.stem} as flow\nfrom stretto import run_sync\nfrom stretto.stores.sql import SqlStore\n"
        f"run_sync(flow.blocks, {str(go)!r}, run_id='mine', store=SqlStore.default())\n"
    )
    deaf = subprocess.Popen([sys.executable, program], stdout=subprocess.PIPE, text=True)
    try:
        assert deaf.stdout.readline() == "begun\n"
        until(lambda: stretto("runs", "--status", "running", "--json").stdout != "[]\n")
        go.touch()
        assert deaf.stdout.readline() == "deaf\n"
        result = stretto("cancel", "mine", "--wait", "0.3s")
        assert result.exit_code == Exit.TIMED_OUT
        assert "was asked to stop and still runs" in result.stderr
    finally:
        deaf.kill()
        deaf.communicate()


def test_a_killed_run_is_reported_and_goes_on_in_another_process(spawn, stretto, flow, tmp_path):
    count = tmp_path / "count"
    flow.write_text(
        flow.read_text()
        + f"\n@step\ndef counted(x):\n    with open({str(count)!r}, 'a') as file:\n"
        + "        file.write('x')\n    return x\n"
        + "\n@step(idempotent=True)\nasync def wait(x, context):\n    import os\n    print('begun', flush=True)\n"
        + f"    if not os.path.exists({str(tmp_path / 'go')!r}):\n        await context.resource(Clock).sleep(30)\n"
        + "    return x + 1\n\nlong = SequentialWorkflow(name='long', steps=(counted, wait))\n"
    )
    process = begin(spawn, flow, "long", "-i", "41", "--durability", "sync")
    process.kill()
    process.wait()
    assert status(stretto) == "interrupted"
    shown = stretto("show", "mine")
    assert "is interrupted" in shown.stdout
    assert "stretto resume mine" in shown.stdout
    cancelled = stretto("cancel", "mine")
    assert cancelled.exit_code == Exit.STORE
    assert "it is interrupted; `stretto resume` would go on with it" in cancelled.stderr
    (tmp_path / "go").touch()
    resumed = spawn("resume", "last", "--json")
    out, err = resumed.communicate(timeout=PATIENCE)
    assert resumed.returncode == Exit.OK, err
    assert json.loads(out.partition("\n")[2])["output"] == 42
    assert count.read_text() == "x"
    over = stretto("resume", "mine")
    assert over.exit_code == Exit.STORE
    assert "has completed; there is nothing to go on with" in over.stderr
    assert "resumed    once" in stretto("show", "mine").stdout


def test_what_was_in_flight_is_decided_by_a_human_or_an_option(spawn, stretto, flow):
    process = begin(spawn, flow, "slow", "-i", "1", "--durability", "sync")
    process.kill()
    process.wait()
    result = stretto("resume", "mine", "--in-flight", "abort")
    assert result.exit_code == Exit.FAILED, result.stderr
    assert "is not run again unasked" in result.stderr


def test_changed_code_is_refused_and_may_be_accepted(spawn, stretto, flow):
    process = begin(spawn, flow, "first_then_slow", "-i", "3", "--durability", "sync")
    process.kill()
    process.wait()
    text = flow.read_text().replace("return x * 2", "return x * 3").replace(".sleep(30)", ".sleep(0)")
    flow.write_text(text)
    refused = spawn("resume", "mine", "--in-flight", "retry")
    _, err = refused.communicate(timeout=PATIENCE)
    assert refused.returncode == Exit.STORE
    assert "--on-change accept" in err
    accepted = spawn("resume", "mine", "--in-flight", "retry", "--on-change", "accept", "-q")
    out, err = accepted.communicate(timeout=PATIENCE)
    assert accepted.returncode == Exit.OK, err
    assert out == "begun\n6\n"


def test_a_renamed_step_is_mapped(spawn, stretto, flow):
    process = begin(spawn, flow, "first_then_slow", "-i", "3", "--durability", "sync")
    process.kill()
    process.wait()
    text = flow.read_text().replace("steps=(double, slow)", "steps=(twice, slow)").replace(".sleep(30)", ".sleep(0)")
    flow.write_text(text.replace("async def double", "async def twice").replace("=double", "=twice"))
    resumed = spawn(
        "resume", "mine", "--in-flight", "retry", "--map", "first_then_slow/double=first_then_slow/twice", "-q"
    )
    out, err = resumed.communicate(timeout=PATIENCE)
    assert resumed.returncode == Exit.OK, err
    assert out == "begun\n6\n"


def test_a_question_is_answered_from_another_terminal(spawn, stretto, flow):
    process = spawn("run", f"{flow}:ask", "--run-id", "mine", "--json")
    while "stretto answer mine approve|reject" not in process.stderr.readline():
        pass
    until(lambda: stretto("questions", "--json").stdout != "[]\n")
    (asked,) = json.loads(stretto("questions", "--json").stdout)
    assert (asked["run_id"], asked["question"], asked["choices"]) == ("mine", "May it go on?", ["approve", "reject"])
    assert "stretto answer mine approve|reject" in stretto("questions").stdout
    assert "May it go on?" in stretto("answer", "mine").stdout
    wrong = stretto("answer", "mine", "perhaps")
    assert wrong.exit_code == Exit.USAGE
    assert "choose approve, reject" in wrong.stderr
    assert stretto("answer", "mine", "nothing?1", "approve").exit_code == Exit.STORE
    result = stretto("answer", "mine", asked["request_id"], "appr", "--value", "7", "--reason", "cheap", "--by", "Ann")
    assert result.exit_code == Exit.OK, result.stderr
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == Exit.OK, err
    assert json.loads(out)["output"] == ["approve", 7]
    (event,) = [e for e in map(json.loads, stretto("show", "--events").stdout.splitlines()) if e["kind"] == "answered"]
    assert (event["reason"], event["by"]) == ("cheap", "Ann")
    assert stretto("answer", "mine", "approve").exit_code == Exit.STORE
    assert "nobody asks anything" in stretto("questions").stderr
    assert "asks nothing" in stretto("answer", "mine").stderr
    assert stretto("answer", "mine", "a", "b", "c").exit_code == Exit.USAGE


def test_a_reader_that_goes_away_is_no_drama(spawn, flow, stretto):
    stretto("run", flow, "-i", json.dumps(list(range(2000))))
    process = spawn("show", "--events")
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(PATIENCE) in (Exit.PIPE, Exit.OK)
    assert process.stderr.read() == ""
    running = spawn("run", flow, "-i", json.dumps(list(range(3000))), "--events", "-q", "--run-id", "piped")
    running.stdout.readline()
    running.stdout.close()
    assert running.wait(PATIENCE) == Exit.PIPE  # its output could not be told, but the run went on
    assert json.loads(stretto("show", "piped", "--json").stdout)["status"] == "completed"


def test_a_run_that_is_live_is_not_resumed_and_not_deleted(spawn, stretto, flow):
    process = begin(spawn, flow, "slow")
    until(lambda: status(stretto) == "running")
    for words in (("resume", "mine"), ("runs", "delete", "mine")):
        result = stretto(*words)
        assert result.exit_code == Exit.STORE
        assert "is being written by" in result.stderr
    process.kill()


def test_a_run_of_a_library_is_resumed_when_it_is_told_what_it_was(spawn, stretto, flow):
    program = f"import {flow.stem} as flow\nfrom stretto import run_sync\nfrom stretto.stores.sql import SqlStore\n" + (
        "try:\n    run_sync(flow.broken, 1, run_id='mine', store=SqlStore.default())\nexcept ValueError:\n    pass\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=flow.parent, check=True, env=os.environ)
    result = stretto("resume", "mine")
    assert result.exit_code == Exit.USAGE
    assert "--target flow.py:name" in result.stderr
    assert "ValueError: no such thing" in stretto("resume", "mine", "--target", f"{flow}:broken").stderr
