"""A conversation with an agent: each message is a run, and what was said is kept, also of one that was stopped."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from stretto.agents.agent import Agent
from stretto.agents.report import Report
from stretto.agents.task import Task
from stretto.cli.chat_crew import Crew, spent_text
from stretto.cli.chat_view import ChatView
from stretto.cli.execution import Finished, Session
from stretto.cli.questions import Questions, can_ask
from stretto.cli.screen import Screen
from stretto.configuring.agent_room import AgentRoom
from stretto.core.archive import Conversation, NotKept, StoredMessage
from stretto.core.errors import DefinitionError
from stretto.core.outcome import Completed
from stretto.models.messages import Message, assistant_message, role_of, user_message
from stretto.monitoring.units import count_text

LABEL = "stretto.conversation"
"""The label by which a run says to which conversation it belongs."""
TITLE = 80
"""How long a conversation's title is, made of its first message (characters)."""
KEPT = 1000
"""How many messages of a conversation are read; the agent is shown the last of them."""


@dataclass
class Spent:
    """What the messages of a conversation have taken in this terminal."""

    messages: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float = 0.0
    unpriced: int = 0

    def add(self, crew: Crew) -> None:
        """Adds what one message took."""
        self.messages += 1
        for member in crew.members.values():
            self.tokens_in += member.tokens_in
            self.tokens_out += member.tokens_out
            self.cost += member.cost
            self.unpriced += member.unpriced

    def told(self) -> str:
        """Returns it in words."""
        many = "1 message" if self.messages == 1 else f"{self.messages} messages"
        tokens = f"{count_text(self.tokens_in)} in, {count_text(self.tokens_out)} out"
        return f"{many} · {tokens} · {spent_text(self.cost, self.unpriced)}"


@dataclass
class Turn:
    """What came of one message."""

    finished: Finished
    view: ChatView
    report: Report | None


@dataclass
class Talk:
    """A conversation in this terminal; ``agent`` answers, and may be changed between two messages."""

    screen: Screen
    room: AgentRoom
    agent: Agent
    conversation: Conversation
    locale: str = ""
    reasoning: bool = False
    words: bool = True
    messages: list[StoredMessage] = field(default_factory=list[StoredMessage])
    began: bool = False
    session: Session | None = None
    spent: Spent = field(default_factory=Spent)

    @property
    def unanswered(self) -> StoredMessage | None:
        """The last message, when it is the user's: its run was interrupted, and can go on."""
        return self.messages[-1] if self.messages and self.messages[-1].role == "user" else None

    async def say(self, text: str) -> Turn:
        """Sends a message, and shows what the agent does with it."""
        history = tuple(dict(message.body) for message in self.messages)
        run_id = uuid.uuid4().hex[:12]
        await self._begin(text)
        await self._keep([user_message(text)], run_id)
        return await self._run(text, history, run_id)

    async def go_on(self) -> Turn | None:
        """Goes on with a message whose run was interrupted; None when there is none."""
        open_message = self.unanswered
        if open_message is None:
            return None
        history = tuple(dict(message.body) for message in self.messages[:-1])
        text = str(open_message.body["parts"][0]["content"])
        return await self._run(text, history, open_message.run_id)

    async def _run(self, text: str, history: tuple[Message, ...], run_id: str) -> Turn:
        task = Task(id=run_id, description=text, workflow_id=self.conversation.id, history=history, locale=self.locale)
        view = ChatView(self.screen, reasoning=self.reasoning, words=self.words)
        chosen = self.room.run_settings()
        chosen["run_id"], chosen["labels"] = run_id, {LABEL: self.conversation.id}
        session = Session(self.screen, self.room.store, [view], Questions(self.screen, can_ask()))
        self.session = session
        try:
            finished = await session.carry_out(self.agent, task, chosen)
        finally:
            self.session = None
        self.spent.add(view.crew)
        report = finished.outcome.value if isinstance(finished.outcome, Completed) else None
        if report is not None:
            await self._keep(report.messages[1:], run_id)
        elif finished.began:
            await self._keep([assistant_message(_left(view.text, finished))], run_id)
        return Turn(finished, view, report)

    async def _begin(self, text: str) -> None:
        if self.began:
            return
        title = " ".join(text.split())
        title = title if len(title) <= TITLE else title[: TITLE - 1] + "…"
        self.conversation = replace(self.conversation, title=title or "(no words)")
        await self.room.store.archive.begin_conversation(self.conversation)
        self.began = True

    async def _keep(self, messages: Sequence[Message], run_id: str) -> None:
        first, now = len(self.messages), time.time()
        stored = [
            StoredMessage(seq=first + place, role=role_of(message), body=message, at=now, run_id=run_id)
            for place, message in enumerate(messages)
        ]
        await self.room.store.archive.add_messages(self.conversation.id, stored)
        self.messages += stored


def _left(text: str, finished: Finished) -> str:
    """Returns what is kept of an answer that did not come to its end."""
    how = f"[no further answer: {finished.outcome.status.replace('_', ' ')}]"
    return f"{text.rstrip()}\n\n{how}" if text.strip() else how


def new_conversation(agent_id: str) -> Conversation:
    """Returns a conversation without messages."""
    now = time.time()
    return Conversation(id=uuid.uuid4().hex[:12], title="", agent_id=agent_id, created_at=now, updated_at=now)


async def open_talk(
    screen: Screen, room: AgentRoom, *, agent: str | None, resume: str | None, locale: str = "", reasoning: bool = False
) -> Talk:
    """Begins a conversation, or goes on with one: its id, how that begins, or ``last``."""
    if resume is None:
        chosen = room.agent(agent)
        return Talk(screen, room, chosen, new_conversation(chosen.config.id), locale, reasoning)
    found = await find_conversation(room, resume)
    talk = Talk(screen, room, room.agent(agent or found.agent_id), found, locale, reasoning, began=True)
    talk.messages = await room.store.archive.messages(found.id)
    return talk


async def find_conversation(room: AgentRoom, text: str) -> Conversation:
    """Returns a conversation by its id, by how its id begins, or the last one; raises ``NotKept``."""
    archive = room.store.archive
    recent = await archive.conversations(limit=KEPT)
    if text == "last":
        if not recent:
            raise DefinitionError("there is no conversation to go on with; begin one: stretto chat")
        return recent[0]
    near = [each for each in recent if each.id.startswith(text)]
    if len(near) == 1:
        return near[0]
    if near:
        raise NotKept("conversation", text, [each.id for each in near[:5]])
    return await archive.conversation(text)
