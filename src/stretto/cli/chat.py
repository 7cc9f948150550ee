"""The command ``stretto chat``: talk with an agent, watch what it does, and allow or refuse what it asks for."""

from __future__ import annotations

import json as json_text
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stretto.cli.running import StoreOption

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession

    from stretto.cli.conversing import Talk, Turn
    from stretto.cli.exits import Exit
    from stretto.cli.screen import Screen
    from stretto.configuring.settings import Settings

HELP = """/agent ID     speak with another agent; without an id, list them
/model P:M    ask another model, as openai:gpt-5 or ollama:llama3.2
/new          begin another conversation
/cost         what this conversation has taken so far
/help         this
/quit         leave (Ctrl-D does, too); Ctrl-C stops an answer"""


LONGEST = 100_000
"""How many characters a message may have."""


def chat(
    context: typer.Context,
    message: Annotated[
        str | None, typer.Argument(metavar="[MESSAGE]", help="One message, answered here; without one, a conversation.")
    ] = None,
    agent: Annotated[str | None, typer.Option(metavar="ID", help="Who answers: see stretto agents.")] = None,
    model: Annotated[
        str | None, typer.Option(metavar="PROVIDER:MODEL", help="The model of every agent; see stretto models.")
    ] = None,
    resume: Annotated[
        str | None, typer.Option(metavar="ID", help="Go on with a conversation: its id, how it begins, or last.")
    ] = None,
    list_all: Annotated[bool, typer.Option("--list", help="List the conversations that there are, and leave.")] = False,
    reasoning: Annotated[bool, typer.Option("--reasoning", help="Show the model's reasoning in full.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout at the end.")] = False,
    store: StoreOption = None,
) -> None:
    """Talk with an agent: its answer as it is written, its tools and sub-agents at work, approvals in place.

    Each message is a run: stretto show, gantt and approvals know it. Ctrl-C stops an answer, what was done is kept.
    """
    from stretto.cli.exits import Exit
    from stretto.configuring.settings import load
    from stretto.core.errors import DefinitionError
    from stretto.runtime.loop import drive

    screen: Screen = context.obj
    if list_all:
        drive(_list(screen, load(database=store).database, json))
        return
    if message is None and not sys.stdin.isatty():
        message = sys.stdin.read()
    if message is not None and not message.strip():
        raise DefinitionError("the message is empty; write stretto chat 'What is in this folder?'")
    if message is not None and len(message) > LONGEST:
        raise DefinitionError(f"the message has {len(message):,} characters, and at most {LONGEST:,} are taken")
    if json and message is None:
        raise DefinitionError("--json tells of one message; give it on the line or by stdin")
    settings = load(database=store)
    chatting = _Chatting(screen, settings, json=json)
    code = drive(chatting.run(message, agent, model, resume, reasoning), chatting.interrupt)
    if code is not Exit.OK:
        raise typer.Exit(code)


async def _list(screen: Screen, place: str | None, json: bool) -> None:
    """Lists the conversations, the one that was spoken in last first."""
    from dataclasses import asdict

    from stretto.cli.listing import started
    from stretto.cli.places import open_store
    from stretto.monitoring.labels import clean

    async with open_store(place) as store:
        found = await store.archive.conversations(limit=100)
    if json:
        screen.line(json_text.dumps([asdict(each) for each in found], ensure_ascii=False, indent=2))
        return
    for each in found:
        when = started(each.updated_at)
        screen.result(
            f"{each.id}  {when:>14}  {each.messages:>4} messages  {clean(each.agent_id)}  {clean(each.title)}"
        )
    if not found:
        screen.say("there are no conversations yet; begin one: stretto chat", "bright_black")


