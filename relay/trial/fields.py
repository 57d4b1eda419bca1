"""Which fields an object of Kling's has, without what stands in them."""

from typing import Any

PATHS_MAX = 500


def paths_of(value: Any) -> list[str]:
    """List the paths of all leaves, sorted: `task_result.videos[].url`.

    An empty object or list is a leaf, spelled `task_info{}` or `outputs[]`.
    """
    return sorted(set(_paths(value, "")))[:PATHS_MAX]


def _paths(value: Any, path: str) -> list[str]:
    match value:
        case dict() if value:
            return [
                found
                for name, inner in value.items()
                for found in _paths(inner, f"{path}.{name}" if path else str(name))
            ]
        case list() if value:
            return [found for inner in value for found in _paths(inner, f"{path}[]")]
        case dict():
            return [f"{path}{{}}"]
        case list():
            return [f"{path}[]"]
        case _:
            return [path]


def unlike(seen: list[str], usual: list[str]) -> tuple[list[str], list[str]]:
    """Compare two sets of paths: what is missing of the usual ones, and what is new.

    A leaf that is empty on one side and filled on the other is no difference.
    """
    return _not_in(usual, seen), _not_in(seen, usual)


def _not_in(paths: list[str], others: list[str]) -> list[str]:
    return [
        path
        for path in paths
        if not any(_is_same(path, other) or _is_same(other, path) for other in others)
    ]


def _is_same(path: str, other: str) -> bool:
    bare = path.removesuffix("{}").removesuffix("[]")
    return path == other or (bare != path and other.startswith(bare))
