import pytest

from stretto.core.errors import DefinitionError
from stretto.core.function import FunctionStep, step
from stretto.planning.operation import Operation, OperationType
from tests.planning.samples import Holder


def read(path):
    return path


def join(users, symbols, depth=1):
    return users, symbols, depth


def test_a_plain_function_becomes_a_step_that_reads_its_inputs_by_name():
    operation = Operation(id="read", step=read, inputs=("path",), outputs=("text",))
    assert isinstance(operation.step, FunctionStep)
    assert operation.work == FunctionStep(read).by_name(("path",))
    assert operation.function is not None
    assert operation.function.reads_names


def test_a_sole_parameter_called_like_no_input_gets_the_whole_mapping():
    operation = Operation(id="read", step=read, inputs=("file",))
    assert operation.function is not None
    assert not operation.function.reads_names


def test_two_equal_descriptions_are_equal_operations():
    assert Operation(id="a", step=read, inputs=("path",)) == Operation(id="a", step=read, inputs=("path",))
    assert Operation(id="a", step=read) != Operation(id="b", step=read)


def test_a_function_that_needs_what_is_no_input_is_refused():
    with pytest.raises(DefinitionError, match=r"operation 'report': its function needs 'symbols', .*\('users'\)"):
        Operation(id="report", step=join, inputs=("users",))
    with pytest.raises(DefinitionError, match="none"):
        Operation(id="report", step=join)
    Operation(id="report", step=join, inputs=("users",), optional_inputs=("symbols",))


def test_an_operation_without_a_step_can_be_planned_but_not_run():
    operation = Operation(id="later", outputs=("x",))
    assert operation.body is None
    with pytest.raises(DefinitionError, match="'later' has no step"):
        operation.work  # noqa: B018


@pytest.mark.parametrize("id", ["", "a/b", "a\nb", "x" * 201])
def test_an_id_that_no_path_could_hold_is_refused(id):
    with pytest.raises(DefinitionError, match="an operation cannot be called"):
        Operation(id=id)


@pytest.mark.parametrize("setting", ["inputs", "optional_inputs", "outputs", "reads", "writes"])
def test_names_are_tuples_of_distinct_texts(setting):
    with pytest.raises(DefinitionError, match=rf"{setting} is a tuple of names, not a text; write \('users',\)"):
        Operation(id="a", **{setting: "users"})
    with pytest.raises(DefinitionError, match=f"{setting} holds 3, which is no name"):
        Operation(id="a", **{setting: (3,)})
    with pytest.raises(DefinitionError, match=f"{setting} holds '', which is no name"):
        Operation(id="a", **{setting: ("",)})
    with pytest.raises(DefinitionError, match="which is no name"):
        Operation(id="a", **{setting: ("two\nlines",)})
    with pytest.raises(DefinitionError, match=f"{setting} names 'x' twice"):
        Operation(id="a", **{setting: ("x", "y", "x")})
    assert getattr(Operation(id="a", **{setting: ["x"]}), setting) == ("x",)


def test_an_input_is_needed_or_optional_and_not_both():
    with pytest.raises(DefinitionError, match="'x' as an input and as an optional one"):
        Operation(id="a", inputs=("x",), optional_inputs=("x",))


def test_a_condition_is_a_function_or_a_switch():
    with pytest.raises(DefinitionError, match="when must be a function of the inputs, True or False, not 'x > 1'"):
        Operation(id="a", when="x > 1")
    assert Operation(id="a", when=False).when is False


def test_a_negative_duration_is_refused():
    with pytest.raises(DefinitionError, match="operation 'a': duration must be zero or more, not -1"):
        Operation(id="a", duration=-1)


def test_the_duration_is_the_operations_own_or_that_of_its_step():
    assert Operation(id="a").seconds is None
    assert Operation(id="a", step=read).seconds is None
    assert Operation(id="a", step=step(duration=4)(read)).seconds == 4
    assert Operation(id="a", step=step(duration=4)(read), duration=0).seconds == 0


def test_the_type_is_taken_from_the_step_unless_it_is_said():
    assert Operation(id="a").operation_type is OperationType.FUNCTION
    assert Operation(id="a", step=read).operation_type is OperationType.FUNCTION
    assert Operation(id="a", step=Holder("flow")).operation_type is OperationType.WORKFLOW
    assert Operation(id="a", operation_type="mcp").operation_type is OperationType.MCP
    assert Operation(id="a", operation_type="agent").operation_type is OperationType.SUB_AGENT
    assert Operation(id="a", step=Holder("f"), operation_type=OperationType.TOOL).operation_type is OperationType.TOOL
    with pytest.raises(DefinitionError, match="one of sub_agent, tool, mcp, workflow, function, not 'robot'"):
        Operation(id="a", operation_type="robot")


def test_what_is_mapped_over_is_an_input():
    assert Operation(id="a", for_each="files").inputs == ("files",)
    assert Operation(id="a", for_each="files", inputs=("depth", "files")).inputs == ("depth", "files")


def test_a_mapped_step_gets_the_item_alone_or_in_the_place_of_its_collection():
    alone = Operation(id="a", step=read, for_each="files")
    assert alone.item_input({"files": [1, 2]}, 2) == 2
    assert alone.work == FunctionStep(read)
    together = Operation(id="a", for_each="files", inputs=("depth",))
    assert together.item_input({"files": [1, 2], "depth": 3}, 2) == {"files": 2, "depth": 3}
