"""What clients send, and for how long."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from tests.benchmarks.books import Task
from tests.benchmarks.servers import CREATE_PATH
from tests.benchmarks.wrk import Request
from tests.relay_app import CLIP

CLIENTS = 128

BODY = json.dumps(CLIP | {"prompt": "a red fox in the snow, " + "slowly " * 130})
"""1 KB."""


@dataclass(frozen=True)
class Plan:
    """How long each load runs."""

    seconds: float
    polling_seconds: float
    """Of the polls at 1 Hz."""
    large_bodies: int = 24


def submits(api_keys: Sequence[str]) -> list[Request]:
    return [Request(CREATE_PATH, api_key, BODY) for api_key in api_keys]


def polls(tasks: Sequence[Task]) -> list[Request]:
    return [Request(f"{CREATE_PATH}/{task.kling_id}", task.api_key, method="GET") for task in tasks]
