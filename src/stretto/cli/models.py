"""The commands about models: ``stretto models``, ``models list``, ``models key`` and ``models test``."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from stretto.cli.screen import Screen
    from stretto.models.model import Model, Reply
    from stretto.models.resolve import Models

QUESTION = "Answer with the single word: ready"
"""What ``stretto models test`` asks."""
MOST_TOKENS = 256
ENOUGH = 1000
"""Prices are asked for so many tokens: some models take more per token when there are many."""

models = typer.Typer(help="List providers and models; keep keys, and try models.", invoke_without_command=True)

JsonOption = Annotated[bool, typer.Option("--json", help="A JSON array on stdout.")]


@models.callback()
def overview(context: typer.Context, as_json: JsonOption = False) -> None:
    """List providers and models; keep keys, and try models.

    Every provider may be described anew, and others added, in [bold]stretto.toml[/bold].
    """
    if context.invoked_subcommand is None:
        _providers(context.obj, as_json)


@models.command("list")
def list_models(
    context: typer.Context,
    provider: Annotated[
        str | None, typer.Argument(metavar="PROVIDER", help="Whose models; all providers without.")
    ] = None,
    search: Annotated[str | None, typer.Option("--search", help="A part of the model's name.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the models of a provider with context window and price; without one, the providers."""
    screen: Screen = context.obj
    if provider is None and search is None:
        _providers(screen, as_json)
        return
    known = _configured()
    if provider is not None:
        check_provider(provider, known)
    names = known.names if provider is None else (provider,)
    rows = [row for name in names for row in _rows(known, name, (search or "").casefold())]
    if as_json:
        screen.line(json.dumps(rows, ensure_ascii=False, indent=2))
    elif rows:
        screen.out.print(_model_table(rows))
        screen.say("prices in US dollars per million tokens; any other model of a provider may be named as well")
    else:
        what = f"no model {search!r} is known" if search else f"no models of {provider} are known by name"
        screen.say(f"{what}; ask for one all the same: stretto models test {provider or 'PROVIDER'}:MODEL")


def _configured() -> Models:
    from stretto.configuring.model_settings import models_of
    from stretto.configuring.settings import load

    return models_of(load(), attempts=1)


def check_provider(provider: str, known: Models) -> None:
    """Raises ``TargetNotFound`` for a provider that is not known."""
    from stretto.cli.exits import TargetNotFound
    from stretto.models.pricing import near

    if provider not in known.names:
        alike = near(provider, known.names)
        hint = f"did you mean {' or '.join(map(repr, alike))}?" if alike else "`stretto models` lists them"
        raise TargetNotFound(f"there is no provider {provider!r}; {hint}")


def _rows(known: Models, provider: str, search: str) -> list[dict[str, Any]]:
    from stretto.core.ledger import Usage
    from stretto.models.offline import RULES
    from stretto.models.pricing import context_window, known_models

    own = (id.partition(":")[2] for id in known.prices.own if id.startswith(f"{provider}:"))
    names = RULES if provider == "offline" else (*known_models(provider), *own)
    asked, answered = Usage(input_tokens=ENOUGH), Usage(output_tokens=ENOUGH)
    return [
        {
            "model": id,
            "context_window": context_window(id),
            "input": _per_million(known.prices.cost(id, asked)),
            "output": _per_million(known.prices.cost(id, answered)),
        }
        for id in sorted({f"{provider}:{name}" for name in names if name != "*"})
        if search in id.casefold()
    ]


def _per_million(cost: float | None) -> float | None:
    return None if cost is None else round(cost * 1e6 / ENOUGH, 6)


