"""The order of metrics in a sample is that of what a tick shows, and names each once."""

from grid.engine.live.summary import METRICS
from grid.schemas.live import SAMPLE_METRICS, TICK_METRICS


def test_a_sample_has_every_metric_of_a_tick_in_its_order_and_each_name_once():
    assert (*METRICS, "is_lumped") == TICK_METRICS
    assert len(set(SAMPLE_METRICS)) == len(SAMPLE_METRICS)
    assert SAMPLE_METRICS[: len(TICK_METRICS)] == TICK_METRICS
