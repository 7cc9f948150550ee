"""The examples in the docstrings of stretto.testing do what they say."""

import asyncio
import doctest
import importlib
import threading

import pytest

import stretto.testing

MODULES = ("runtime.virtual", "testing", "testing.faults", "testing.harness", "testing.leaks", "testing.order")


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_do_what_they_say(module):
    given = {**vars(stretto.testing), "asyncio": asyncio, "threading": threading}
    failed, tried = doctest.testmod(
        importlib.import_module(f"stretto.{module}"),
        extraglobs=given,
        optionflags=doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL,
    )
    assert (failed, tried > 0) == (0, True)
