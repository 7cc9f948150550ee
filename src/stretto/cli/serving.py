"""The command ``stretto serve``: agents and workflows over HTTP, until it is stopped."""

from __future__ import annotations

import os
import sys
from contextlib import redirect_stdout
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from stretto.cli.running import StoreOption

if TYPE_CHECKING:
    from stretto.cli.screen import Screen
    from stretto.configuring.settings import Settings
    from stretto.core.step import Step

LogFormat = Literal["auto", "json", "text"]


def serve(
    context: typer.Context,
    targets: Annotated[
        list[str] | None, typer.Argument(metavar="TARGET", help="Workflows: flow.py:name, module:name or a plan file.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Where to listen; 127.0.0.1 unless the settings say it.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="8400 unless set; 0 takes a free one.")] = None,
    token_file: Annotated[
        Path | None, typer.Option(help="A file that holds the token which clients have to send.", metavar="FILE")
    ] = None,
    store: StoreOption = None,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page, where there is a terminal and a browser.")
    ] = True,
    example: Annotated[
        bool,
        typer.Option("--example/--no-example", help="On the very first start, survey the examples that came along."),
    ] = True,
    log: Annotated[
        LogFormat, typer.Option(help="How the log is written to stderr; auto is text on a terminal, JSON elsewhere.")
    ] = "auto",
) -> None:
    """Serve agents and workflows over HTTP: commands, events, OpenAI's and other protocols, and a page.

    Only this machine can reach it, unless there is a token. Ctrl-C or SIGTERM ends it in order: what runs may end
    within server.grace seconds, the rest is suspended, and goes on at the next start. A second one kills.
    """
    from stretto.cli.places import open_store
    from stretto.configuring.settings import load
    from stretto.runtime.loop import drive
    from stretto.server.logs import logging_to
    from stretto.server.serving import Stop
    from stretto.server.serving import serve as serve_until

    screen: Screen = context.obj
    said = {"host": host, "port": port, "token_file": token_file}
    given = {name: value for name, value in said.items() if value is not None}
    settings = load(database=store, server=given or None)
    with redirect_stdout(sys.stderr):  # whatever a file prints while it is imported
        steps = workflows(targets or ())

    def ready(url: str, opening: str) -> None:
        screen.line(url)
        screen.say(f"Stretto serves at {url}; Ctrl-C ends it", "bold")
        if browser:
            open_page(opening)

    stop = Stop()
    form: Literal["json", "text"] = ("text" if sys.stderr.isatty() else "json") if log == "auto" else log

    async def main() -> None:
        async with open_store(settings.database) as opened:
            await serve_until(settings, opened, steps, stop=stop, ready=ready, demonstrate=example)

    with logging_to(form=form, secrets=secrets_of(settings)):
        drive(main(), stop)


def workflows(targets: list[str] | tuple[str, ...]) -> dict[str, Step[Any, Any]]:
    """Returns the workflows by their names; raises ``DefinitionError`` for two of one name."""
    from stretto.cli.targets import find_target
    from stretto.core.errors import DefinitionError

    found: dict[str, Step[Any, Any]] = {}
    for text in targets:
        step = find_target(text).runnable
        if step.name in found:
            raise DefinitionError(f"two workflows are called {step.name!r}; give one of them another name")
        found[step.name] = step
    return found


def secrets_of(settings: Settings) -> list[str]:
    """Returns what must not stand in a log: the token, and what the headers of providers say."""
    from stretto.server.safety_tokens import with_token

    token = with_token(settings).server.token
    headers = [value for provider in settings.providers.values() for value in provider.headers.values()]
    return [*headers, *([] if token is None else [token.get_secret_value()])]


def open_page(url: str) -> Thread | None:
    """Opens the page where there are a terminal and a browser with windows; returns who does it."""
    windows = sys.platform in ("win32", "darwin") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if not (windows and sys.stdout.isatty()):
        return None
    import webbrowser

    opening = Thread(target=webbrowser.open, args=(url,), daemon=True)
    opening.start()
    return opening
