"""Whatever a model, a server or a file says: no control character of it reaches the terminal."""

import io
import sys

import pytest

from stretto.cli.chat_view import ChatView
from stretto.cli.failures import tell
from stretto.cli.health import Finding, _write
from stretto.cli.screen import Screen, harmless

EVIL = "a\x1b]0;owned\x07\x1b[2J\x9b31m\x08\rb\u202ec"


class Tty(io.StringIO):
    def isatty(self):
        return True


def raised():
    try:
        raise OSError(EVIL)
    except OSError as error:
        return error


@pytest.mark.parametrize(
    "write",
    [
        lambda screen: screen.say(EVIL, "red"),
        lambda screen: screen.result(EVIL),
        lambda screen: screen.line(EVIL),
        lambda screen: tell(screen, raised()),
        lambda screen: ChatView(screen)._line(EVIL, "yellow"),
        lambda screen: _write(screen, [Finding(EVIL[:1], "wrong", EVIL, EVIL)], 1),
    ],
    ids=["say", "result", "line", "tell", "chat", "doctor"],
)
def test_nothing_that_is_written_steers_the_terminal(monkeypatch, write):
    terminal = Tty()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setattr(sys, "stderr", terminal)
    write(Screen(colour=False, debug=True))
    shown = terminal.getvalue()
    assert "a" in shown
    assert not set(shown) & set("\x07\x08\r\x9b\u202e"), shown
    assert "\x1b]" not in shown
    assert "\x1b[2J" not in shown


def test_lines_for_machines_are_left_as_they_are(monkeypatch):
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    Screen().line(EVIL)
    assert out.getvalue() == EVIL + "\n"


def test_words_in_any_script_signs_tabs_and_lines_stay():
    text = "naïve 日本 👩\u200d💻 עברית\tx\ny"
    assert harmless(text) == text
