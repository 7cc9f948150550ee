"""Classes whose values the codec must bring back."""

import enum
from collections import namedtuple
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar

from pydantic import BaseModel, Field, HttpUrl, PrivateAttr, SecretStr

T = TypeVar("T")
IMPORTED_ON_PURPOSE = True


class Color(enum.Enum):
    RED = 1
    BLUE = "blue"


class Rights(enum.Flag):
    READ = 1
    WRITE = 2


class Level(enum.IntEnum):
    LOW = 1


@dataclass(frozen=True)
class Point:
    x: Any
    y: Any = 0


@dataclass(slots=True)
class Slotted(Generic[T]):
    held: T
    made: list[int] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self.made.append(1)


@dataclass
class Unset:
    never: int = field(init=False)


@dataclass
class Listed(list):
    name: str = ""


@dataclass
class Secretive:
    user: str
    password: str = field(repr=False)


@dataclass(repr=False)
class Speaking:
    rows: list[int]

    def __repr__(self) -> str:
        return "I speak for myself"


class Pair(NamedTuple):
    left: Any
    right: Any


Made = namedtuple("Made", "a b")  # noqa: PYI024  # made, not written
Hidden = namedtuple("Elsewhere", "a")  # noqa: PYI024  # found under another name


class Person(BaseModel):
    name: str
    full: str = Field("", alias="fullName")
    anything: Any = None
    _seen: int = PrivateAttr(0)


class Open(BaseModel, extra="allow"):
    a: int = 1


class Site(BaseModel):
    url: HttpUrl
    name: str = Field("", alias="siteName")


class Vault(BaseModel):
    secret: SecretStr


class OddError(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(f"odd {code}")
        self.code = code


@dataclass
class Refused(Exception):
    why: str


class Outer:
    @dataclass
    class Inner:
        n: int
