"""The offline model's rule for arithmetic: finds the expression in a question and has the calculator compute it."""

from __future__ import annotations

import re
from typing import Any

from stretto.models.offline_json import fields_of, json_value
from stretto.models.offline_rule import Asked, Move, Rule, next_move
from stretto.models.offline_sight import Sight

CALCULATOR = "CalculatorTool"
_WORDS = {
    r"multiplied by|multipli[ée]e? par|times|fois": "*",
    r"divided by|divis[ée]e? par|over": "/",
    r"to the power of|à la puissance|puissance": "**",
    r"plus": "+",
    r"minus|moins": "-",
    r"squared|au carré": "**2",
    r"cubed|au cube": "**3",
    r"(?:the )?square root of|(?:la )?racine carrée de": "sqrt",
    r"(?:percent|per cent|pour cent) (?:of|de)": "/100*",
}
_SIGNS = {"×": "*", "·": "*", "÷": "/", "−": "-", "^": "**", "²": "**2", "³": "**3"}
_NUMBER = r"\d+(?:\.\d+)?(?:[eE][+-]?\d+)?"
_FUNCTION = (
    r"\b(?:a?(?:sin|cos|tan)h?|atan2|sqrt|cbrt|exp2?|ln|log10|log|abs|sign|floor|ceil|round|trunc|degrees|radians|pow"
    r"|nroot|min|max)\b"
)
_EXPRESSION = re.compile(rf"(?<![A-Za-z_])(?:{_FUNCTION}|{_NUMBER}|\bpi\b|\*\*|[-+*/%(),\s])+")
_OPERATED = re.compile(
    rf"(?:(?<!\d){_NUMBER}|pi|\))\s*(?:\*\*|[-+*/%])\s*\(*\s*-?\s*(?:{_NUMBER}|pi|{_FUNCTION})|(?:{_FUNCTION})\s*\("
)
_RUN, _DATE, _LETTER = re.compile(r"[\w./-]+"), re.compile(r"\b\d{4}-\d{1,2}-\d{1,2}\b"), re.compile("[A-Za-z]")


class Arithmetic(Rule):
    """Computes what stands in the task as an expression, with the calculator and never by itself."""

    def fits(self, sight: Sight) -> bool:
        """Says whether the task holds an expression."""
        return expression_in(sight.task) is not None

    def move(self, sight: Sight) -> Move:
        """Calls the calculator, then says what it said."""
        expression = expression_in(sight.task) or ""
        call = sum_of(sight, expression)
        asked = next_move(sight, [("", [call])])
        if asked is not None:
            return asked
        told = sight.told(call.tool, call.arguments) if call is not None else None
        if told is None:
            return Move(
                sight.say(
                    "I have no calculator among my tools, and I do not compute by guessing.",
                    "Je n'ai pas de calculatrice parmi mes outils, et je ne calcule pas au hasard.",
                )
            )
        value = number_in(told.content) if told.ok else None
        if value is None:
            said = f"`{expression}`: {str(told.content)[:300]}"
            return Move(sight.say(f"The calculator could not say it. {said}", f"La calculatrice n'a pas pu. {said}"))
        return Move(f"{expression} = {value}", facts={"result": value, "value": value, "expression": expression})


def expression_in(task: str) -> str | None:
    """Returns the longest arithmetic expression of a task, or None."""
    text = _DATE.sub(" ; ", _RUN.sub(_without_place, re.sub(r"(?<=\d),(?=\d{3}\b)", "", task)))
    text = re.sub(r"%\s*(?:of|de)\b", "/100*", text)
    for word, sign in _WORDS.items():
        text = re.sub(rf"(?<!\w)(?:{word})(?!\w)", f" {sign} ", text, flags=re.IGNORECASE)
    for word, sign in _SIGNS.items():
        text = text.replace(word, sign)
    text = re.sub(rf"sqrt\s+({_NUMBER})", r"sqrt(\1)", text)
    text = re.sub(r",\s*(?=[-+*/])", " ", text)
    found = [" ".join(part.split()) for run in _EXPRESSION.findall(text) for part in _at_commas(run)]
    sums = [part for part in found if _OPERATED.search(part) and part.count("(") == part.count(")")]
    return max(sums, key=len, default=None)


def _without_place(run: re.Match[str]) -> str:
    """Returns what stands for a run of signs: a path of files divides nothing, and so ends an expression."""
    _, _, behind = run[0].partition("/")
    return " ; " if _LETTER.search(behind) else run[0]


def _at_commas(text: str) -> list[str]:
    """Returns the parts between commas; those inside parentheses separate arguments."""
    parts, depth = [""], 0
    for sign in text:
        depth += (sign == "(") - (sign == ")")
        if sign == "," and depth <= 0:
            parts.append("")
        else:
            parts[-1] += sign
    return parts


def sum_of(sight: Sight, expression: str) -> Asked | None:
    """Returns the call that computes an expression, or None where no calculator takes one."""
    if not sight.takes(CALCULATOR, "expression"):
        return None
    return Asked(CALCULATOR, {"expression": expression})


def number_in(content: Any) -> int | float | None:
    """Returns the number that a calculator has answered, or None when it has answered none."""
    value = json_value(content)
    given = fields_of(value)
    value = next((given[key] for key in ("result", "value") if key in given), value)
    if isinstance(value, str) and re.fullmatch(r"-?\d+", value):  # too long for a JSON number
        return int(value)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
