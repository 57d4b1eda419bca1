"""What the rest of the relay says and pages show, read off its code: each sentence with its holes.

A sentence is a text in code with two words next to each other: of any refusal, and of all else in
modules that speak to people.
"""

import ast
import re
from collections.abc import Iterator

from relay.alerts.word import KINDS as OF_MESSAGES
from relay.deliveries.tables import DeliveryState
from relay.desk.errors import DeskError
from relay.desk.fields import FIELDS
from relay.desk.roles import ACTS, READS
from relay.errors import RelayError
from relay.health.rules import State
from relay.html.words import FOLDER
from relay.invoices.tables import Basis, InvoiceState
from relay.kling.endpoint import Resource
from relay.ledger.tables import TopupKind
from relay.limits.tables import LimitKind
from relay.tasks.door import Via
from relay.tasks.tables import TaskState

RELAY = FOLDER.parents[1]

VOICES = (
    "errors/*.py",
    *("months.py", "networks.py"),
    *(f"alerts/{one}.py" for one in ("notes", "of_*", "places", "rule", "rules", "send", "word")),
    *(f"backups/{one}.py" for one in ("pg_dump", "places", "take")),
    *(f"channels/{one}.py" for one in ("checks", "probe")),
    *(f"deliveries/{one}.py" for one in ("deliver", "guard", "replay", "send")),
    *("desk/*.py", "desk/check/*.py"),
    *("health/edit.py", "health/observer.py"),
    *(
        f"kling/{one}.py"
        for one in (
            *("alike", "bare", "body", "http1_connection", "http1_transport", "httpx_transport"),
            *("mend", "proxy", "readings", "references", "strays", "transport", "tunnel"),
            "verdicts",
        )
    ),
    "ledger/storage.py",
    "logins/passwords.py",
    *("notices/outgoing.py", "notices/places.py"),
    "pricing/file.py",
    *("proxy/own_*.py", "proxy/asked.py", "proxy/body.py", "proxy/page.py"),
    *(
        f"tasks/{one}.py"
        for one in (
            *("ask", "conclude", "dispatch", "failover", "hold", "learn", "limit_refusal", "look"),
            *("outlook", "pass_through", "retries", "submit", "timeline", "underquotes"),
            *("upstream", "queue/end", "queue/place", "queue/send", "queue/wait"),
        )
    ),
    "tenants/tokens.py",
    *(f"trial/{one}.py" for one in ("callbacks", "findings", "kept", "observe", "report")),
)
"""Modules whose sentences pages show."""
SILENT = {
    *("desk/explained.py", "desk/exported.py", "desk/told_settings.py"),
    *("desk/actor.py", "desk/setting_texts.py", "proxy/own_prices.py"),
}
"""Of them: what they say is for commands and programs alone, or has its languages beside it."""
OF_STATEMENTS = (
    "cost %(1)s micros by Kling's deduction, charged the hold",
    "was %(1)s before",
    "a callback said succeed, charged %(1)s micros; Kling's own reply: %(2)s",
    "the operator charged %(1)s micros, and by Kling's figures it were %(2)s micros",
    "the operator settled it, and Kling says %(1)s",
)
"""What FINISH notes by itself (`tasks/finish.py`)."""
WITHOUT_PAGES = (
    *("admin/", "callbacks/", "cli/", "new_api/", "sandbox/"),
    *("desk/move_in.py", "desk/moving/", "desk/setup/"),
    *(f"studio/{one}" for one in ("batch", "events.py", "retention.py", "sockets.py", "v1/")),
)
"""Where refusals are told to programs and at terminals alone."""
KINDS = {
    *("NoSuch", "NotPossible", "NameTaken", "InUse", "good", "warning", "bad", "ThingNotFound"),
}
"""Whose first argument is a word for a thing."""
STATES = (TaskState, Via, DeliveryState, InvoiceState, Basis, LimitKind, State, TopupKind)
"""Whose values sentences are filled with."""
SUBJECT = re.compile("subject|batch", re.IGNORECASE)
WORDS = re.compile(r"[A-Za-z]{2,}('s)?,? [a-z]|[a-z]{2,}:? \{|\} [a-z]{2,}")
NO_WORDS = re.compile(
    r"[A-Z]{2,} [a-z_]+[.(]|SELECT |[a-z_]+\.[a-z_]+ |\(?(extract|coalesce|num_nonnulls)\b"
    r"|code \{\} \{\}$|DELETE FROM |SET [a-z_]+ = |https?://|Basic |Bearer |GET |#"
    r"|api, token |already exist$"
)
"""Statements of SQL, headers and the like, and what is looked for in a reply of Kling's."""
ACT = re.compile(r"[a-z_]+\.[a-z_]+")
QUIET_CALLS = {"text", "compile", "bindparam", "cast"}


