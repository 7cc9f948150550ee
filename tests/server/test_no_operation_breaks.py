"""Every operation, fed with what fits its description and what does not: each answer is one that is documented."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.specs.openapi.checks import positive_data_acceptance

from stretto.models.model import Model
from stretto.testing import ScriptedModel
from tests.server.background import Background

EXAMPLES = 3
"""How many requests of each kind are made for each operation."""
PROTOCOLS = ("/v1/", "/ag-ui")
"""Whose bodies follow rules of their protocols that no description says: a message with a call needs its result."""
PARTS = 4
"""In how many parts the operations are tested."""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    place: Path = tmp_path_factory.mktemp("server")
    with pytest.MonkeyPatch.context() as patch:
        from stretto.models.resolve import Models

        found: dict[str, Model] = {"scripted:model": ScriptedModel("Done.", forever=True)}
        get = Models.get
        patch.setattr(Models, "get", lambda self, id, fallbacks=(): found.get(id) or get(self, id, fallbacks))
        patch.chdir(place)
        patch.setenv("XDG_CONFIG_HOME", str(place / "config"))
        patch.delenv("STRETTO_DATABASE", raising=False)
        with Background(place / "server.db", {"server": {"requests_per_minute": 1_000_000}}) as background:
            yield background.url


@pytest.fixture(scope="module")
def operations(url: str) -> list[schemathesis.APIOperation]:
    """All operations but the streams, which never end: their own tests drive them."""
    found = schemathesis.openapi.from_url(f"{url}/openapi.json", timeout=60)
    found.config.base_url = url
    found = found.exclude(path_regex=r"/events$")
    return [result.ok() for result in found.get_all_operations()]


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("mode", [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE])
def test_no_operation_answers_what_it_does_not_document(
    operations: list[schemathesis.APIOperation], part: int, mode: schemathesis.GenerationMode
) -> None:
    problems: list[str] = []
    seen: dict[str, Any] = {}
    for operation in operations[part::PARTS]:
        strategy = operation.as_strategy(generation_mode=mode)

        @given(case=strategy)
        @settings(
            max_examples=EXAMPLES, deadline=None, derandomize=True, database=None,
            suppress_health_check=list(HealthCheck), phases=[Phase.generate],  # to shrink one takes minutes
        )  # fmt: skip
        def hold(case: schemathesis.Case) -> None:
            excluded = [positive_data_acceptance] if case.path.startswith(PROTOCOLS) else []
            seen["case"], seen["answer"] = case, ""
            response = case.call(timeout=60)
            seen["answer"] = response.text[:600]
            case.validate_response(response, excluded_checks=excluded)

        try:
            hold()
        except Unsatisfiable:
            continue  # an operation without parameters has nothing that could be wrong
        except BaseException as error:
            case = seen["case"]
            problems.append(f"{told(error)}\n{case.formatted_path} {str(case.body)[:600]}\n{seen['answer']}")
    assert not problems, "\n\n".join(problems)


def told(error: BaseException) -> str:
    """Returns what is wrong, without the traceback."""
    members = getattr(error, "exceptions", ())
    return "\n".join(map(told, members)) if members else f"{type(error).__name__}: {str(error)[:1500]}"
