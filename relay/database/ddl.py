"""What the statements of a migration lock, and what they do with that lock.

Read off their text as Alembic writes it: nothing is run. What is not understood is said to be so,
and taken for the worst. tests/migrations/test_ddl.py holds it against Postgres itself.
Source: Postgres 15, "Explicit Locking", "ALTER TABLE", "CREATE INDEX".
"""

import re
from collections.abc import Iterator, Mapping
from enum import IntEnum, StrEnum

import msgspec


class Lock(IntEnum):
    """Of a table, the weaker first; held until its migration commits."""

    ROW_EXCLUSIVE = 3
    """Of changed rows: only who changes the same ones waits."""
    SHARE_UPDATE_EXCLUSIVE = 4
    """Nobody waits but for other changes of the schema."""
    SHARE = 5
    """Whoever writes waits."""
    SHARE_ROW_EXCLUSIVE = 6
    """Whoever writes waits."""
    ACCESS_EXCLUSIVE = 8
    """Whoever reads or writes waits."""

    @property
    def title(self) -> str:
        return self.name.replace("_", " ")

    @property
    def blocks(self) -> str:
        """Say what waits; nothing if nobody does."""
        if self is Lock.ACCESS_EXCLUSIVE:
            return "reads and writes"
        return "writes" if self >= Lock.SHARE else ""


class Work(StrEnum):
    """What is done under the lock; how long it takes follows from the table's size."""

    AT_ONCE = "at once"
    """Only the catalogue changes."""
    SCAN = "reads the table"
    INDEX = "builds an index"
    ROWS = "changes rows"
    """All of them, at worst."""
    REWRITE = "rewrites the table"
    UNKNOWN = "not understood"


class Effect(msgspec.Struct, frozen=True):
    """What one statement does to one table that others use."""

    what: str
    table: str
    lock: Lock
    work: Work
    is_additive: bool
    """Code that does not know of it surely goes on as before."""


NAME = r'(?:public\.)?"?(?P<{}>\w+)"?'
TABLE = NAME.format("table")
WORD = NAME.format("name")
ALTER = rf"ALTER TABLE (?:ONLY )?{TABLE} "
ADD = rf"{ALTER}ADD CONSTRAINT {WORD} "
NEW = rf"{ALTER}ADD COLUMN (?:IF NOT EXISTS )?{WORD} "
COLUMN = rf"{ALTER}ALTER (?:COLUMN )?{WORD} "
FILLED = r"random|gen_random_uuid|clock_timestamp|timeofday|nextval"
"""Functions of which each row gets a value of its own."""
AX, SRX, SUX, RX = (
    Lock.ACCESS_EXCLUSIVE,
    Lock.SHARE_ROW_EXCLUSIVE,
    Lock.SHARE_UPDATE_EXCLUSIVE,
    Lock.ROW_EXCLUSIVE,
)
READ: tuple[tuple[str, str, Lock, Work, bool], ...] = (
    # pattern, what it does, lock, work, is additive; the first that fits
    (rf"{ALTER}.*, (?:ADD|DROP|ALTER) .*", "several changes at once", AX, Work.UNKNOWN, False),
    (rf"{NEW}.*(?:\b(?:{FILLED})\s*\(|GENERATED|SERIAL).*", "+{name}", AX, Work.REWRITE, True),
    (rf"{NEW}(?=.*DEFAULT).*", "+{name}", AX, Work.AT_ONCE, True),
    (rf"{NEW}.*NOT NULL.*", "+{name}, without a default", AX, Work.AT_ONCE, False),
    (rf"{NEW}.*", "+{name}", AX, Work.AT_ONCE, True),
    (rf"{ADD}.*REFERENCES.* NOT VALID", "foreign key {name}", SRX, Work.AT_ONCE, False),
    (rf"{ADD}.*REFERENCES.*", "foreign key {name}", SRX, Work.SCAN, False),
    (rf"{ADD}CHECK.* NOT VALID", "check {name}", AX, Work.AT_ONCE, False),
    (rf"{ADD}CHECK.*", "check {name}", AX, Work.SCAN, False),
    (rf"{ADD}.*USING INDEX.*", "constraint {name}", AX, Work.AT_ONCE, False),
    (rf"{ADD}.*", "constraint {name}", AX, Work.INDEX, False),
    (rf"{ALTER}VALIDATE CONSTRAINT {WORD}", "validate {name}", SUX, Work.SCAN, True),
    (rf"{ALTER}DROP CONSTRAINT {WORD}.*", "-constraint {name}", AX, Work.AT_ONCE, False),
    (rf"{ALTER}DROP COLUMN {WORD}.*", "-{name}", AX, Work.AT_ONCE, False),
    (rf"{COLUMN}(?:SET DATA )?TYPE .*", "{name} of another type", AX, Work.REWRITE, False),
    (rf"{COLUMN}SET NOT NULL", "{name} not null", AX, Work.SCAN, False),
    (rf"{COLUMN}(?:SET DEFAULT .*|DROP .*)", "{name} altered", AX, Work.AT_ONCE, False),
    (rf"{ALTER}RENAME .*", "renamed", AX, Work.AT_ONCE, False),
    (rf"{ALTER}SET \(.*\)", "settings of storage", SUX, Work.AT_ONCE, True),
    (rf"CREATE INDEX CONCURRENTLY {WORD} ON {TABLE} .*", "index {name}", SUX, Work.INDEX, True),
    (rf"CREATE INDEX {WORD} ON {TABLE} .*", "index {name}", Lock.SHARE, Work.INDEX, True),
    (
        rf"CREATE UNIQUE INDEX {WORD} ON {TABLE} .*",
        "unique index {name}",
        Lock.SHARE,
        Work.INDEX,
        False,
    ),
    (
        rf"CREATE (?:CONSTRAINT )?TRIGGER {WORD} .* ON {TABLE} .*",
        "trigger {name}",
        SRX,
        Work.AT_ONCE,
        False,
    ),
    (rf"DROP TRIGGER {WORD} ON {TABLE}", "-trigger {name}", AX, Work.AT_ONCE, False),
    (rf"DROP TABLE {TABLE}", "-table", AX, Work.AT_ONCE, False),
    (rf"INSERT INTO {TABLE} .*", "new rows", RX, Work.AT_ONCE, False),
    (rf"(?:UPDATE|DELETE FROM) {TABLE} .*", "rows changed", RX, Work.ROWS, False),
)
QUIET = re.compile(
    r"(?:--|(?:SET|SELECT|BEGIN|COMMIT|COMMENT ON|CREATE FUNCTION)\b"
    r"|(?:INSERT INTO|UPDATE|DELETE FROM) (?:alembic_version|schema_floor)\b)",
    re.IGNORECASE,
)
"""What makes nobody wait, and that no code minds."""


