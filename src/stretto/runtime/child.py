"""What runs in a step's own process: it reads one call from stdin, makes it, writes the answer to a pipe, and ends.

This file is run by its path and imports nothing of the package, so that the process starts fast and holds only what
the function's own module needs. Two pickles come in: the place of the function with the settings of the process, then
the arguments. One goes out, after its length in eight bytes: ``("value", output)``, ``("raised", how, type, message,
traceback)``, ``("memory",)`` when the limit was met, or ``("unsendable", why)``.

The limit is ``RLIMIT_DATA`` (setrlimit(2)), which on Linux counts the heap and every private writable mapping, arrays
included: what the bare interpreter holds already, plus the bytes that the branch was given. It is set before anything
of the caller's is imported or unpickled.
"""

from __future__ import annotations

import errno
import importlib
import importlib.util
import os
import pickle
import sys
import types
from collections.abc import Callable
from typing import Any, BinaryIO

MAIN = "__mp_main__"
"""The name under which the caller's main program is loaded; ``multiprocessing`` uses the same."""
_loaded: list[types.ModuleType] = []


def limit_memory(memory: int) -> None:
    """Holds this process to so many bytes more than it has now."""
    import resource

    with open("/proc/self/statm", encoding="ascii") as pages:
        held = int(pages.read().split()[5]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = held + memory if hard == resource.RLIM_INFINITY else min(held + memory, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def die_with_parent(lifeline: int) -> None:
    """Kills this process and its group once the parent's end of the lifeline is closed."""
    import signal
    import threading

    def watch() -> None:
        os.read(lifeline, 1)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def load_main(main: dict[str, Any]) -> types.ModuleType:
    """Loads the caller's main program under another name, so that what it does only as a program is not done."""
    if _loaded:
        return _loaded[0]
    import runpy

    if main["module"]:
        held = runpy.run_module(main["module"], run_name=MAIN, alter_sys=True)
    else:
        held = runpy.run_path(main["file"], run_name=MAIN)
    module = types.ModuleType(MAIN)
    module.__dict__.update(held)
    sys.modules["__main__"] = sys.modules[MAIN] = module
    _loaded.append(module)
    return module


def load(name: str, file: str | None, main: dict[str, Any]) -> Any:
    """Returns a module by name, or from its file when the name alone does not lead there."""
    if name == "__main__":
        return load_main(main)
    try:
        spec = importlib.util.find_spec(name)
    except (ModuleNotFoundError, ValueError):
        spec = None
    if file is None or (
        spec is not None and spec.origin is not None and os.path.realpath(spec.origin) == os.path.realpath(file)
    ):
        return importlib.import_module(name)
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        return importlib.import_module(name)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def resolve(module: Any, qualname: str) -> Callable[..., Any]:
    """Returns the function under a name; a step that was made of it gives it back."""
    found = module
    for part in qualname.split("."):
        found = getattr(found, part)
    steps = sys.modules.get("stretto.core.step")
    if steps is not None and isinstance(found, steps.Step):
        found = getattr(found, "function", found)  # of a step or a tool
    called: Callable[..., Any] = found
    return called


class Arguments(pickle.Unpickler):
    """Reads the arguments; classes of the caller's main program are looked for in the loaded copy."""

    def __init__(self, stream: BinaryIO, main: dict[str, Any]) -> None:
        super().__init__(stream)
        self._main = main

    def find_class(self, module: str, name: str) -> Any:
        if module == "__main__":
            load_main(self._main)
        return super().find_class(module, name)


def describe(error: Exception) -> tuple[Any, ...]:
    """Returns an error in a form that comes back the same: as itself, as its parts, or as words only."""
    import traceback

    shown = error.__traceback__.tb_next if error.__traceback__ is not None else None
    told = "".join(traceback.format_exception(type(error), error, shown))
    how: bytes | None = None
    for form in (error, (type(error), error.args, error.__dict__)):
        try:
            written = pickle.dumps(form)
            back = rebuild(pickle.loads(written))
            if type(back) is type(error) and str(back) == str(error):
                how = written
                break
        except Exception:  # noqa: BLE001, S112  # whatever a foreign __reduce__ raises: this form does not do
            continue
    return ("raised", how, f"{type(error).__module__}.{type(error).__qualname__}", str(error), told)


def rebuild(form: Any) -> BaseException:
    """Returns an error from its form: errors whose ``__init__`` takes other arguments are put together without it."""
    if isinstance(form, BaseException):
        return form
    kind, args, held = form
    made: BaseException = kind.__new__(kind, *args)
    made.__dict__.update(held)
    return made


def call(header: dict[str, Any], stream: BinaryIO) -> tuple[Any, ...]:
    """Makes the call and returns the answer."""
    try:
        function = resolve(load(header["module"], header["file"], header["main"]), header["qualname"])
        args, keywords = Arguments(stream, header["main"]).load()
        give_up_stdin(stream)
        output = function(*args, **keywords)
        if hasattr(output, "__await__"):
            import asyncio

            output = asyncio.run(awaited(output))
        return ("value", output)
    except MemoryError as error:
        if header["memory"] is None:
            return describe(error)
    except Exception as error:  # noqa: BLE001  # it is the caller's, and goes there
        if header["memory"] is None or getattr(error, "errno", None) != errno.ENOMEM:
            return describe(error)
    return ("memory",)


async def awaited(output: Any) -> Any:
    """Returns what an awaitable gives."""
    return await output


def give_up_stdin(stream: BinaryIO) -> None:
    """Makes stdin an empty file: what came through it was ours."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, stream.fileno())
    os.close(nothing)


def written(answer: tuple[Any, ...], memory: int | None) -> bytes:
    """Returns the answer as bytes, or why there is none."""
    try:
        return pickle.dumps(answer)
    except MemoryError as error:
        return pickle.dumps(("memory",) if memory is not None else describe(error))
    except Exception as error:  # noqa: BLE001  # pickling runs foreign code, which raises what it likes
        return pickle.dumps(("unsendable", f"{type(error).__name__}: {error}"))


def main() -> None:
    """Serves one call."""
    answers, lifeline, watching = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "watch"
    os.set_inheritable(answers, False)
    if watching:
        die_with_parent(lifeline)
    stream = sys.stdin.buffer
    header = pickle.load(stream)
    if header["memory"] is not None:
        limit_memory(header["memory"])
    sys.path[:], sys.argv[:] = header["path"], header["argv"]
    payload = written(call(header, stream), header["memory"])
    with open(answers, "wb") as out:
        out.write(len(payload).to_bytes(8, "big"))
        out.write(payload)


if __name__ == "__main__":
    main()
