from stretto.core.function import step
from stretto.core.policies import AdaptiveTimeout
from stretto.planning.operation import Operation
from stretto.planning.plan import analyze_dependencies
from tests.planning.samples import Holder


def work(x=None):
    return x


def advice_of(*operations, given=()):
    return list(analyze_dependencies(operations, given=given).advice)


def test_a_sound_plan_gets_no_advice():
    limited = step(timeout=30)(work)
    assert not advice_of(
        Operation(id="a", step=limited, outputs=("x",), duration=2),
        Operation(id="b", step=limited, inputs=("x",), duration=4),
        Operation(id="c"),
        Operation(id="d", step=limited),
    )


def test_uniform_timeouts_on_uneven_operations_are_noticed():
    limited = step(timeout=30)(work)
    operations = [Operation(id=f"o{n}", step=limited, duration=1 + n) for n in range(7)]
    assert advice_of(*operations) == [
        "'o0', 'o1', 'o2', 'o3', 'o4' and 2 more share the timeout of 30 s and are expected to take 1 to 7 s; "
        "give each its own, or an AdaptiveTimeout"
    ]
    learnt = step(timeout=AdaptiveTimeout())(work)
    assert not advice_of(*(Operation(id=f"o{n}", step=learnt, duration=1 + n) for n in range(7)))


def test_a_timeout_shorter_than_the_work_is_noticed():
    operation = Operation(id="a", step=step(timeout=5)(work), duration=6)
    assert advice_of(operation) == ["'a' is expected to take 6 s and is given 5 s; raise its timeout"]
    assert not advice_of(Operation(id="a", step=step(timeout=5)(work), duration=6, for_each="xs"), given=("xs",))


def test_a_chain_without_data_is_noticed():
    chain = [Operation(id=name, writes=("database",)) for name in "abc"]
    assert advice_of(*chain) == [
        "the plan is one chain, though 2 of its 2 links carry no data "
        "('b' writes 'database' after 'a' has written it); "
        "narrower reads= and writes= would let operations run together"
    ]
    assert not advice_of(*chain[:2])


def test_a_chain_of_data_is_no_fault():
    assert not advice_of(
        Operation(id="a", outputs=("x",), writes=("f",)),
        Operation(id="b", inputs=("x",), outputs=("y",), writes=("f",)),
        Operation(id="c", inputs=("y",)),
    )


def test_an_input_that_the_function_has_no_parameter_for_is_noticed():
    def two(users, depth=1):
        return users, depth

    operations = [
        Operation(id="users", outputs=("users",)),
        Operation(id="slow", outputs=("slow",)),
        Operation(id="two", step=two, inputs=("users", "slow", "repository")),
        Operation(id="whole", step=work, inputs=("users", "slow")),
    ]
    assert advice_of(*operations, given=("repository",)) == [
        "'two' waits for 'slow', which its function has no parameter for; leave it out"
    ]


def test_needing_what_may_fail_is_noticed():
    market = Operation(id="market", outputs=("prices",), required=False)
    assert advice_of(market, Operation(id="report", inputs=("prices",))) == [
        "'market' may fail, and 'report' cannot do without its 'prices'; "
        "name it in optional_inputs, or make both optional"
    ]
    assert not advice_of(market, Operation(id="report", optional_inputs=("prices",)))
    assert not advice_of(market, Operation(id="report", inputs=("prices",), required=False))


def test_given_data_that_nobody_needs_are_noticed():
    assert advice_of(Operation(id="a", inputs=("x",)), given=("x", "y")) == [
        "'y' of the plan's input is needed by no operation; leave it out"
    ]


def test_nesting_beyond_three_levels_is_noticed():
    two = Holder("outer", Holder("inner", step(work)))
    assert not advice_of(Operation(id="fine", step=two))
    assert advice_of(Operation(id="deep", step=Holder("outermost", two))) == [
        "'deep' nests workflows more than 3 levels deep, this plan included; flatten it"
    ]