class DdlReader:
    """Reads the statements of one migration after the other, in their order."""

    def __init__(
        self, *, indexes: Mapping[str, str], references: Mapping[str, frozenset[str]]
    ) -> None:
        """`indexes`: the table of each; `references`: the tables that each one's keys lead to."""
        self._indexes = dict(indexes)
        self._references = {table: set(others) for table, others in references.items()}
        self._made: set[str] = set()

    def read_migration(self, statements: list[str]) -> list[Effect]:
        """Read the statements of one transaction; a table that it makes is nobody's till then."""
        self._made.clear()
        effects = [effect for statement in statements for effect in self._read(statement)]
        return [effect for effect in effects if effect.table not in self._made]

    def _read(self, statement: str) -> Iterator[Effect]:
        words = " ".join(statement.split()).rstrip("; ")
        if QUIET.match(words):
            return
        if made := re.match(rf"CREATE TABLE {TABLE}", words, re.IGNORECASE):
            self._made.add(made["table"])
            yield from self._linked(made["table"], words, f"table {made['table']}", SRX)
            return
        if gone := re.fullmatch(rf"DROP INDEX (?P<how>CONCURRENTLY )?{WORD}", words, re.IGNORECASE):
            table = self._indexes.pop(gone["name"], f"(that of {gone['name']})")
            lock = SUX if gone["how"] else AX
            # A unique one may be what ON CONFLICT names.
            yield Effect(f"-index {gone['name']}", table, lock, Work.AT_ONCE, is_additive=False)
            return
        for pattern, what, lock, work, is_additive in READ:
            if match := re.fullmatch(pattern, words, re.IGNORECASE):
                named = match.groupdict()
                table = named["table"]
                said = what.format(**named)
                yield Effect(said, table, lock, work, is_additive=is_additive)
                if " INDEX " in words.upper() or work is Work.INDEX:
                    self._indexes[named["name"]] = table
                yield from self._linked(table, words, said, lock)
                return
        yield Effect(f"{words[:60]}", "unknown", AX, Work.UNKNOWN, is_additive=False)

    def _linked(self, table: str, words: str, said: str, lock: Lock) -> Iterator[Effect]:
        """Tell of the tables at the other end of foreign keys, where triggers come and go."""
        others = set(re.findall(r'REFERENCES (?:public\.)?"?(\w+)', words, re.IGNORECASE))
        self._references.setdefault(table, set()).update(others)
        if re.match(r"DROP TABLE|.* DROP CONSTRAINT \w+_fkey\b", words, re.IGNORECASE):
            others = self._references[table]
        for other in sorted(others - {table}):
            is_additive = words.upper().startswith("CREATE TABLE")
            yield Effect(said, other, lock, Work.AT_ONCE, is_additive=is_additive)
