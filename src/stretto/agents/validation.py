"""Whether a call may be made: what is decided by rule, and what a human is asked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any, Literal, Self, TypeGuard

from pydantic import BaseModel, ConfigDict, Field, model_validator

from stretto.core.decisions import Decisions
from stretto.core.events import Asked, Said
from stretto.core.step import Answer, Context, Request
from stretto.tools.tool import WrongArguments

OperationKind = Literal["tool", "mcp", "sub_agent", "file_op", "db_op"]
Course = Literal["allow", "ask", "deny"]
"""What becomes of a call: it is made, a human is asked, or it is refused."""

PREVIEW, TASK_PREVIEW = 200, 100
"""How many characters of a prompt or of arguments are shown, and how many of each task of a batch."""
_RISKS = ("low", "medium", "high")
_SWITCHES: Mapping[str, str] = {
    "tool": "tools", "mcp": "mcp", "sub_agent": "sub_agents", "file_op": "file_ops", "db_op": "db_ops",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A call that somebody wants to make: ``operation`` is a sentence for the human, ``details`` what else to show.

    ``check`` returns edited arguments as the call takes them, or raises ``WrongArguments``.
    """

    type: OperationKind
    name: str
    operation: str
    risk: Literal["low", "medium", "high"]
    destructive: bool = False
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])
    details: Mapping[str, Any] = field(default_factory=dict[str, Any])
    agent_id: str = ""
    check: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = field(default=None, repr=False, compare=False)

    @property
    def server(self) -> str:
        """The MCP server that the call goes to; nothing for any other call."""
        told = self.details.get("server_name") or self.details.get("server")
        if told or self.type != "mcp":
            return str(told or "")
        return self.name.removeprefix("mcp__").partition("__")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether it may be made, with which arguments (a human may have edited them), who said so and why."""

    approved: bool
    arguments: Mapping[str, Any]
    reason: str = ""
    by: str = "rule"


class Validation(ABC):
    """Decides about proposals; the one that a run was given is ``context.resource(Validation)``."""

    @abstractmethod
    async def validate(self, context: Context, proposal: Proposal) -> Verdict:
        """Decides by rule, or asks a human at the step of ``context`` and waits."""


class ApprovalRule(BaseModel):
    """Says what becomes of calls by their names, whatever the mode: ``allow``, ``ask`` or ``deny``.

    ``tool``, ``server`` and ``agent`` (the calling agent's id) are patterns as for file names (``mcp__github__*``); all
    have to fit, and a rule with a ``server`` fits calls of MCP only. An ``allow`` covers destructive calls only where
    it says so.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    then: Course
    tool: str = Field(default="*", min_length=1)
    server: str = ""
    agent: str = Field(default="*", min_length=1)
    destructive: bool = False
    reason: str = ""

    @model_validator(mode="after")
    def _read(self) -> Self:
        if self.destructive and self.then != "allow":
            raise ValueError("destructive=True widens an 'allow'; 'ask' and 'deny' cover destructive calls anyway")
        return self

    def fits(self, proposal: Proposal) -> bool:
        """Says whether the rule is about this call."""
        if self.server and not (proposal.server and fnmatchcase(proposal.server, self.server)):
            return False
        return fnmatchcase(proposal.name, self.tool) and fnmatchcase(proposal.agent_id, self.agent)

    def __str__(self) -> str:
        """Says it as part of a sentence."""
        where = f" of {self.server!r}" if self.server else ""
        return f"the rule for {self.tool!r}{where} says {self.then}" + (f": {self.reason}" if self.reason else "")


class ApprovalSettings(BaseModel):
    """Which calls a human is asked about, and what holds when nobody answers.

    ``mode`` auto asks for destructive calls only, manual for all, selective for the kinds that are switched on.
    ``auto_approve_low`` lets calls of low risk pass that ``sub_agents``, ``mcp``, ``file_ops`` and ``db_ops`` would
    ask about. ``always_confirm_high`` asks about each call of high risk in any mode. ``timeout`` is in seconds, None
    waits for ever; then ``on_timeout`` holds, where escalate asks again, ``escalation_timeout`` seconds or for ever.
    Of the ``rules`` the first that fits counts.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    mode: Literal["auto", "manual", "selective"] = "selective"
    tools: bool = False
    sub_agents: bool = True
    mcp: bool = True
    file_ops: bool = True
    db_ops: bool = True
    auto_approve_low: bool = True
    always_confirm_high: bool = False
    timeout: float | None = Field(default=None, ge=30, le=300)
    on_timeout: Literal["reject", "approve", "escalate"] = "reject"
    escalation_timeout: float | None = Field(default=None, ge=30)
    rules: tuple[ApprovalRule, ...] = ()

    @model_validator(mode="after")
    def _read(self) -> Self:
        if self.timeout is None and self.on_timeout == "escalate":
            raise ValueError("on_timeout='escalate' needs a timeout after which it escalates")
        if self.escalation_timeout is not None and self.on_timeout != "escalate":
            raise ValueError("escalation_timeout is read with on_timeout='escalate' only")
        return self


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the settings say about a call, and why; ``each`` means that approving others never covers it."""

    course: Course
    reason: str
    each: bool = False


def decide(settings: ApprovalSettings, proposal: Proposal) -> Ruling:
    """Returns what the settings say about a call; see the table in ``docs/people.md``."""
    rule = next((rule for rule in settings.rules if rule.fits(proposal)), None)
    if rule is not None and rule.then == "deny":
        return Ruling("deny", str(rule))
    each = settings.always_confirm_high and proposal.risk == "high"
    if rule is not None and rule.then == "ask":
        return Ruling("ask", str(rule), each)
    if each:
        return Ruling("ask", "each call of high risk is confirmed", each)
    if rule is not None and (rule.destructive or not proposal.destructive):
        return Ruling("allow", str(rule))
    if proposal.destructive:
        return Ruling("ask", "it may destroy or send what cannot be taken back")
    if settings.mode == "auto":
        return Ruling("allow", "the mode is auto")
    if settings.mode == "manual":
        return Ruling("ask", "every call is asked for in manual mode")
    switch = _SWITCHES[proposal.type]
    if not getattr(settings, switch):
        return Ruling("allow", f"{switch} are not selected")
    if switch != "tools" and proposal.risk == "low" and settings.auto_approve_low:
        return Ruling("allow", "its risk is low")
    return Ruling("ask", f"calls of {switch} are asked for")


class Approvals(Validation):
    """Decides by its settings, and asks a human where they say so.

    Who approves may edit the arguments, and may approve all further calls of the same tool in this run that are no
    riskier. What was decided is in the run's log: ``audit`` tells it.
    """

    def __init__(self, settings: ApprovalSettings | None = None) -> None:
        self.settings = settings or ApprovalSettings()

    async def validate(self, context: Context, proposal: Proposal) -> Verdict:
        ruling = decide(self.settings, proposal)
        if ruling.course == "allow":
            return Verdict(approved=True, arguments=proposal.arguments, reason=ruling.reason)
        if ruling.course == "deny":
            return _told(context, proposal, Verdict(approved=False, arguments=proposal.arguments, reason=ruling.reason))
        decisions = context.resource(Decisions)
        request = self._request(proposal, ruling)
        if not ruling.each and not _was_asked(decisions, context, request):
            for asked, answer in decisions.answered():
                if answer.choice == "approve_all" and _covers(_scope_of(asked), _scope(proposal)):
                    reason = f"all calls of {proposal.name!r} were approved for this run"
                    verdict = Verdict(approved=True, arguments=proposal.arguments, reason=reason, by=answer.by)
                    return _told(context, proposal, verdict)
        return await self._ask(context, proposal, request)

    async def _ask(self, context: Context, proposal: Proposal, request: Request) -> Verdict:
        """Asks until somebody has said what can be done."""
        while True:
            answer = await context.ask(request)
            if answer.choice == "escalate":
                request = self._escalated(request, answer)
            elif answer.choice == "reject":
                reason = answer.reason or f"rejected by {answer.by or 'the user'}"
                return Verdict(approved=False, arguments=proposal.arguments, reason=reason, by=answer.by)
            else:
                try:
                    arguments = _edited(proposal, answer)
                except WrongArguments as error:
                    request = replace(
                        request, reason=f"it was edited, but {error}; approve it as it was, or edit again"
                    )
                    continue
                if answer.choice == "approve_all":
                    _settle_alike(context.resource(Decisions), _scope(proposal), answer)
                return Verdict(approved=True, arguments=arguments, reason=answer.reason, by=answer.by)

    def _request(self, proposal: Proposal, ruling: Ruling) -> Request:
        settings = self.settings
        choices = ("approve", "reject") if ruling.each else ("approve", "approve_all", "reject")
        default: str | None = None
        if settings.timeout is not None:
            default = settings.on_timeout
            if default == "approve" and proposal.destructive:
                default = "reject"  # silence does not destroy
            if default == "escalate":
                choices = (*choices, "escalate")
        return Request(
            question=proposal.operation, choices=choices, reason=ruling.reason, details=details_of(proposal),
            timeout=settings.timeout, default=default, topic="approval", risk=proposal.risk,
            value=dict(proposal.arguments),
        )  # fmt: skip

    def _escalated(self, request: Request, answer: Answer) -> Request:
        """Returns the request as it is asked again, of whoever comes after the one who did not answer."""
        limit = self.settings.escalation_timeout
        why = answer.reason or f"passed on by {answer.by or 'somebody'}"
        return replace(
            request,
            choices=tuple(choice for choice in request.choices if choice != "escalate"),
            reason=f"escalated: {why}",
            details={**request.details, "escalated": True},
            timeout=limit,
            default=None if limit is None else "reject",
        )


def details_of(proposal: Proposal) -> dict[str, Any]:
    """Returns what a human is shown of a call, by its kind; what is long is cut, in characters."""
    given = proposal.arguments
    shown: dict[str, Any] = {"approves": _scope(proposal), "agent_id": proposal.agent_id}
    if proposal.type != "sub_agent":
        shown |= {"server_name": proposal.server} if proposal.type == "mcp" else {"operation": proposal.operation}
        shown |= {"tool_name": proposal.name, "arguments_preview": cut(_text(dict(given)), PREVIEW)}
    elif _is_list(tasks := given.get("tasks")):
        shown |= {
            "operation_type": "parallel_batch",
            "task_count": len(tasks),
            "tasks": [
                {
                    "agent_id": task.get("agent_id", ""),
                    "prompt_preview": cut(_text(task.get("prompt", "")), TASK_PREVIEW),
                }
                for task in tasks
                if is_mapping(task)
            ],
        }
    else:
        prompt = _text(given.get("prompt", ""))
        shown |= {"prompt_preview": cut(prompt, PREVIEW), "prompt_length": len(prompt)}
        if "agent_id" in given:
            shown |= {"operation_type": "delegate", "target_agent_id": given["agent_id"]}
        else:
            named = {"sub_agent_name": given.get("name", "")}
            wanted: dict[str, Any] = {key: given.get(key) or [] for key in ("tools", "mcp_servers")}
            shown |= {"operation_type": "spawn", **named, **wanted}
    return shown | dict(proposal.details)


def cut(text: str, room: int) -> str:
    """Returns a text of at most ``room`` characters, with a mark where something is missing."""
    return text if len(text) <= room else text[: room - 1] + "…"


def _text(value: Any) -> str:
    from pydantic_core import to_json

    return value if isinstance(value, str) else to_json(value, fallback=str).decode()


def _scope(proposal: Proposal) -> dict[str, Any]:
    """Returns what approving all calls like this one would cover."""
    return {
        "type": proposal.type, "name": proposal.name, "risk": proposal.risk, "destructive": proposal.destructive,
    }  # fmt: skip


def _scope_of(asked: Asked) -> Mapping[str, Any]:
    """Returns what approving all would cover, as the log tells it; nothing where it was no approval of this kind."""
    if asked.topic != "approval" or not is_mapping(asked.details):
        return {}
    whole = asked.details.get("$cut", asked.details)  # of very long details the log holds the first
    scope = whole.get("approves") if is_mapping(whole) else None
    return scope if is_mapping(scope) else {}


def _covers(approved: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Says whether a call is like the one that was approved: the same tool, no riskier, no more destructive."""
    if not approved or not wanted or any(approved[key] != wanted[key] for key in ("type", "name")):
        return False
    riskier = _RISKS.index(wanted["risk"]) > _RISKS.index(approved["risk"])
    return not riskier and (approved["destructive"] or not wanted["destructive"])


def _was_asked(decisions: Decisions, context: Context, request: Request) -> bool:
    """Says whether the log holds this very question: then it is asked again, so that its answer finds it.

    What was approved meanwhile must not change which questions a step asks when it is gone through again.
    """
    return any(
        asked.path == context.path and asked.question == request.question and asked.value == request.value
        for asked in decisions.asked.values()
    )


def _settle_alike(decisions: Decisions, scope: Mapping[str, Any], answer: Answer) -> None:
    """Approves the open questions that approving all covers, each of which says so in the log."""
    for asked in decisions.open:
        if "approve_all" in asked.choices and _covers(scope, _scope_of(asked)):
            reason = f"all calls of {scope['name']!r} were approved for this run"
            decisions.answer(asked.request_id, Answer(choice="approve", reason=reason, by=answer.by))


def _edited(proposal: Proposal, answer: Answer) -> Mapping[str, Any]:
    """Returns the arguments as a human wants them; raises ``WrongArguments``."""
    if answer.value is None:
        return proposal.arguments
    if not is_mapping(answer.value):
        raise WrongArguments(proposal.name, (f"they must be a JSON object, not {cut(_text(answer.value), 80)}",))
    return answer.value if proposal.check is None else proposal.check(answer.value)


def _told(context: Context, proposal: Proposal, verdict: Verdict) -> Verdict:
    """Says in the log what was decided without a question."""
    word = "approved" if verdict.approved else "denied"
    text = f"{proposal.operation}: {word}, {verdict.reason}"
    data = {
        "validation": word, **_scope(proposal), "agent_id": proposal.agent_id, "operation": proposal.operation,
        "reason": verdict.reason, "by": verdict.by, "arguments_preview": cut(_text(dict(proposal.arguments)), PREVIEW),
    }  # fmt: skip
    context.emit(Said(text=text, level="info" if verdict.approved else "warning", data=data))
    return verdict


def is_mapping(value: object) -> TypeGuard[Mapping[str, Any]]:
    """Says whether a value has names and values."""
    return isinstance(value, Mapping)


def _is_list(value: object) -> TypeGuard[list[Any] | tuple[Any, ...]]:
    return isinstance(value, list | tuple)
