"""Says times in words and finds the marks of an axis."""

from __future__ import annotations

from math import ceil, floor, log10
from typing import NamedTuple

_LONG_STEPS = (60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 10800.0, 21600.0, 43200.0, 86400.0)
_SECOND_STEPS = (1.0, 2.0, 5.0, 10.0, 15.0, 30.0)
_SMALL_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))
_DAY = 86400.0


class Tick(NamedTuple):
    """A mark on an axis: where (seconds) and what it says."""

    at: float
    label: str


def duration_text(seconds: float) -> str:
    """Returns a duration as people say it: ``450 µs``, ``1.68 s``, ``2 m 05 s``, ``1 h 02 m``, ``3 d 04 h``."""
    if seconds <= 0:
        return "0 s"
    if seconds < 0.0009995:
        return f"{max(1, round(seconds * 1e6))} µs"
    if seconds < 0.9995:
        milliseconds = seconds * 1e3
        return f"{milliseconds:.1f} ms" if milliseconds < 9.95 else f"{milliseconds:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.2f} s" if seconds < 9.995 else f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} m {whole % 60:02d} s"
    if whole < _DAY:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} m"
    return f"{whole // 86400} d {whole % 86400 // 3600:02d} h"


def share_text(share: float) -> str:
    """Returns a share between 0 and 1 as a percentage."""
    return f"{share * 100:.0f} %"


def ticks(total: float, most: int) -> tuple[Tick, ...]:
    """Returns at most ``most`` evenly spaced marks from 0 to ``total`` seconds, on steps that people count in."""
    if total <= 0 or most < 2:
        return (Tick(0.0, "0"),)
    step = _step(total / (most - 1))
    return tuple(
        Tick(index * step, _label(index * step, step, total)) for index in range(floor(total / step * (1 + 1e-9)) + 1)
    )


def _step(least: float) -> float:
    """Returns the smallest step of 1, 2 or 5 times a power of ten, or of minutes, hours, days, that is not less."""
    if least > _DAY:
        return _DAY * _decimal_step(least / _DAY)
    for step in (*_SECOND_STEPS, *_LONG_STEPS) if least > 0.5 else ():
        if step >= least:
            return step
    return _decimal_step(least)


def _decimal_step(least: float) -> float:
    power = 10.0 ** floor(log10(least))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= least * (1 - 1e-9))


def _label(at: float, step: float, total: float) -> str:
    if at == 0:
        return "0"
    if total >= 2 * _DAY and step >= _DAY:
        return f"{round(at / _DAY)} d"
    if total >= 7200:
        return f"{int(at) // 3600}:{int(at) % 3600 // 60:02d} h"
    if total >= 180:
        return f"{int(at) // 60}:{int(at) % 60:02d} m" if step >= 1 else f"{at:g} s"
    size, unit = next(pair for pair in _SMALL_UNITS if total >= pair[0] * 0.9995 or pair[1] == "µs")
    digits = max(0, ceil(-log10(step / size) - 1e-9))
    return f"{at / size:.{digits}f} {unit}"


def count_text(count: int) -> str:
    """Returns a count of tokens as people say it: ``980``, ``12.3k``, ``1.2M``."""
    if count < 1000:
        return str(count)
    if count < 999_950:
        return f"{count / 1000:.1f}k"
    return f"{count / 1_000_000:.1f}M"


def cost_text(cost: float) -> str:
    """Returns US dollars as text: ``$12.35``, ``$0.500``, and two digits of what is less than ten cents."""
    if cost == 0 or cost >= 0.995:
        return f"${cost:,.2f}"
    if cost < 1e-6:
        return "under $0.000001"
    return f"${cost:.3f}" if cost >= 0.0995 else f"${float(f'{cost:.2g}'):.8f}".rstrip("0")
