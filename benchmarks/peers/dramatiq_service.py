"""No-op jobs with Dramatiq over Redis: a FastAPI route that sends a message, and its actor. Knows nothing of Grid.

python dramatiq_service.py PORT serves the route; `dramatiq dramatiq_service` works. PEER_BROKER names the broker,
PEER_RESULTS where a worker leaves outcomes.
"""

import os
import sys
import time
from typing import Any

import dramatiq
import uvicorn
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend
from fastapi import FastAPI
from pydantic import BaseModel

broker = RedisBroker(url=os.environ["PEER_BROKER"])
broker.add_middleware(Results(backend=RedisBackend(url=os.environ["PEER_RESULTS"])))
dramatiq.set_broker(broker)


@dramatiq.actor(queue_name="noop", store_results=True)
def noop(made: float, payload_bytes: int) -> dict[str, float]:  # noqa: ARG001 - an actor's parameters have their names
    """Do nothing, and tell when it was asked for and when it began [s]."""
    return {"made": made, "started": time.time()}


class Submission(BaseModel):
    """What Grid's route takes of a job."""

    simulation: str
    params: dict[str, Any]


def make_web() -> FastAPI:
    """Return the application with the route."""
    web = FastAPI(openapi_url=None)

    @web.post("/jobs", status_code=202)
    def submit_job(body: Submission) -> dict[str, str]:
        return {"job": noop.send(time.time(), **body.params).message_id}

    return web


def main() -> None:
    """Serve the route."""
    uvicorn.run(make_web(), port=int(sys.argv[1]), http="h11", loop="asyncio", access_log=False, log_level="warning")
