"""Any sequence of commands, restarts among them, against a model of what must be true."""

import tempfile
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from stretto.models.model import Model, ModelCall
from stretto.models.resolve import Models
from stretto.testing import Scripted, ScriptedModel
from tests.server.background import Background

NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=300)
MESSAGES = st.text(st.characters(exclude_categories=("Cs",)), max_size=200)
SLOW = "slow: "
"""How a message begins whose answer takes very long."""


def answer(call: ModelCall) -> Scripted:
    asked = str(call.messages[-1]["parts"][-1].get("content"))
    return Scripted(text=" ".join(["word"] * (50_000 if SLOW in asked else 1)))


class Commands(RuleBasedStateMachine):
    """Creates, executes, cancels, renames, deletes and restarts; what is told must be what the model says."""

    workflows: Bundle[str] = Bundle("workflows")

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.place = Path(self.folder.name) / "server.db"
        self.patch = pytest.MonkeyPatch()
        model: Model = ScriptedModel(answer, forever=True, tokens_per_second=200)
        get = Models.get
        self.patch.setattr(
            Models, "get", lambda self, id, fallbacks=(): model if id == model.id else get(self, id, fallbacks)
        )
        self.patch.chdir(self.folder.name)
        self.known: dict[str, dict[str, Any]] = {}
        self.gone: set[str] = set()
        self._serve()

    def _serve(self) -> None:
        self.server = Background(self.place, {"server": {"grace": 0.0}})
        self.server.__enter__()
        self.client = httpx2.Client(base_url=self.server.url, timeout=60)

    def _stop(self) -> None:
        self.client.close()
        self.server.__exit__(None, None, None)

    def teardown(self) -> None:
        if hasattr(self, "server"):
            self._stop()
            self.patch.undo()
            self.folder.cleanup()

    @rule(target=workflows, name=NAMES)
    def create(self, name: str) -> str:
        made = self.client.post("/api/workflows", json={"name": name, "agent_id": "helper"})
        if not len(name.strip()) >= 1 or len(name) > 256:
            assert made.status_code == 422, made.text
            return "00000000-0000-4000-8000-000000000000"
        assert made.status_code == 201, (name, made.text)
        self.known[made.json()["id"]] = {"name": name.strip(), "said": [], "slow": None, "status": "idle"}
        return made.json()["id"]

    @rule(workflow=workflows, message=MESSAGES)
    def execute(self, workflow: str, message: str) -> None:
        known = self.known.get(workflow)
        if known is not None and known["slow"]:
            return  # it would wait behind what takes very long
        made = self.client.post(f"/api/workflows/{workflow}/execute", json={"message": message})
        if not message.strip() or "\x00" in message:
            assert made.status_code == 422, made.text
        elif known is None:
            assert made.status_code == 404, made.text
        else:
            assert made.status_code == 200, made.text
            assert made.json()["response"] == "word"
            known["said"].append(message)
            known["status"] = "completed"

    @rule(workflow=workflows)
    def execute_slowly(self, workflow: str) -> None:
        made = self.client.post(f"/api/workflows/{workflow}/execute/stream", json={"message": SLOW + "go on"})
        known = self.known.get(workflow)
        assert made.status_code == (404 if known is None else 202), made.text
        if known is not None:
            known["said"].append(SLOW + "go on")
            known["slow"] = [*(known["slow"] or []), made.json()["run_id"]]
            known["status"] = "running"
            self._until_it_runs(workflow)

    def _until_it_runs(self, workflow: str) -> None:
        """Waits for the queue, which starts what has been accepted a moment later."""
        late = time.monotonic() + 60
        while self.client.get(f"/api/workflows/{workflow}").json()["status"] != "running":
            assert time.monotonic() < late, "what was accepted has not begun"
            time.sleep(0.01)

    @rule(workflow=workflows)
    def cancel(self, workflow: str) -> None:
        known = self.known.get(workflow)
        made = self.client.post(f"/api/workflows/{workflow}/cancel")
        assert made.status_code == (404 if known is None else 200), made.text
        if known is not None and known["slow"]:
            for run_id in known["slow"][1:]:  # those behind it may have begun by now, or not
                removed = self.client.delete(f"/api/queue/{run_id}")
                assert removed.status_code in (204, 409), removed.text
                if removed.status_code == 204:
                    known["said"].remove(SLOW + "go on")
            while self.client.post(f"/api/workflows/{workflow}/cancel").json()["cancelled"]:
                pass
            known["slow"], known["status"] = None, "idle"

    @rule(workflow=workflows, name=NAMES)
    def rename(self, workflow: str, name: str) -> None:
        made = self.client.patch(f"/api/workflows/{workflow}", json={"name": name})
        if not name.strip() or len(name) > 256:
            assert made.status_code == 422, made.text
        elif workflow not in self.known:
            assert made.status_code == 404, made.text
        else:
            assert made.json()["name"] == name.strip()
            self.known[workflow]["name"] = name.strip()

    @rule(workflow=consumes(workflows))
    def delete(self, workflow: str) -> None:
        made = self.client.delete(f"/api/workflows/{workflow}")
        assert made.status_code == (204 if workflow in self.known else 404), made.text
        self.known.pop(workflow, None)
        assert self.client.get(f"/api/workflows/{workflow}").status_code == 404

    @rule()
    def restart(self) -> None:
        self._stop()
        self._serve()

    @invariant()
    def the_list_is_what_it_should_be(self) -> None:
        if not hasattr(self, "client"):
            return
        listed = self.client.get("/api/workflows?limit=200").json()
        assert {each["id"]: each["name"] for each in listed["items"]} == {
            id: known["name"] for id, known in self.known.items()
        }
        for each in listed["items"]:
            assert each["status"] == self.known[each["id"]]["status"], each

    @invariant()
    def what_was_said_stands_in_the_state(self) -> None:
        for id, known in getattr(self, "known", {}).items():
            if not known["slow"]:
                state = self.client.get(f"/api/workflows/{id}/state").json()
                said = [message["content"] for message in state["messages"] if message["role"] == "user"]
                assert said == known["said"]


TestCommands = Commands.TestCase
TestCommands.settings = settings(
    max_examples=4, stateful_step_count=14, deadline=None, suppress_health_check=list(HealthCheck)
)
