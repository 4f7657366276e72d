"""Which send of a refused template may try again, and when."""

from hypothesis import given
from hypothesis import strategies as st

from common.contracts.messages import MetaError
from sender.limits.refusals import RefusedSubjects, Waits
from sender.outcomes import Hold

ERROR = MetaError(code=131063)
HOLD = Hold(10.0, 60.0)


def refused(*subjects, now=0.0):
    told = []
    memory = RefusedSubjects(lambda chatbot, subject: told.append((chatbot, subject)))
    for subject in subjects:
        memory.refuse("b", subject, f"first of {subject}", now, HOLD, ERROR)
    return memory, told


def test_only_what_was_refused_waits():
    memory, _ = refused("a")
    assert memory.wait("b", "a", "m", 1.0) == Waits(15.0, ERROR)
    assert memory.wait("b", "other", "m", 1.0) is None
    assert memory.wait("another", "a", "m", 1.0) is None
    assert ("b" in memory, "another" in memory, memory.count()) == (True, False, 1)


def test_the_first_to_be_refused_is_the_probe_and_the_others_follow_it():
    memory, _ = refused("a")
    assert memory.wait("b", "a", "first of a", 9.9) == Waits(10.0, ERROR)
    assert memory.wait("b", "a", "first of a", 10.0) is None
    assert memory.wait("b", "a", "m", 10.1) == Waits(15.1, ERROR)
    assert memory.wait("b", "a", "first of a", 10.2) is None  # the same, once more
    assert memory.wait("b", "a", "m", 71.0) is None  # the probe got lost


def test_another_is_the_probe_when_the_first_does_not_come_or_gives_up():
    memory, _ = refused("a")
    assert memory.wait("b", "a", "m", 10.0) is None
    assert memory.wait("b", "a", "first of a", 10.0) == Waits(15.0, ERROR)
    memory.give_up("b", "a", "another")
    assert memory.wait("b", "a", "first of a", 10.1) is not None
    memory.give_up("b", "a", "m")
    assert memory.wait("b", "a", "first of a", 10.2) is None


def test_waits_double_in_a_row_up_to_the_cap_and_not_for_calls_under_way():
    memory, _ = refused("a")
    assert memory.refuse("b", "a", "m", 1.0, HOLD, ERROR) == Waits(15.0, ERROR)
    now, waits = 10.0, []
    for _ in range(5):
        due = memory.refuse("b", "a", "m", now, HOLD, ERROR).due
        waits.append(due - now)
        now = due
    assert waits == [20.0, 40.0, 60.0, 60.0, 60.0]


def test_what_meta_takes_again_is_free_and_told_of_once():
    memory, told = refused("a", "z")
    memory.take("b", "a")
    memory.take("b", "a")
    memory.take("another", "a")
    assert memory.wait("b", "a", "m", 1.0) is None
    assert memory.wait("b", "z", "m", 1.0) is not None
    assert told == [("b", "a")]
    memory.take("b", "z")
    assert "b" not in memory


def test_a_changed_account_frees_all_of_its_number():
    memory, told = refused("a", "z")
    memory.release("another")
    memory.release("b")
    assert memory.wait("b", "a", "m", 1.0) is None
    assert told == [("b", None)]


def test_names_without_end_are_forgotten():
    memory, _ = refused(*(f"t{n}" for n in range(1_200)))
    assert memory.count() == 1_000
    assert memory.wait("b", "t0", "m", 1.0) is None
    assert memory.wait("b", "t1199", "m", 1.0) is not None


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 40), st.booleans()), max_size=40))
def test_at_most_one_send_of_a_refused_subject_is_under_way(steps):
    memory, _ = refused("x")
    now, under_way, began = 0.0, None, 0.0
    for send, seconds, takes_long in steps:
        now += seconds
        if memory.wait("b", "x", send, now) is not None:
            continue
        assert under_way in {None, send} or now >= began + 60.0
        under_way, began = send, now
        if not takes_long:
            memory.refuse("b", "x", send, now, HOLD, ERROR)
            under_way = None
