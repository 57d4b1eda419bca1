"""The documents: their links lead somewhere, and what they and the code say of each other is so."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import rich_click as click

from relay.cli.statement import ShowsByDefault
from relay.secret_files import SETTING_OF
from relay.settings import CONFIG_ENV, ENV_PREFIX, Settings
from tests.cli.test_help import ALL
from tests.settings_table import spelt, written

ROOT = Path(__file__).parents[1]
PAGES = {
    str(path.relative_to(ROOT)): path.read_text()
    for path in sorted(
        [
            *ROOT.glob("README*.md"),
            ROOT / "CHANGELOG.md",
            *ROOT.glob("docs/*.md"),
            *ROOT.glob("deploy/*.md"),
        ]
    )
}
CODE = {
    str(path.relative_to(ROOT)): path.read_text()
    for folder in ("relay", "tests", "migrations", "deploy")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in {".py", ".md", ".sh", ".example", ".service"} and path != Path(__file__)
}
SETTINGS = {ENV_PREFIX + name.upper() for name in set(Settings.__struct_fields__) - {"endpoints"}}
LINES_MAX = 200
WEIGHTS = ("confirmed", "documented", "one source", "conflict", "guess")

FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
COMMENT = re.compile(r'(?:^|[ \t]+)(?:#|//) .*$|"""[^"]*"""', re.MULTILINE)
REQUEST = re.compile(r"^((?:GET|POST|PUT) +\S+)(.*)$", re.MULTILINE)

CITED = re.compile(
    r"docs/(?P<page>[\w-]+\.md)"
    r"(?:,? (?P<letter>[MDT]\d)\b|(?:,? sections?)?,? (?P<numbers>\d+(?:\.\d+)?"
    r"(?:(?:, (?:and )?| and | to )(?:section )?\d+(?:\.\d+)?)*))?"
    r'(?:,? "(?P<heading>[^"]+)"(?:, step (?P<step>\d+))?)?'
)
BARE_SECTION = re.compile(r"(?<!8305, )\b[Ss]ections? (\d+(?:\.\d+)?)")
"""Of Kling's API, as all of the sandbox and its tests cite; RFC 8305 has sections too."""
BARE_PROMISE = re.compile(r"[(\"# ]([MDT][1-9])(?:'s|:|\)|,|\.| )")
GONE = re.compile(r"(?<!docs/)\bkling-api\.md|\b[Dd]esign\.md|README, \"")


def slug(heading: str) -> str:
    """Spell an anchor as GitHub does."""
    text = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def prose(page: str) -> str:
    return FENCE.sub("", PAGES[page])


def anchors(page: str) -> set[str]:
    return {slug(heading) for heading in HEADING.findall(prose(page))}


def flat(text: str) -> str:
    """One line of a docstring or of comments, however it was broken."""
    return re.sub(r"\s*\n\s*(?:# )?", " ", text)


def section(page: str, heading: str) -> str | None:
    """What stands under a heading, up to the next one of its level; None without such a heading."""
    found = re.search(rf"^(#+) {re.escape(heading)}$", PAGES[page], re.MULTILINE)
    if found is None:
        return None
    rest = PAGES[page][found.end() :]
    return re.split(rf"^#{{1,{len(found[1])}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def numbers(page: str) -> set[str]:
    """Numbers that a page can be cited by: of its sections, or of its paragraphs."""
    pattern = r"^(\d+)\. " if page == "docs/decisions.md" else r"^#+ (\d+(?:\.\d+)?)\.? "
    return set(re.findall(pattern, PAGES[page], re.MULTILINE))


def unresolved(found: re.Match[str]) -> Iterator[str]:
    """Say what of one citation is not there."""
    page = f"docs/{found['page']}"
    if page not in PAGES:
        yield "no such document"
        return
    if found["letter"] and f"**{found['letter']}. " not in PAGES[page]:
        yield f"no promise {found['letter']}"
    for number in re.findall(r"\d+(?:\.\d+)?", found["numbers"] or ""):
        if number not in numbers(page):
            yield f"no number {number}"
    if found["heading"]:
        text = section(page, found["heading"])
        if text is None and f"**{found['heading']}" not in PAGES[page]:
            yield f'no heading "{found["heading"]}"'
        if found["step"] and not re.search(rf"^{found['step']}\. ", text or "", re.MULTILINE):
            yield f"no step {found['step']}"


def code(page: str) -> list[list[str]]:
    """Each block's lines without comments, as is all but JSON after the path of a request."""
    blocks = [COMMENT.sub("", fence) for fence in FENCE.findall(PAGES[page])]
    blocks = [
        REQUEST.sub(lambda one: " ".join([one[1], *re.findall(r"\{.*?\}+", one[2])]), block)
        for block in blocks
    ]
    return [[line for line in block.splitlines() if line.strip()] for block in blocks]


def outline(page: str) -> list[dict[str, object]]:
    """What of each section is the same in any language; its links to headings by their number."""
    titles = [slug(heading) for heading in HEADING.findall(prose(page))]
    levels = [0, *(len(one) for one in re.findall(r"^#+(?= )", prose(page), re.MULTILINE))]
    texts = re.split(r"^#+ .+$", prose(page), flags=re.MULTILINE)
    return [
        {
            "level": level,
            "rows": len(re.findall(r"^\|", text, re.MULTILINE)),
            "items": len(re.findall(r"^(?:- |\d+\. )", text, re.MULTILINE)),
            "spans": sorted({" ".join(one.split()) for one in re.findall(r"`([^`]+)`", text)}),
            "numbers": sorted(set(re.findall(r"\d[\d,.]*\d|\d", text))),
            "links": sorted(
                f"#{titles.index(link[1:])}" if link[0] == "#" else link.replace(".zh.md", ".md")
                for link in LINK.findall(text)
            ),
        }
        for level, text in zip(levels, texts, strict=True)
    ]


def commands(page: str) -> Iterator[tuple[str, ...]]:
    """Every `relay …` that a page says to type, its words up to a pipe or a comment."""
    lines = [line for fence in FENCE.findall(PAGES[page]) for line in fence.splitlines()]
    for text in [*lines, *SPAN.findall(prose(page))]:
        for part in re.split(r"[;&|] |  +#|# ", text.replace("\\|", "/")):
            command = re.sub(r"^(?:uv run |/opt/kling-relay/bin/)", "", part.strip())
            if command.startswith("relay ") and "…" not in command.split()[1]:
                yield tuple(command.split()[1:])


def wrong_command(words: tuple[str, ...]) -> str | None:
    """Say what of a command line this version does not have."""
    path: tuple[str, ...] = ()
    for word in words:
        alternatives = [(*path, one) for one in word.split("/")]
        if not isinstance(ALL[path], click.Group) or word.startswith("-"):
            break
        if isinstance(ALL[path], ShowsByDefault) and alternatives[0] not in ALL:
            alternatives = [(*path, "show")]
        if any(one not in ALL for one in alternatives):
            return f"no command {word}"
        path = alternatives[0]
    options = {name for parameter in ALL[path].params for name in parameter.opts}
    options |= {name for parameter in ALL[path].params for name in parameter.secondary_opts}
    asked = {word.split("=")[0] for word in words if re.match(r"--\w", word)}
    return f"no option {asked - options}" if asked - options - {"--help", "--version"} else None


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    """Files that are here, and headings that they have; other sites are not asked."""
    broken = []
    for target in LINK.findall(SPAN.sub("", prose(page))):
        if target.startswith(("https://", "http://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / page).parent.joinpath(path).resolve() if path else ROOT / page
        name = str(file.relative_to(ROOT))
        if not file.exists() or (anchor and anchor not in anchors(name)):
            broken.append(target)

    assert broken == []


def test_the_tenants_page_says_the_same_in_chinese() -> None:
    """As far as code, headings, rows, names, numbers tell: a change of one asks for the other."""
    assert code("deploy/tenants.md") == code("deploy/tenants.zh.md")
    assert outline("deploy/tenants.md") == outline("deploy/tenants.zh.md")


def test_the_chinese_readme_shows_no_other_code() -> None:
    """It may leave some out."""
    known = code("README.md")

    assert [block for block in code("README.zh.md") if block not in known] == []


def test_every_citation_of_a_document_is_there() -> None:
    """A page, and of it a number, a promise, a heading or a step: all that the code cites."""
    cited = [(file, found) for file in CODE for found in CITED.finditer(flat(CODE[file]))]

    assert [f"{file}: {one[0]}: {why}" for file, one in cited for why in unresolved(one)] == []
    assert len(cited) > 100


def test_nothing_cites_what_is_not_in_the_repository() -> None:
    """The design before the first line, a list of facts beside it, sections that README had."""
    assert [f"{file}: {one}" for file in CODE for one in GONE.findall(flat(CODE[file]))] == []


def test_sections_cited_without_their_page_are_of_klings_api() -> None:
    """As the sandbox and its tests do, which are written from that page alone."""
    known = numbers("docs/kling-api.md")
    cited = [(file, one) for file in CODE for one in BARE_SECTION.findall(flat(CODE[file]))]

    assert [(file, number) for file, number in cited if number not in known] == []
    assert len(cited) > 40


def test_promises_cited_by_their_letter_are_made() -> None:
    """`(T4)` in a docstring or comment: its sentence stands in docs/promises.md."""
    made = set(re.findall(r"^- \*\*([MDKT]\d)\. ", PAGES["docs/promises.md"], re.MULTILINE))
    cited = [one for file in CODE for one in BARE_PROMISE.findall(flat(CODE[file]))]

    assert made == {
        f"{a}{n}"
        for a, most in (("M", 9), ("D", 5), ("K", 1), ("T", 4))
        for n in range(1, most + 1)
    }
    assert set(cited) - made == set()
    assert len(cited) > 30


def test_each_fact_of_klings_api_has_its_weight() -> None:
    """Each section that holds facts names one; 13 to 16 are about others, or sum up."""
    parts = re.split(r"^#+ (\d+(?:\.\d+)?)\.? .*$", PAGES["docs/kling-api.md"], flags=re.MULTILINE)
    texts = dict(zip(parts[1::2], parts[2::2], strict=True))

    assert [
        number
        for number, text in texts.items()
        if text.strip()
        and int(number.split(".")[0]) not in {14, 15, 16}
        and not any(f"**{weight}**" in text for weight in WEIGHTS)
    ] == []


def test_the_readme_is_short() -> None:
    """What it is, see it work, from clone to a real key, where to read on."""
    assert PAGES["README.md"].count("\n") < LINES_MAX


def test_the_settings_table_has_every_setting_and_no_other() -> None:
    """Its first column names all of `Settings`; `RELAY_CONFIG` stands above it."""
    rows = re.findall(r"^\| (`RELAY_[^|]*) \|", PAGES["docs/operate.md"], flags=re.MULTILINE)
    named = re.findall(r"`(RELAY_\w+)`", " ".join(rows))

    assert sorted(named) == sorted(SETTINGS)


def test_the_settings_table_says_what_the_console_says() -> None:
    """Stale? `uv run python -m tests.settings_table` writes it anew."""
    assert written() == spelt()


@pytest.mark.parametrize("page", PAGES)
def test_every_setting_that_a_page_names_is_one(page: str) -> None:
    """A setting that was renamed is renamed in all of them."""
    named = set(re.findall(r"\bRELAY_[A-Z_]*[A-Z]\b", PAGES[page]))

    assert named - SETTINGS - {CONFIG_ENV, *SETTING_OF} == set()


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_a_page_names_is_there(page: str) -> None:
    """Of this repository, or, in short, below `relay/`; `*` stands for several."""
    named = {one for one in SPAN.findall(prose(page)) if re.fullmatch(r"[\w*./-]+\.(py|sh)", one)}
    named |= {
        one for one in SPAN.findall(prose(page)) if re.fullmatch(r"(relay|tests)/[\w/]+", one)
    }

    assert [
        one for one in named if not any(any(top.glob(one)) for top in (ROOT, ROOT / "relay"))
    ] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_command_that_a_page_names_exists(page: str) -> None:
    """With the options it is shown with."""
    wrong = {words: wrong_command(words) for words in commands(page)}

    assert {words: why for words, why in wrong.items() if why} == {}


def test_what_decides_stands_in_the_file_that_is_named() -> None:
    """docs/where.md: each name of its last column occurs in the file of the column before."""
    rows = re.findall(
        r"^\| [^|]+ \| `([^`|]+)` \| ([^|]+) \|$", PAGES["docs/where.md"], re.MULTILINE
    )
    missing = []
    for file, by in rows:
        text = (ROOT / file).read_text()
        names = [one for one in SPAN.findall(by) if "/" not in one]
        names = [one.rpartition(".")[2] for one in names] + re.findall(r"\b[A-Z_]{4,}\b", by)
        missing += [f"{file}: {name}" for name in names if not re.search(rf"\b{name}\b", text)]

    assert missing == []
    assert len(rows) > 20
