"""Server-sent events, line by line."""

from grid.client.events import Event, EventReader


def feed(reader: EventReader, text: str) -> list[Event]:
    return [event for line in text.split("\n") if (event := reader.feed(line)) is not None]


def test_an_event_ends_at_the_empty_line_and_joins_its_data_lines():
    reader = EventReader()

    assert feed(reader, "event: log\nid: 1:4\ndata: a\ndata: b\n\n") == [Event("log", "a\nb", "1:4")]


def test_comments_and_events_without_data_are_not_events():
    assert feed(EventReader(), ": ping\n\nevent: log\n\n") == []


def test_a_new_request_resumes_from_the_last_id():
    reader = EventReader()
    feed(reader, "id: 2:17\ndata: x\n\n")

    assert reader.headers()["Last-Event-ID"] == "2:17"


def test_the_kind_of_one_event_does_not_colour_the_next():
    events = feed(EventReader(), "event: status\ndata: 1\n\ndata: 2\n\n")

    assert [event.kind for event in events] == ["status", "message"]


def test_the_stream_is_over_after_its_end_event():
    reader = EventReader()
    feed(reader, "event: end\ndata: success\n\n")

    assert reader.is_over


def test_the_server_sets_the_pause_before_a_retry_in_milliseconds():
    reader = EventReader()
    feed(reader, "retry: 250\n\n")

    assert reader.retry_s == 0.25