def _model_table(rows: list[dict[str, Any]]) -> Any:
    table = _plain_table("model")
    for heading in ("context", "input", "output"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        window = row["context_window"]
        table.add_row(
            row["model"], "unknown" if window is None else f"{window:,}", _price(row["input"]), _price(row["output"])
        )
    return table


def _price(price: float | None) -> str:
    return "unknown" if price is None else "free" if price == 0 else f"${price:,.2f}" if price >= 0.1 else f"${price:g}"


def _plain_table(*headings: str) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bright_black", padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading, no_wrap=True)
    return table


def _providers(screen: Screen, as_json: bool) -> None:
    from rich.text import Text

    known = _configured()
    rows = [_provider_row(known, name) for name in known.names]
    if as_json:
        screen.line(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    table = _plain_table("provider")
    table.add_column("models", justify="right", no_wrap=True)
    table.add_column("key", no_wrap=True)
    table.add_column("", ratio=1, no_wrap=True, overflow="ellipsis")
    table.expand = True  # so that the last column is the one that is cut
    for row in sorted(rows, key=lambda row: not (row["key"] or row["local"])):  # those that can be asked come first
        place, variable = row["key"], row["variable"]
        told = (
            f"in the {place}"
            if place
            else "missing"
            if variable
            else "needs none"
            if row["local"]
            else "signs in its own way"
        )
        style = "green" if place or row["local"] else ""
        hint = "" if place or not variable else f"set {variable}, or: stretto models key {row['provider']}"
        table.add_row(
            row["provider"], str(row["models"] or ""), Text(told, style=style), Text(hint, style="bright_black")
        )
    screen.out.print(table)
    screen.say("`stretto models list PROVIDER` shows its models with their prices")


def _provider_row(known: Models, name: str) -> dict[str, Any]:
    from stretto.models.keys import VARIABLES, variables
    from stretto.models.offline import RULES
    from stretto.models.pricing import LOCAL, known_models

    config = known.providers.get(name)
    own = (config.key_name,) if config is not None and config.key_name else ()
    needs = bool(own) or (config is None and name in VARIABLES)
    return {
        "provider": name,
        "models": len(RULES) if name == "offline" else len(known_models(name)),
        "key": known.keys.where(name, own) if needs else None,
        "variable": (own or variables(name))[0] if needs else None,
        "local": name in LOCAL or (config is not None and not needs),
    }


@models.command()
def key(
    context: typer.Context,
    provider: Annotated[str, typer.Argument(metavar="PROVIDER", help="Whose key it is.", show_default=False)],
    delete: Annotated[bool, typer.Option("--delete", help="Take it out of the keyring.")] = False,
) -> None:
    """Keep a provider's key in the system's keyring. It is asked for without being shown, or read from a pipe."""
    from stretto.cli.exits import TargetNotFound
    from stretto.models.keys import delete_key, set_key

    screen: Screen = context.obj
    check_provider(provider, _configured())
    if delete:
        if not delete_key(provider):
            raise TargetNotFound(f"the keyring holds no key of {provider!r}")
        screen.say(f"removed the key of {provider} from the keyring")
        return
    set_key(provider, _asked_key(provider))
    screen.say(f"the keyring holds the key of {provider}; try it: stretto models test {provider}:MODEL")


def _asked_key(provider: str) -> Any:
    from getpass import getpass

    from pydantic import SecretStr

    if sys.stdin.isatty():
        return SecretStr(getpass(f"key of {provider} (not shown): "))
    return SecretStr(sys.stdin.readline())


@models.command("test")
def try_model(
    context: typer.Context,
    model: Annotated[str, typer.Argument(metavar="PROVIDER:MODEL", help="Which model.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Ask a model one tiny question, and tell what it answered, how long it took and what it cost."""
    import time

    from stretto.runtime.loop import drive

    screen: Screen = context.obj
    known = _configured()
    asked = known.get(model)

    async def ask() -> tuple[Reply, float]:
        async with known:
            began = time.monotonic()
            return await _ask(asked), time.monotonic() - began

    reply, seconds = drive(ask())
    if as_json:
        told = {
            "model": reply.model, "answer": reply.text, "seconds": round(seconds, 3), "cost": reply.cost,
            "input_tokens": reply.usage.input_tokens, "output_tokens": reply.usage.output_tokens,
        }  # fmt: skip
        screen.line(json.dumps(told, ensure_ascii=False))
        return
    _write(screen, reply, seconds)


async def _ask(model: Model) -> Reply:
    from stretto.models.messages import user_message
    from stretto.models.model import ModelCall
    from stretto.runtime.run import run

    return await run(model, ModelCall(messages=(user_message(QUESTION),), max_tokens=MOST_TOKENS))


def _write(screen: Screen, reply: Reply, seconds: float) -> None:
    from stretto.monitoring.labels import clean
    from stretto.monitoring.units import duration_text

    cost = "price unknown" if reply.cost is None else "free" if reply.cost == 0 else f"${reply.cost:.6f}"
    tokens = f"{reply.usage.input_tokens:,} tokens in, {reply.usage.output_tokens:,} out"
    screen.result(clean(reply.text.strip()) or "(an empty answer)")
    screen.say(f"{reply.model} answered in {duration_text(seconds)}; {tokens}; {cost}", "green")
