"""`relay price export`, `diff`, `import`: all prices as a file, there and back."""

from pathlib import Path

import pytest

from tests.cli.command import Command

V3 = ("text2video", "--model", "kling-v3")
NEXT_YEAR = "2100-01-01"


@pytest.fixture
def shop(relay: Command) -> Command:
    """Prices of every kind: for all, a group and a tenant, now, later, for a while, at night."""
    relay("tenant", "add", "acme", "--multiplier", "1.2", "--price-group", "vip")
    relay("price", "set", *V3, "--amount", "3")
    relay("price", "set", *V3, "--amount", "2", "--until", NEXT_YEAR)
    relay("price", "set", *V3, "--amount", "4", "--from", "2101-01-01")
    relay("price", "set", "omni-video", "--units", "7", "--price-group", "vip", "--hours", "22-6")
    relay("price", "set", "omni-video", "--units", "8", "--tenant", "acme")
    relay("price", "multiply", "0.9", "--price-group", "vip", "--from", NEXT_YEAR)
    return relay


def quoted(relay: Command, *options: str) -> int:
    held: int = relay.json("price", "quote", *V3, *options)["hold_micros"]
    return held


def test_a_file_that_was_exported_changes_nothing(shop: Command, tmp_path: Path) -> None:
    """Nor does it twice; and an empty one ends all, after which the first brings all back."""
    file, nothing = tmp_path / "prices.toml", tmp_path / "nothing.toml"
    file.write_text(shop("price", "export").stdout)
    nothing.write_text("")

    before = shop.json("price", "list")
    assert "No row differs." in shop("price", "diff", str(file)).stderr
    assert shop.json("price", "import", str(file), "--yes")["is_imported"] is False
    assert shop.json("price", "list") == before
    shop("price", "import", str(nothing), "--yes")
    assert [row for row in shop.json("price", "list") if row["source"] == "operator"] == []
    assert shop.json("price", "multipliers")["multipliers"] == []
    shop("price", "import", str(file), "--yes")
    again = shop.json("price", "import", str(file), "--yes")

    assert (again["ended"], again["added"]) == ([], [])
    assert shop("price", "export").stdout.count("[[price]]") == 5
    assert (quoted(shop), quoted(shop, "--tenant", "acme")) == (2_000_000, 2_000_000)
    assert shop.json("tenant", "list")[0]["multiplier"] == "1.2"


def test_an_import_shows_what_it_changes_and_asks(shop: Command, tmp_path: Path) -> None:
    """What was answered with no is not done; `diff` shows the same and does nothing."""
    text = shop("price", "export").stdout
    changed = text.replace("amount = 2\n", "amount = 2.5\n").replace("times = 1.2", "times = 1.3")
    changed += "multiplies_amounts = true\n"
    file = tmp_path / "prices.toml"
    head, _, rest = changed.rpartition("multiplies_amounts = true\n")
    file.write_text(f"multiplies_amounts = true\n{head}{rest}")

    shown = shop("price", "diff", str(file)).stdout
    refused = shop("price", "import", str(file), code=1, stdin="n\n").stdout
    unchanged = quoted(shop)
    done = shop("price", "import", "-", "--yes", stdin=file.read_text()).stdout
    twice = shop.json("price", "diff", str(file))
    (change,) = [one for one in shop.json("changes", "list") if one["act"] == "price.import"]

    assert shown in refused
    assert unchanged == 2_000_000
    lines = sorted(" ".join(line.split()) for line in shown.splitlines()[2:])
    assert lines[0].startswith("ends multiplier x 1.2 tenant acme")
    assert any(
        line.startswith("new text2video --model kling-v3 2.5 USD/task all") for line in lines
    )
    assert "multipliers apply to rows with an amount from then on" in shown
    assert "ended: 3, added: 3" in done  # 3 for good, over which 2 lay, begins anew beneath 2.5
    assert (twice["ended"], twice["added"], twice["multiplies_amounts"]) == ([], [], None)
    assert quoted(shop) == 2_500_000
    assert quoted(shop, "--tenant", "acme") == 3_250_000
    assert change["after"]["rows"] == 3


BAD: list[tuple[str, str]] = [
    ("[[price]]\nendpoint = 'tts'", "price 2 (tts): give exactly one of"),
    ("[[price]]\nendpoint = 'tts'\nunits = 1\ntenant = 'acmee'", "no tenant 'acmee'"),
    (
        "[[price]]\nendpoint = 'tts'\nunits = 1\nprice_group = ''",
        "price 2 (tts): '' is no price group",
    ),
    ("[[price]]\nendpoint = 'tts'\nunits = 1\nuntil = 2020-01-01", "it is over already"),
    ("\udcff", "is not UTF-8"),
]


def test_a_bad_row_is_a_sentence_and_nothing_is_written(shop: Command, tmp_path: Path) -> None:
    """Though all the others are good."""
    file = tmp_path / "prices.toml"
    before = shop.json("price", "list")

    for text, said in BAD:
        whole = f"[[price]]\nendpoint = 'avatar'\nunits = 1\n{text}"
        file.write_bytes(whole.encode(errors="surrogateescape"))
        for command in ("import", "diff"):
            assert said in shop.refused("price", command, str(file)), text

    assert shop.json("price", "list") == before
    assert "cannot be read" in shop.refused("price", "import", str(tmp_path / "none.toml"))
