"""No-op jobs with Procrastinate: a FastAPI route that defers one, and a worker. Knows nothing of Grid.

python procrastinate_service.py schema|serve|work CONNECTION [PORT]
"""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

import procrastinate

CONCURRENCY = 8  # jobs of one worker at once; it fetches them one by one

app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=sys.argv[2]))


@app.task(name="noop", queue="noop")
async def noop(payload_bytes: int) -> None:
    """Do nothing."""


class Submission(BaseModel):
    """What Grid's route takes of a job."""

    simulation: str
    params: dict[str, Any]


def make_web() -> FastAPI:
    """Return the application with the route."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with app.open_async():
            yield

    web = FastAPI(openapi_url=None, lifespan=lifespan)

    @web.post("/jobs", status_code=202)
    async def submit_job(body: Submission) -> dict[str, int]:
        return {"job": await noop.defer_async(**body.params)}

    return web


async def make_schema() -> None:
    """Make Procrastinate's tables."""
    async with app.open_async():
        await app.schema_manager.apply_schema_async()


async def work() -> None:
    """Be a worker until told to stop."""
    async with app.open_async():
        await app.run_worker_async(concurrency=CONCURRENCY)


def main() -> None:
    """Do what the first argument says."""
    logging.basicConfig(level=logging.WARNING)
    if sys.argv[1] == "serve":
        uvicorn.run(
            make_web(), port=int(sys.argv[3]), http="h11", loop="asyncio", access_log=False, log_level="warning"
        )
    else:
        asyncio.run({"schema": make_schema, "work": work}[sys.argv[1]]())
