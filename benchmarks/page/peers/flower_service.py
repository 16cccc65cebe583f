"""Flower over a Celery application without a broker of its own, with many tasks in its memory. Knows nothing of Grid.

python flower_service.py PORT TASKS
"""

import sys
import time
from uuid import uuid4

import flower.options  # noqa: F401 -- defines what tornado reads
from celery import Celery
from flower.app import Flower
from tornado.options import options


def main() -> None:
    """Serve until ended."""
    port, tasks = int(sys.argv[1]), int(sys.argv[2])
    options.port, options.address, options.max_tasks = port, "127.0.0.1", tasks
    celery = Celery("peer", broker="memory://")
    flower = Flower(capp=celery, options=options)
    now = time.time()
    shared = {"hostname": "worker@peer", "pid": 1, "utcoffset": 0, "freq": 2.0}
    for index in range(tasks):
        moment = now - tasks + index
        event = {"uuid": str(uuid4()), "timestamp": moment, "local_received": moment, "clock": index, **shared}
        flower.events.state.event({**event, "type": "task-received", "name": "noop", "args": "()", "kwargs": "{}"})
        flower.events.state.event({**event, "type": "task-succeeded", "result": "None", "runtime": 0.01})
    flower.start()


if __name__ == "__main__":
    main()