class _Chatting:
    """One chat in this terminal, from its first message to its last."""

    def __init__(self, screen: Screen, settings: Settings, *, json: bool) -> None:
        self._screen, self._settings, self._json = screen, settings, json
        self._talk: Talk | None = None

    def interrupt(self) -> None:
        """Stops the answer that is being written, if there is one."""
        session = None if self._talk is None else self._talk.session
        if session is None:
            raise KeyboardInterrupt
        session.interrupt()

    async def run(
        self, message: str | None, agent: str | None, model: str | None, resume: str | None, reasoning: bool
    ) -> Exit:
        """Opens what the agents need, and talks."""
        from stretto.cli.conversing import open_talk
        from stretto.cli.exits import Exit
        from stretto.cli.places import open_store
        from stretto.configuring.agent_room import agent_room

        async with open_store(self._settings.database) as store:
            await store.runs(1)
            async with agent_room(self._settings, store) as room:
                if model is not None:
                    room.use_model(model)
                talk = self._talk = await open_talk(
                    self._screen, room, agent=agent, resume=resume, locale=self._settings.locale or "",
                    reasoning=reasoning,
                )  # fmt: skip
                talk.words = not self._json
                code = Exit.OK
                if talk.unanswered is not None:
                    self._screen.say("going on with the message that was interrupted", "bright_black")
                    code = self._told(await talk.go_on())
                if message is not None:
                    return self._told(await talk.say(message))
                await self._converse(talk)
                return code

    async def _converse(self, talk: Talk) -> None:
        """Reads messages until there are no more."""
        self._welcome(talk)
        lines = _lines(self._screen, lambda: self._foot(talk))
        while True:
            try:
                text = (await lines.prompt_async("› ")).strip()
            except KeyboardInterrupt:
                continue
            except EOFError:
                break
            if text in ("/quit", "/exit"):
                break
            if text.startswith("/"):
                await self._command(talk, text)
            elif text:
                self._told(await talk.say(text))
        if talk.began:
            self._screen.say(f"go on with: stretto chat --resume {talk.conversation.id}", "bright_black")

    def _welcome(self, talk: Talk) -> None:
        config = talk.agent.config
        self._screen.say(f"{config.name} · {talk.agent.model.id}", "bold")
        if config.description:
            self._screen.say(config.description, "bright_black")
        if talk.agent.model.id.startswith("offline:"):
            self._screen.say("this model works by rules and needs no key; --model asks another one", "yellow")
        if talk.messages:
            self._screen.say(f"{talk.conversation.title} ({len(talk.messages)} messages so far)", "bright_black")
        self._screen.say("/help tells more", "bright_black")

    def _foot(self, talk: Talk) -> str:
        return f" {talk.agent.config.name} · {talk.agent.model.id} · {talk.conversation.title or 'new conversation'} "

    async def _command(self, talk: Talk, text: str) -> None:
        from difflib import get_close_matches

        from stretto.cli.failures import tell
        from stretto.core.errors import StrettoError

        word, _, rest = text.partition(" ")
        known: dict[str, Callable[[Talk, str], None]] = {
            "/agent": self._agent, "/model": self._model, "/new": self._new, "/cost": self._cost, "/help": self._help,
        }  # fmt: skip
        if word not in known:
            near = get_close_matches(word, known, 1)
            self._screen.say(f"there is no {word}{f'; did you mean {near[0]}?' if near else '; see /help'}", "red")
            return
        try:
            known[word](talk, rest.strip())
        except StrettoError as error:
            tell(self._screen, error)

    def _agent(self, talk: Talk, id: str) -> None:
        if not id:
            for known in talk.room.agents:
                self._screen.say(f"{known.config.id}  {known.config.description or known.config.name}")
            return
        talk.agent = talk.room.agent(id)
        self._welcome(talk)

    def _model(self, talk: Talk, model: str) -> None:
        if model:
            talk.room.use_model(model)
            talk.agent = talk.room.agent(talk.agent.config.id)
        self._screen.say(talk.agent.model.id)

    def _new(self, talk: Talk, _: str) -> None:
        from stretto.cli.conversing import new_conversation

        talk.conversation, talk.messages, talk.began = new_conversation(talk.agent.config.id), [], False
        talk.spent = type(talk.spent)()
        self._screen.say("a new conversation", "bright_black")

    def _cost(self, talk: Talk, _: str) -> None:
        self._screen.say(talk.spent.told())

    def _help(self, _talk: Talk, _: str) -> None:
        self._screen.say(HELP)

    def _told(self, turn: Turn | None) -> Exit:
        """Tells how a turn ended, and returns the exit status for that."""
        from stretto.agents.report import ReportStatus
        from stretto.cli.exits import Exit, exit_of_outcome
        from stretto.cli.failures import tell_failure
        from stretto.core.outcome import error_of

        if turn is None:
            return Exit.OK
        finished, report, view = turn.finished, turn.report, turn.view
        code = exit_of_outcome(finished.outcome)
        raised = error_of(finished.outcome)
        if raised is not None:
            if not finished.began:
                raise raised
            tell_failure(self._screen, raised)
        if report is not None:
            if report.status is not ReportStatus.SUCCESS:
                self._screen.say(f"! {report.error}", "yellow")
                code = Exit.FAILED
            elif report.response.strip() not in view.text and not self._json:
                self._screen.result(view.safe(report.response))
        if self._json:
            self._screen.line(json_text.dumps(_document(turn, self._talk), ensure_ascii=False, indent=2))
        self._screen.say(view.summary(finished.fold), "bright_black")
        if finished.stored:
            self._screen.say(f"run {finished.run_id} · stretto gantt {finished.run_id}", "bright_black")
        return code


def _document(turn: Turn, talk: Talk | None) -> dict[str, Any]:
    from stretto.cli.ending import document_of

    made = document_of(turn.finished)
    report = turn.report
    told = None if report is None else {"status": report.status.value, "response": report.response}
    return {"conversation": None if talk is None else talk.conversation.id, **made, "output": told}


def _lines(screen: Screen, foot: Callable[[], str]) -> PromptSession[str]:
    """Returns what reads the lines that a person types: edited, with those typed before, without blocking the loop."""
    from prompt_toolkit import PromptSession
    from prompt_toolkit.history import InMemoryHistory
    from prompt_toolkit.output import ColorDepth

    depth = ColorDepth.DEPTH_1_BIT if screen.err.no_color else ColorDepth.DEPTH_4_BIT
    return PromptSession(history=InMemoryHistory(), bottom_toolbar=foot, color_depth=depth)
