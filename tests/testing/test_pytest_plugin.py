"""The pytest plugin runs what bears its markers, and leaves everything else alone."""

import ast
from pathlib import Path

import stretto.pytest_plugin

pytest_plugins = ("pytester",)

STRICT = "[pytest]\naddopts = --strict-markers -p no:cacheprovider -p no:cov\nfilterwarnings = error\n"


def test_markers_and_fixtures_work_together(pytester):
    pytester.makeini(STRICT)
    pytester.makepyfile(
        """
        import asyncio
        import pytest

        async def note(name, seen):
            await asyncio.sleep(1)
            seen.append(name)

        async def order():
            seen = []
            async with asyncio.TaskGroup() as group:
                for name in "abcd":
                    group.create_task(note(name, seen))
            return "".join(seen)

        @pytest.mark.virtual_clock
        async def test_an_hour_is_over_at_once(virtual_clock):
            await asyncio.sleep(3600)
            assert virtual_clock.elapsed == 3600

        @pytest.mark.virtual_clock
        async def test_the_clock_need_not_be_asked_for(tmp_path):
            await asyncio.sleep(3600)
            assert tmp_path.is_dir()

        @pytest.mark.virtual_clock(horizon=60)
        async def test_the_markers_settings_are_kept(virtual_clock):
            assert virtual_clock.horizon == 60

        @pytest.mark.virtual_clock
        async def test_a_hung_test_fails():
            await asyncio.get_running_loop().create_future()

        class TestInAClass:
            @pytest.mark.virtual_clock
            @pytest.mark.parametrize("x", [1, 2])
            async def test_methods_and_parameters(self, x, memory_store):
                assert await memory_store.runs() == [] and x

        @pytest.mark.shuffle(seeds=4)
        async def test_shuffled(shuffle_seed, virtual_clock):
            assert virtual_clock.seed == shuffle_seed in range(4)
            await order()

        @pytest.mark.shuffle(seeds=[3, 7])
        def test_shuffled_and_sync(virtual_clock):
            assert virtual_clock.seed in (3, 7)
            assert len(virtual_clock.run(order())) == 4

        @pytest.mark.shuffle
        async def test_order_dependent():
            assert (await order())[0] != "d"

        def test_a_plain_test(shuffle_seed, harness, memory_store, virtual_clock):
            assert shuffle_seed is None and virtual_clock.seed is None and harness.events == []

            async def lead(x):
                await asyncio.sleep(3600)
                return x

            harness.settings["store"] = memory_store
            assert virtual_clock.run(harness.execute(lead, 1)) == 1
            assert len(virtual_clock.run(memory_store.runs())) == 1
        """
    )
    result = pytester.runpytest_subprocess("-v")  # of its own: coverage sees the plugin from its first line
    found = result.parseoutcomes()
    assert found["passed"] + found["failed"] == 4 + 2 + 4 + 2 + 20 + 1
    output = result.stdout.str()
    result.stdout.fnmatch_lines(["*test_a_hung_test_fails FAILED*", "*Hung: nothing is left to wait for*"])
    failed = [line for line in output.splitlines() if line.startswith("FAILED")]
    assert {line.partition("::")[2].partition("[")[0].partition(" ")[0] for line in failed} == {
        "test_a_hung_test_fails",
        "test_order_dependent",
    }
    assert all("[seed=" in line for line in failed if "order_dependent" in line)
    assert "test_shuffled_and_sync[seed=7] PASSED" in output


def test_marks_that_mean_nothing_are_refused_and_other_tests_left_to_others(pytester):
    pytester.makeini("[pytest]\naddopts = --strict-markers -p no:cacheprovider")
    marked = "import pytest\n@pytest.mark.shuffle({})\n{} test_it(): pass"
    pytester.makepyfile(
        test_sync=marked.format("", "def"),
        test_none=marked.format("seeds=0", "async def"),
        test_text=marked.format("seeds=['x']", "async def"),
        test_other=marked.format("times=3", "async def"),
        test_unmarked="async def test_it(): pass",
    )
    said = pytester.runpytest_inprocess("--continue-on-collection-errors").stdout.str()
    assert "marked with shuffle, but is neither async nor takes the virtual_clock fixture" in said
    for told in ("seeds=0", "seeds=['x']", "seeds=20, times=3"):
        assert f"shuffle takes seeds, a number of them or a list of numbers, not {told}" in said
    assert "async def functions are not natively supported" in said


def test_the_plugin_imports_nothing_of_stretto_before_a_test_needs_it():
    tree = ast.parse(Path(stretto.pytest_plugin.__file__).read_text("utf-8"))
    imported = {name.name for node in tree.body if isinstance(node, ast.Import) for name in node.names}
    imported |= {node.module for node in tree.body if isinstance(node, ast.ImportFrom)}
    assert imported == {"__future__", "inspect", "typing", "pytest"}
