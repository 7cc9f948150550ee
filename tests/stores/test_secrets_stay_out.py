"""What pydantic keeps secret stays out of logs, databases, charts and the texts of errors."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, SecretStr

from stretto import SequentialWorkflow, run_sync, start, step
from stretto.core.errors import OutputNotStorable
from stretto.monitoring.html import draw_html
from stretto.monitoring.svg import draw_svg
from stretto.monitoring.trace import draw_trace
from stretto.runtime.loop import drive
from stretto.stores.sql import SqlStore

SECRET = "correct-horse-battery-staple"


class Account(BaseModel):
    user: str
    password: SecretStr


@step
async def sign_in(given):
    assert given["account"].password.get_secret_value() == given["token"].get_secret_value() == SECRET
    raise PermissionError(f"{given['account']!r} with {given['token']!r} may not")


@step
async def give_back(given):
    return given["account"]


def on_disk(folder):
    return b"".join(path.read_bytes() for path in folder.glob("runs.db*"))


@pytest.fixture
def given():
    return {"account": Account(user="ada", password=SECRET), "token": SecretStr(SECRET)}


def test_a_secret_input_is_used_and_neither_stored_nor_told(tmp_path, given):
    flow = SequentialWorkflow(name="flow", steps=(sign_in,))
    with pytest.raises(PermissionError) as caught:
        run_sync(flow, given, store=SqlStore(tmp_path / "runs.db"))
    assert SECRET not in str(caught.value)
    kept = on_disk(tmp_path)
    assert b"ada" in kept
    assert SECRET.encode() not in kept
    assert b"SecretStr of" not in kept, "not even its length"


def test_a_secret_output_is_refused_instead_of_stored(tmp_path, given):
    with pytest.raises(OutputNotStorable, match=r"'give_back' returned .*SecretStr"):
        run_sync(give_back, given, store=SqlStore(tmp_path / "runs.db"))
    assert SECRET.encode() not in on_disk(tmp_path)


def test_no_chart_shows_a_secret_of_a_run_in_memory(given):
    async def log_of():
        async with start(give_back, given) as run:
            pass
        return run.log

    log = drive(log_of())
    assert log[-1].status == "completed"
    for drawn in (draw_html(log), draw_svg(log), draw_trace(log)):
        assert SECRET not in drawn
