"""The token that lets a client in: where it comes from, how it is compared, and the cookie that stands for it."""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Callable, Sequence

from pydantic import SecretStr

from stretto.configuring.settings import ServerTable, Settings
from stretto.core.errors import DefinitionError

COOKIE = "stretto_session"
SESSION = 30 * 24 * 3600
"""How long a browser is let in before it is asked for the token again (seconds)."""
SHORTEST = 16
"""How many characters a token has at the least."""
_MOST = 4096
_SESSION = re.compile(r"[0-9a-z.]{1,100}")


class TokenRefused(DefinitionError):
    """A token that cannot guard a server, or is not where it should be."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{where}: {why}; make one of {SHORTEST} characters or more: openssl rand -hex 32")
        self.where, self.why = where, why


def with_token(settings: Settings) -> Settings:
    """Returns settings whose server has the token of its ``token_file``, if it names one.

    Raises ``TokenRefused`` for a file that cannot be read, and for a token that is too short or no line of ASCII.
    """
    server = settings.server
    if server.token is None and server.token_file is None:
        return settings
    where, token = _read(server)
    if not SHORTEST <= len(token) <= _MOST or not (token.isascii() and token.isprintable()) or " " in token:
        raise TokenRefused(where, f"a token is one word of {SHORTEST} to {_MOST:,} ASCII characters")
    changed = server.model_copy(update={"token": SecretStr(token), "token_file": None})
    return settings.model_copy(update={"server": changed})


def _read(server: ServerTable) -> tuple[str, str]:
    if server.token is not None:
        if server.token_file is not None:
            raise TokenRefused("server.token", "there is a token_file, too; say one of them")
        return "server.token", server.token.get_secret_value()
    where = f"the token file {server.token_file}"
    assert server.token_file is not None
    try:
        with server.token_file.open(encoding="utf-8") as file:
            return where, file.read(_MOST + 2).strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "it is no text"
        raise TokenRefused(where, f"cannot be read: {why}") from None


class Token:
    """Says whether a client may come in; without a secret everybody may."""

    def __init__(self, secret: SecretStr | None, clock: Callable[[], float] = time.time) -> None:
        self._secret = None if secret is None else secret.get_secret_value().encode()
        self._clock = clock

    @property
    def needed(self) -> bool:
        """Says whether a token is needed at all."""
        return self._secret is not None

    def is_right(self, given: str) -> bool:
        """Compares a token in a time that tells nothing of it."""
        return self._secret is not None and hmac.compare_digest(
            _digest(given.encode("utf-8", "replace")), _digest(self._secret)
        )

    def session(self) -> str:
        """Returns what a browser keeps in place of the token: it ends by itself, and when the token changes."""
        return self._signed(str(int(self._clock()) + SESSION))

    def holds(self, session: str) -> bool:
        """Says whether a session was given out with this token and has not ended."""
        ends, _, _ = session.partition(".")
        if self._secret is None or not (ends.isascii() and ends.isdigit() and len(ends) < 20):
            return False
        right = hmac.compare_digest(session.encode("utf-8", "replace"), self._signed(ends).encode())
        return right and int(ends) > self._clock()

    def _signed(self, ends: str) -> str:
        assert self._secret is not None
        return f"{ends}.{hmac.new(self._secret, b'stretto session ' + ends.encode(), hashlib.sha256).hexdigest()}"


def bearer_of(values: Sequence[str]) -> str | None:
    """Returns the token of ``Authorization`` headers, None when they hold none."""
    for value in values:
        scheme, _, token = value.strip().partition(" ")
        if scheme.lower() == "bearer" and token.strip():
            return token.strip()
    return None


def session_of(values: Sequence[str]) -> str | None:
    """Returns the session of ``Cookie`` headers, None when they hold none; what else is in them is passed over."""
    for value in values:
        for cookie in value.split(";"):
            name, _, held = cookie.partition("=")
            if name.strip() == COOKIE and _SESSION.fullmatch(held.strip()):
                return held.strip()
    return None


def _digest(text: bytes) -> bytes:
    return hashlib.sha256(text).digest()
