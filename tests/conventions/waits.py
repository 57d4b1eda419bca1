"""Sleeps, and limits other than the one that all tests share."""

import ast
from collections.abc import Iterator

from tests.conventions.names import names_of, path_of

SLEEPS = {"asyncio.sleep", "time.sleep", "anyio.sleep", "trio.sleep"}
LIMITS = {"asyncio.timeout", "asyncio.timeout_at", "asyncio.wait_for"}
CLIENTS = {
    *("httpx.AsyncClient", "httpx.Client", "httpx.request", "httpx.stream"),
    *(f"httpx.{method}" for method in ("get", "post", "put", "patch", "delete", "head", "options")),
}


def sleeps_in(source: str) -> Iterator[str]:
    """Find every mention of a sleep, but for a turn of the loop: `asyncio.sleep(0)`."""
    if "sleep" not in source:  # however it is imported; to parse takes a hundred times as long
        return
    tree = ast.parse(source)
    names = names_of(tree)
    turns = {
        id(node.func)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and path_of(node.func, names) == "asyncio.sleep"
        and [ast.unparse(one) for one in node.args] == ["0"]
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute) and id(node) not in turns:
            path = path_of(node, names)
            if path in SLEEPS:
                yield f"{node.lineno}: {path}"


def limits_in(source: str) -> Iterator[str]:
    """Find waits with limits of their own, of a second or more, and clients with httpx's."""
    if not any(word in source for word in ("timeout", "wait_for", "httpx")):
        return
    tree = ast.parse(source)
    names = names_of(tree)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        path = path_of(node.func, names)
        named = {one.arg: one.value for one in node.keywords}
        if path in CLIENTS and not {"timeout", "transport"} & named.keys():
            yield f"{node.lineno}: {path} without a timeout"
        found = [named["timeout"]] if "timeout" in named else []
        found += node.args[-1:] if path in LIMITS else []
        for one in found:
            if isinstance(one, ast.Constant) and isinstance(one.value, int | float):
                seconds = float(one.value)
                yield from [f"{node.lineno}: {path or 'timeout'} of {seconds}"] * (seconds >= 1)
