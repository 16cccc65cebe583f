"""Celery's settings: what must not be turned, and an address that says what Celery wants to hear."""

import subprocess
import sys

import pytest
from celery.app.defaults import DEFAULTS

from grid.core.errors import ConfigurationError
from grid.core.settings import Settings
from grid.tasks.celery_app import TASK, make_app, make_broker_url, make_configuration


def make(**values) -> Settings:
    return Settings(_env_file=None, redis_url="redis://:canary@host:6379/1", **values)


def test_the_broker_is_a_doorbell_and_nothing_depends_on_a_message():
    found = make_configuration(make(grid_slots=2))

    assert {name: found[name] for name in ("task_acks_late", "task_reject_on_worker_lost", "result_backend")} == {
        "task_acks_late": False, "task_reject_on_worker_lost": False, "result_backend": None,
    }  # fmt: skip
    assert (found["task_ignore_result"], found["task_publish_retry"]) == (True, False)
    assert (found["accept_content"], found["task_serializer"]) == (["json"], "json")
    assert found["worker_enable_remote_control"] is False
    assert (found["worker_pool"], found["worker_concurrency"]) == ("threads", 8)
    assert found["broker_connection_max_retries"] is None
    assert {queue.name for queue in found["task_queues"]} == {"small", "large", "program", "docker", "live"}


@pytest.mark.parametrize(("slots", "watchers"), [(1, 4), (16, 64), (64, 64)])
def test_watchers_are_four_a_slot_and_64_at_most(slots, watchers):
    assert make_configuration(make(grid_slots=slots))["worker_concurrency"] == watchers


def test_celery_knows_every_setting():
    app = make_app(make())
    known = {*DEFAULTS, "visibility_timeout"}  # the last one is kombu's

    assert set(make_configuration(make())) - known == set()
    assert app.conf.broker_transport_options["global_keyprefix"] == "grid:"
    assert TASK in app.tasks


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("redis://host/1", "redis://host/1"),
        ("rediss://:p@host:6380/1", "rediss://:p@host:6380/1?ssl_cert_reqs=CERT_REQUIRED"),
        ("rediss://host/1?ssl_ca_certs=/x.pem", "rediss://host/1?ssl_ca_certs=/x.pem&ssl_cert_reqs=CERT_REQUIRED"),
        ("rediss://host/1?ssl_cert_reqs=none", "rediss://host/1?ssl_cert_reqs=none"),
    ],
)
def test_celery_is_told_to_check_certificates(url, told):
    assert make_broker_url(url) == told


def test_without_redis_the_application_says_what_to_do_instead():
    with pytest.raises(ConfigurationError, match="grid worker"):
        make_app(Settings(_env_file=None))


def test_the_transport_of_redis_can_be_imported():
    import kombu.transport.redis  # it needs `packaging`, which kombu does not ask for

    assert kombu.transport.redis.Transport.driver_type == "redis"


def test_a_task_outside_of_a_worker_watches_nothing():
    assert make_app(make()).tasks[TASK]("x", "small") == {"id": None, "status": "unwatched", "reason": None}


SCALED = ("celery", "kombu", "redis", "docker", "boto3")


def test_the_embedded_service_loads_none_of_the_libraries_of_scaling_out():
    modules = "grid.api.app, grid.api.lifespan, grid.tasks.assembly, grid.cli.main"
    code = f"import sys, {modules}; print([name for name in {SCALED!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
