"""Counted time never runs ahead of the time that has passed, and is the clock's where nobody sets that."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from terok.model.counted import AWAY, SETTLES, Count, Moment, advanced, count_from_json, counted

START = 1.8e9
YEAR = 365 * 86400.0
RUN = st.tuples(st.just("run"), st.floats(0, 3 * SETTLES))
WRONG = st.tuples(st.just("set"), st.floats(-YEAR, YEAR))
BOOT = st.tuples(st.just("boot"), st.floats(0, 2 * AWAY))


class Machine:
    """A machine with a clock that can be set, and somebody who counts after every step."""

    def __init__(self) -> None:
        self.boots, self.uptime, self.passed, self.wrong = 0, 0.0, 0.0, 0.0
        self.count: Count | None = None
        self.look()

    def look(self) -> None:
        self.count = advanced(self.count, self.now)

    @property
    def now(self) -> Moment:
        return Moment(str(self.boots), self.uptime, START + self.passed + self.wrong)

    def do(self, what: str, seconds: float) -> None:
        if what == "set":
            self.wrong += seconds
        else:
            self.passed += seconds
            self.uptime += seconds
        if what == "boot":
            self.boots, self.uptime = self.boots + 1, 0.0
        self.look()

    @property
    def counted(self) -> float:
        return counted(self.count, self.now) - START


@given(st.lists(RUN | WRONG | BOOT, max_size=12))
def test_counted_time_is_never_ahead_of_that_which_has_passed(steps: list[tuple[str, float]]) -> None:
    machine = Machine()
    for what, seconds in steps:
        if what == "set" and machine.count is not None and not machine.count.settled:
            continue  # one that is wrong from the boot on, and stays so, is believed in the end
        machine.do(what, seconds)
        assert machine.counted <= machine.passed + 1e-3


@given(st.lists(RUN | st.tuples(st.just("boot"), st.floats(0, AWAY / 2)), max_size=12))
def test_counted_time_is_the_clock_s_where_nobody_sets_it(steps: list[tuple[str, float]]) -> None:
    machine = Machine()
    for what, seconds in steps:
        machine.do(what, seconds)
        if what == "boot":
            machine.do("run", SETTLES)
    assert abs(machine.counted - machine.passed) < 1e-3


def test_a_clock_that_is_wrong_at_the_boot_and_set_soon_counts_for_nothing() -> None:
    machine = Machine()
    machine.wrong = YEAR
    machine.do("boot", 60.0)
    machine.do("run", 600.0)
    machine.do("set", -YEAR)
    assert machine.count is not None and not machine.count.settled
    machine.do("run", SETTLES)
    assert machine.count.settled and machine.counted == machine.passed


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=3), st.lists, max_leaves=9))
def test_what_was_kept_by_somebody_else_is_no_count(kept: object) -> None:
    found = count_from_json(kept)
    assert found is None or isinstance(found, Count)


def test_a_count_is_kept_whole() -> None:
    count = Count(1.0, Moment("a", 2.0, 3.0), Moment("b", 4.0, 5.0))
    assert count_from_json([*count]) == count_from_json([1, ["a", 2, 3], ["b", 4, 5]]) == count
