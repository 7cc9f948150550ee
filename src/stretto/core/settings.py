"""What is described by settings: one that it does not have is refused by its name, with those that it has."""

from __future__ import annotations

import inspect
from typing import Any, Self
from weakref import WeakKeyDictionary

from stretto.core.errors import UnknownSetting


class _Signature:
    """Shows a class with the parameters of its ``__init__``, as if nobody looked at them before."""

    def __get__(self, instance: object, owner: type[Any]) -> inspect.Signature:
        signature = inspect.signature(owner.__init__)
        return signature.replace(parameters=list(signature.parameters.values())[1:])


_found: WeakKeyDictionary[type[Any], frozenset[str] | None] = WeakKeyDictionary()


def _known(described: type[Any]) -> frozenset[str] | None:
    """Returns the names of a class's settings; None when it takes any."""
    if described not in _found:
        parameters = inspect.signature(described).parameters.values()
        takes_any = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters)
        _found[described] = None if takes_any else frozenset(parameter.name for parameter in parameters)
    return _found[described]


class Described:
    """A value made of settings; an unknown one raises ``UnknownSetting``, as everything that is refused when built."""

    __signature__ = _Signature()

    def __new__(cls, *args: Any, **settings: Any) -> Self:
        """Looks at the names of the settings; what they mean is the business of the class."""
        known = _known(cls)
        if known is not None and not settings.keys() <= known:
            raise UnknownSetting(cls.__name__, next(name for name in settings if name not in known), known)
        if cls.__init__ is object.__init__:  # which would take any arguments, and read none
            return super().__new__(cls, *args, **settings)
        return super().__new__(cls)
