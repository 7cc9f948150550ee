"""Rules of the offline model for what is no work: a task without content, a greeting, what it has no skill for."""

from __future__ import annotations

from stretto.models.offline_rule import Asked, Move, Rule, next_move
from stretto.models.offline_sight import Sight, words_in

_QUESTION = "UserQuestionTool"
_FILLERS = words_in("please help me ok yes go do it something now s'il te plaît svp vas y aide moi oui")
_GREETINGS = words_in(
    "hello hi hey greetings morning evening thanks thank bye bonjour salut bonsoir coucou merci revoir"
)
_LONGEST_GREETING = 6  # words


class NothingAsked(Rule):
    """Asks what is wanted when a task has no content."""

    def fits(self, sight: Sight) -> bool:
        """Says whether no word of the task means anything."""
        return not sight.words() - _FILLERS and not any(character.isdigit() for character in sight.task)

    def move(self, sight: Sight) -> Move:
        """Asks the user where a tool for that is on offer, else says what could be asked for."""
        question = sight.say("What shall I do?", "Que dois-je faire ?")
        asked = next_move(sight, [("", [_asking(sight, question)])])
        return asked if asked is not None else Move(f"{question} {abilities(sight)}")


class Greeting(Rule):
    """Greets back."""

    def fits(self, sight: Sight) -> bool:
        """Says whether a short task greets."""
        words = sight.words()
        return bool(words & _GREETINGS) and len(words) <= _LONGEST_GREETING

    def move(self, sight: Sight) -> Move:
        """Greets, and says what it can do."""
        return Move(f"{sight.say('Hello.', 'Bonjour.')} {abilities(sight)}")


class NothingFits(Rule):
    """Says honestly that it has no rule for a task."""

    def fits(self, sight: Sight) -> bool:
        """Fits every task: it stands last."""
        return True

    def move(self, sight: Sight) -> Move:
        """Says what it cannot do, and what it can."""
        no = sight.say("I have no rule for this task, and I do not guess.", "Je n'ai pas de règle pour cette tâche.")
        return Move(f"{no} {abilities(sight)}")


def abilities(sight: Sight) -> str:
    """Returns what can be done with the tools on offer, in one or two sentences."""
    can = sight.say(
        "I survey a repository (structure, dependencies, quality) from the files that my tools let me read, and I "
        "calculate.",
        "Je fais l'inventaire d'un dépôt (structure, dépendances, qualité) d'après les fichiers que mes outils me "
        "laissent lire, et je calcule.",
    )
    more = sight.say(
        'For anything else choose a language model, for example with "--model".',
        "Pour le reste, choisissez un modèle de langage, par exemple avec « --model ».",
    )
    return f"{can} {more}"


def _asking(sight: Sight, question: str) -> Asked | None:
    if not sight.takes(_QUESTION, "question", "text_placeholder", "context"):
        return None
    example = sight.say("Survey this repository", "Fais l'inventaire de ce dépôt")
    return Asked(_QUESTION, {"question": question, "text_placeholder": example, "context": abilities(sight)})