def told() -> dict[str, str]:
    """Find every sentence, with its holes numbered, and a file that has it."""
    found: dict[str, str] = {}
    voices = {file for pattern in VOICES for file in RELAY.glob(pattern)}
    refusals = _leaves(RelayError) | _leaves(DeskError)
    for file in sorted(RELAY.rglob("*.py")):
        name = str(file.relative_to(RELAY))
        if not name.startswith(WITHOUT_PAGES):
            tree = ast.parse(file.read_text("utf-8"))
            is_voice = file in voices and name not in SILENT
            for one in [tree] if is_voice else _raised_in(tree, refusals):
                for said in _said_in(one):
                    found.setdefault(said, name)
    for act in ACTS:
        found.setdefault(act, "desk/roles.py")
    for act in ACTS.keys() - READS:
        found.setdefault(act.partition(".")[0].replace("_", " "), "desk/roles.py")
    for said in (
        *OF_STATEMENTS,
        *FIELDS.values(),
        *OF_MESSAGES,
        *(one.value.capitalize() for one in Resource),
    ):
        found.setdefault(said, "desk/fields.py, alerts/word.py or kling/endpoint.py")
    for states in STATES:
        for state in states:
            found.setdefault(state.value, f"{states.__name__}.{state.name}")
    return found


def _leaves(family: type[Exception]) -> set[str]:
    return {family.__name__}.union(*map(_leaves, family.__subclasses__()))


def _raised_in(tree: ast.Module, errors: set[str]) -> Iterator[ast.AST]:
    """Find the refusals of a module that is no voice else."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and _name(node.exc) in errors:
            yield node


def _said_in(tree: ast.AST) -> Iterator[str]:
    skipped = set(_parts_to_skip(tree))
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.JoinedStr | ast.Constant):
            said, shape = _spelt(node)
            if WORDS.search(shape) and not NO_WORDS.match(shape) and shape.isprintable():
                yield said
        for kind in _kinds(node):
            if kind.islower():
                yield _spelt(ast.Constant(kind))[0]


def _kinds(node: ast.AST) -> Iterator[str]:
    """Find the words for things, and what is noted of them."""
    value: ast.AST | None = None
    if isinstance(node, ast.Call) and _name(node.func) == "note_change":
        yield from _noted(node)
    if isinstance(node, ast.Call) and node.args and _name(node.func) in KINDS:
        value = node.args[0]
    elif isinstance(node, ast.Call) and _name(node.func) == "Bound":
        value = node.args[1] if len(node.args) > 1 else None
    elif isinstance(node, ast.Call) and _name(node.func).startswith("check_"):
        value = next((one.value for one in node.keywords if one.arg == "what"), None)
    elif isinstance(node, ast.Assign) and SUBJECT.fullmatch(_name(node.targets[0])):
        value = node.value
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        yield value.value


def _noted(call: ast.Call) -> Iterator[str]:
    """Find an act that no role is asked for, and what kind of thing it is noted of."""
    for part in (one for argument in call.args for one in ast.walk(argument)):
        if isinstance(part, ast.Constant) and ACT.fullmatch(str(part.value)):
            yield str(part.value)
    for keyword in call.keywords:
        if keyword.arg == "kind" and isinstance(keyword.value, ast.Constant):
            yield str(keyword.value.value).replace("_", " ")


def _spelt(node: ast.JoinedStr | ast.Constant) -> tuple[str, str]:
    """Spell it as a catalogue does, and with braces for holes."""
    if isinstance(node, ast.Constant):
        said = node.value if isinstance(node.value, str) else ""
        return said.replace("%", "%%"), said
    spelt, shape, number = "", "", 0
    for part in node.values:
        if isinstance(part, ast.Constant):
            spelt += str(part.value).replace("%", "%%")
            shape += str(part.value)
        else:
            number += 1
            spelt += f"%({number})s"
            shape += "{}"
    return spelt, shape


def _parts_to_skip(tree: ast.AST) -> Iterator[int]:
    """Find what nobody is told: docstrings, what asserts say, SQL and logs."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield from map(id, node.values)
            for part in node.values:
                if isinstance(part, ast.FormattedValue) and part.format_spec:
                    yield from map(id, ast.walk(part.format_spec))
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield id(node.value)
        elif isinstance(node, ast.Assert):
            yield from map(id, ast.walk(node.msg) if node.msg else ())
        elif _is_quiet(node):
            yield from map(id, ast.walk(node))


def _is_quiet(node: ast.AST) -> bool:
    """Tell statements, expressions, logs and bugs."""
    match node:
        case ast.Raise():
            return _name(node.exc) == "AssertionError"
        case ast.Call(func=ast.Attribute(value=ast.Name(id="log"))):
            return True
        case ast.Call():
            return _name(node.func) in QUIET_CALLS
        case _:
            return False


def _name(node: ast.AST | None) -> str:
    match node:
        case ast.Name():
            return node.id
        case ast.Attribute():
            return node.attr
        case ast.Call():
            return _name(node.func)
        case _:
            return ""


if __name__ == "__main__":
    for said, file in told().items():
        print(f"{file}\t{said!r}")  # noqa: T201
