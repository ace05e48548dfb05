"""Clocks of clients: how long ago something was is believed, what time it was is not."""

from hypothesis import given
from hypothesis import strategies as st

from data.clocks import corrected_instant
from data.domain import DAY, EARLIEST, HOUR, SECOND

instants = st.integers(0, 50_000 * DAY)
spans = st.integers(0, 400 * DAY)


def test_a_clock_that_is_an_hour_fast_is_set_right():
    received = 100 * DAY
    stated, sent = received + HOUR - 90 * SECOND, received + HOUR - 30 * SECOND
    assert corrected_instant(stated, sent_at=sent, received_at=received) == received - 60 * SECOND


def test_without_a_time_of_sending_the_stated_time_is_taken_but_nothing_is_in_the_future():
    assert corrected_instant(3 * DAY, sent_at=None, received_at=9 * DAY) == 3 * DAY
    assert corrected_instant(12 * DAY, sent_at=None, received_at=9 * DAY) == 9 * DAY


def test_what_happened_after_it_was_sent_counts_as_happening_when_it_was_received():
    assert corrected_instant(5 * DAY, sent_at=4 * DAY, received_at=9 * DAY) == 9 * DAY


def test_nothing_lies_before_1900():
    assert corrected_instant(-(2**62), sent_at=0, received_at=0) == EARLIEST


@given(instants, spans, spans, st.integers(-40_000 * DAY, 40_000 * DAY))
def test_how_wrong_the_clock_is_makes_no_difference(received, ago, on_the_way, wrong):
    """The same message by a right clock and by a wrong one."""
    happened = received - on_the_way - ago
    right = corrected_instant(happened, sent_at=happened + ago, received_at=received)
    assert corrected_instant(happened + wrong, sent_at=happened + ago + wrong, received_at=received) == right
    assert right == max(received - ago, EARLIEST)


@given(instants, st.none() | instants, instants, instants)
def test_the_order_of_what_one_message_tells_is_kept(first, sent, second, received):
    first, second = sorted((first, second))
    corrected = [corrected_instant(t, sent_at=sent, received_at=received) for t in (first, second)]
    assert corrected == sorted(corrected)
    assert all(EARLIEST <= t <= received for t in corrected)
