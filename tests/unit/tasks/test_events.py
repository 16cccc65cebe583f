"""The event queue: readable while an event waits, in order, silent once closed."""

import select

from grid.tasks.events import EventQueue


def is_readable(descriptor: int) -> bool:
    return bool(select.select([descriptor], [], [], 0)[0])


def test_an_event_queue_is_readable_while_an_event_waits_and_keeps_the_order():
    events: EventQueue[int] = EventQueue()
    try:
        assert not is_readable(events.fileno())
        for event in (1, 2, 3):
            events.put(event)
        assert is_readable(events.fileno())
        assert events.take() == [1, 2, 3]
        assert not is_readable(events.fileno())
        events.wake()
        assert is_readable(events.fileno())
        assert events.take() == []
        assert not is_readable(events.fileno())
    finally:
        events.close()


def test_a_closed_event_queue_drops_events_without_an_error():
    events: EventQueue[int] = EventQueue()
    events.close()
    events.put(1)
    events.wake()
    events.close()
