"""No-op jobs with Celery over Redis: a FastAPI route that sends a task, and what a worker runs. Knows nothing of Grid.

python celery_service.py PORT serves the route; `celery -A celery_service worker` works. PEER_BROKER names the broker,
PEER_RESULTS where a worker leaves outcomes: the route asks for none, so it has no backend and subscribes to nothing.
"""

import os
import sys
import time
from typing import Any

import uvicorn
from celery import Celery
from fastapi import FastAPI
from pydantic import BaseModel

app = Celery("celery_service", broker=os.environ["PEER_BROKER"], backend=os.environ.get("PEER_RESULTS"))
app.conf.update(
    task_acks_late=True,
    worker_prefetch_multiplier=1,
    task_serializer="json",
    result_serializer="json",
    accept_content=["json"],
    worker_enable_remote_control=False,
)


@app.task(name="noop")
def noop(made: float, payload_bytes: int) -> dict[str, float]:  # noqa: ARG001 - a task's parameters have their names
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
        return {"job": noop.delay(time.time(), **body.params).id}

    return web


def main() -> None:
    """Serve the route."""
    uvicorn.run(make_web(), port=int(sys.argv[1]), http="h11", loop="asyncio", access_log=False, log_level="warning")
