import re
import shlex
from pathlib import Path

import msgspec
import pytest

from relay.cli.price import price
from relay.cli.price_key import ready_line
from relay.kling.wanted import Wanted
from tests.cli.command import Command, execute

MISSED = "text2video model=kling-v9"
V3 = ("text2video", "--model", "kling-v3", "--mode", "std", "--sound", "off")


def test_the_list_has_the_operators_rows_before_the_official_ones(relay: Command) -> None:
    """Each row says where it is from; models that Kling ended are shown with --all only."""
    relay("price", "set", "omni-video", "--amount", "3")

    rows = relay.json("price", "list")
    everything = relay.json("price", "list", "--all")
    of_one = relay.json("price", "list", "--endpoint", "omni-video")

    assert (rows[0]["endpoint"], rows[0]["source"]) == ("omni-video", "operator")
    assert {row["source"] for row in rows[1:]} == {"Kling's list of 2026-09-20"}
    assert len(everything) > len(rows)
    assert {row["endpoint"] for row in of_one} == {"omni-video"}


def test_list_price_times_one_point_two_for_everybody(relay: Command) -> None:
    """0.6 units x 5 s x 0.14 x 1.2 = 0.504."""
    relay("price", "set", *V3, "--units-per-second", "0.6", "--times", "1.2")

    quote = relay.json("price", "quote", *V3)

    assert quote["hold_micros"] == 504_000
    assert quote["row"]["source"] == "operator"
    assert quote["shown_units"] == "3.6"
    assert quote["settled_by"].startswith("Kling's deduction")


def test_list_price_times_one_point_two_for_one_tenant(relay: Command) -> None:
    """The tenant's multiplier does it on every row in units."""
    relay("tenant", "add", "acme", "--multiplier", "1.2")

    assert relay.json("price", "quote", *V3, "--tenant", "acme")["hold_micros"] == 504_000
    assert relay.json("price", "quote", *V3)["hold_micros"] == 420_000


def test_this_clip_costs_exactly_three(relay: Command) -> None:
    """A fixed amount, whatever the tenant's multiplier; other lengths keep their price."""
    relay("tenant", "add", "acme", "--multiplier", "1.2")
    clip = (*V3, "--duration", "10")
    relay("price", "set", *clip, "--amount", "3")

    assert relay.json("price", "quote", *clip, "--tenant", "acme")["hold_micros"] == 3_000_000
    assert relay.json("price", "quote", *clip)["settled_by"] == "the amount"
    assert relay.json("price", "quote", *V3)["hold_micros"] == 420_000


def test_a_quote_has_klings_defaults(relay: Command) -> None:
    """omni-video alone is kling-video-o1, pro, 5 s (docs/kling-api.md 4.4): 0.8 x 5 x 0.14."""
    quote = relay.json("price", "quote", "omni-video")

    assert str(msgspec.convert(quote["wanted"], Wanted)) == (
        "omni-video model=kling-video-o1 mode=pro sound=off video-input=off duration=5"
    )
    assert quote["hold_micros"] == 560_000


def test_the_catch_all_prices_what_has_no_row(relay: Command) -> None:
    """Without it a model of tomorrow is refused; with it 100 units are held."""
    new = ("text2video", "--model", "kling-v9")

    assert "no row prices text2video model=kling-v9" in relay.refused("price", "quote", *new)
    relay("price", "set", "*", "--units", "100")
    assert relay.json("price", "quote", *new)["hold_micros"] == 14_000_000
    assert relay.json("price", "quote", *V3)["hold_micros"] == 420_000
    relay("price", "unset", "*")
    relay.refused("price", "quote", *new)


def test_unset_takes_out_exactly_one_row(relay: Command) -> None:
    """Another key is not meant, and official rows cannot be taken out."""
    relay("price", "set", *V3, "--amount", "3")

    assert "no row of yours with exactly the key" in relay.refused(
        "price", "unset", "text2video", "--model", "kling-v3"
    )
    relay("price", "unset", *V3)
    assert "no row of yours" in relay.refused("price", "unset", *V3)
    assert relay.json("price", "quote", *V3)["hold_micros"] == 420_000


def test_setting_the_same_key_again_replaces_the_row(relay: Command) -> None:
    """One row per key, with the newest price."""
    relay("price", "set", *V3, "--amount", "3")
    relay("price", "set", *V3, "--units", "7")

    rows = [row for row in relay.json("price", "list") if row["source"] == "operator"]

    assert [(row["units"], row["amount_micros"]) for row in rows] == [("7", None)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (V3, "Give exactly one of"),
        ((*V3, "--units", "1", "--amount", "2"), "Give exactly one of"),
        ((*V3, "--amount", "2", "--times", "1.2"), "--times multiplies units"),
        ((*V3, "--amount", "2", "--hold-seconds", "9"), "--hold-seconds goes with"),
        ((*V3, "--units", "-1"), "-1 must be at least 0"),
        ((*V3, "--amount", "0.1234567"), "more than 6 decimal places"),
        (("*", "--units-per-second", "1"), "'*' takes --units or --amount"),
        (("multi-image2video", "--sound", "on", "--units", "1"), "is not priced by --sound"),
    ],
)
def test_a_price_that_makes_no_sense_is_wrong_usage(
    relay: Command, arguments: tuple[str, ...], said: str
) -> None:
    """Exit code 2, and no row is written."""
    assert said in relay.refused("price", "set", *arguments, code=2)
    assert all(row["source"] != "operator" for row in relay.json("price", "list"))


def test_an_unknown_endpoint_is_named_with_what_may_be_meant(relay: Command) -> None:
    """Exit code 1."""
    message = relay.refused("price", "set", "text-2-video", "--units", "1")

    assert "there is no endpoint 'text-2-video'; did you mean 'text2video'" in message


def test_what_was_refused_is_listed_with_a_ready_command(relay: Command) -> None:
    """How often and when last; first nothing: an empty array, and a word on stderr."""
    assert relay.json("price", "missing") == []
    assert "Nothing was refused" in relay("price", "missing").stderr

    miss(relay, Wanted("text2video", "kling-v9", seconds=5), times=7)

    (only,) = relay.json("price", "missing")
    shown = relay("price", "missing").stdout
    assert (missed(relay), only["times"]) == ([f"{MISSED} duration=5"], 7)
    assert f"{MISSED} duration=5" in shown
    assert only["command"] == "relay price set text2video --model kling-v9 --units-per-second X"
    assert only["command"] in shown
    relay(*shlex.split(only["command"].replace(" X", " 0.9"))[1:])
    assert relay.json("price", "quote", "text2video", "--model", "kling-v9")["hold_micros"]


@pytest.mark.parametrize(
    ("wanted", "command"),
    [
        (
            Wanted("text2video", "kling-v9", "std", sound=False, voice=False, seconds=5),
            "price set text2video --model kling-v9 --mode std --sound off --voice off",
        ),
        (
            Wanted("omni-video", "kling-o9", "pro", sound=True, video_input=True, is_open=True),
            "price set omni-video --model kling-o9 --mode pro --sound on --video-input on",
        ),
        (Wanted("text2video", "\x1b[2J", "std", seconds=5), None),
    ],
)
def test_a_refused_task_becomes_a_command(wanted: Wanted, command: str | None) -> None:
    """Of words that steer a terminal, none is made."""
    expected = None if command is None else f"relay {command} --units-per-second X"

    assert ready_line(wanted) == expected


def test_a_tenants_words_cannot_leave_their_quotes() -> None:
    """A model called `x; rm -rf ~` is one word of the command, for whoever pastes it."""
    line = ready_line(Wanted("text2video", "x; rm -rf ~ '$(id)'", "std", seconds=5))

    assert line is not None
    assert shlex.split(line)[5] == "x; rm -rf ~ '$(id)'"


def miss(relay: Command, *wanted: Wanted, times: int = 1) -> None:
    for one in wanted:
        spelt = msgspec.json.encode(one)
        execute(
            relay,
            "INSERT INTO price_misses (key, wanted, times) VALUES ($1, $2, $3)",
            *(spelt, spelt.decode(), times),
        )


def missed(relay: Command) -> list[str]:
    """What `price missing` lists, as people read it."""
    listed = relay.json("price", "missing")
    return sorted(str(msgspec.convert(row["wanted"], Wanted)) for row in listed)


def test_what_has_a_price_by_now_is_not_missing(relay: Command) -> None:
    """A row of one's own, an official row and the catch-all each take what they price out."""
    v9 = Wanted("text2video", "kling-v9", "std", sound=False, voice=False, seconds=5)
    pro = msgspec.structs.replace(v9, mode="pro")
    effects = Wanted("effects")
    miss(relay, v9, pro, effects, msgspec.structs.replace(v9, model="kling-v3"))

    assert missed(relay) == sorted(map(str, (effects, pro, v9)))
    relay("price", "set", "text2video", "--model", "kling-v9", "--mode", "std", "--amount", "1")
    assert missed(relay) == sorted(map(str, (effects, pro)))
    relay("price", "set", "*", "--units", "100")
    assert missed(relay) == []
    relay("price", "unset", "*")
    assert str(effects) in missed(relay)


def test_a_ready_line_prices_a_task_by_what_it_has(relay: Command) -> None:
    """Seconds where there are any, images where they are counted, else the task."""
    miss(
        relay,
        Wanted("effects"),
        Wanted("motion-control", "kling-v9", "std", is_open=True),
        Wanted("generations", "kling-v9", "1k", video_input=False, is_image=True),
    )

    listed = relay.json("price", "missing")
    lines = {row["wanted"]["endpoint"]: row["command"] for row in listed}

    assert lines["effects"] == "relay price set effects --units X"
    assert lines["motion-control"].endswith("--mode std --units-per-second X")
    assert lines["generations"].endswith("--video-input off --units-per-image X")
    for line in lines.values():
        relay(*shlex.split(line)[1:-1], "2")
    assert missed(relay) == []


PAGE = (Path(__file__).parents[2] / "docs" / "prices.md").read_text()
HELP = price.commands["set"].help or ""


@pytest.mark.parametrize("text", [PAGE, HELP], ids=["docs/prices.md", "--help"])
def test_the_examples_of_prices_mean_what_they_say(relay: Command, text: str) -> None:
    """Set one after the other, each row prices its own key, and nothing is warned of."""
    joined = text.replace("\\\n", " ")
    lines = re.findall(r"^ *relay (price set [^'\n]*)(?:#.*)?$", joined, re.MULTILINE)
    examples = [shlex.split(line, comments=True) for line in lines if "--" in line]

    said = [relay.json(*example) for example in examples]

    assert len(said) >= 2
    assert [one["warnings"] for one in said] == [[]] * len(said)
    assert all(one["priced_by"]["source"] == "operator" for one in said)
    for example, one in zip(examples, said, strict=True):
        key = {name: one[name] for name in ("model", "mode", "sound", "duration_s")}
        assert {name: one["priced_by"][name] for name in key} == key, example


T2V = ("price", "set", "text2video")


def test_price_set_says_which_rows_go_before_it(relay: Command) -> None:
    """A clip by model and length loses silent 5 s of std to the row of three, no more."""
    relay(*T2V, *V3[1:], "--units-per-second", "0.6")

    set_now = relay(*T2V, "--model", "kling-v3", "--duration", "5", "--amount", "3")

    assert (
        "with Kling's defaults for what the key leaves open: text2video --model kling-v3"
        " --mode std --sound off: 0.6 units/second"
    ) in set_now.stdout
    assert "Warning: some tasks of this key are priced by rows before it" in set_now.stderr
    assert "can never win" not in set_now.stderr


@pytest.mark.parametrize(
    ("rows", "loser"),
    [
        # both ways of one field are taken by rows that name it
        ([("--sound", "on"), ("--sound", "off"), ()], ""),
        # every mode that Kling has is taken
        ([("--mode", "std"), ("--mode", "pro"), ("--mode", "4k"), ()], ""),
        # the last of them takes the last task from a row that was set before
        ([(), ("--mode", "std"), ("--mode", "pro"), ("--mode", "4k")], "text2video"),
    ],
)
def test_a_row_that_can_never_win_is_warned_of(
    relay: Command, rows: list[tuple[str, ...]], loser: str
) -> None:
    """When it is set, or when a later row takes its last task."""
    *first, last = [(*T2V, "--model", "kling-v3", *row, "--amount", "1") for row in rows]
    early = [relay.json(*row)["warnings"] for row in first]

    (warning,) = relay.json(*last)["warnings"]

    assert not any("can never win" in text for said in early for text in said)
    assert "can never win" in warning
    assert loser in warning


def test_a_row_of_what_is_free_never_wins(relay: Command) -> None:
    """Marks of a selection cost nothing at Kling, whatever a row says."""
    (warning,) = relay.json("price", "set", "init-selection", "--amount", "1")["warnings"]

    assert "no row ever prices init-selection" in warning


@pytest.mark.parametrize(
    "price", [("--amount", "0"), ("--units", "0"), ("--units-per-second", "0.6", "--times", "0")]
)
def test_a_price_of_nothing_is_warned_of(relay: Command, price: tuple[str, ...]) -> None:
    """By whichever of its numbers; of one micro it is a price."""
    (warning,) = relay.json("price", "set", *V3, *price)["warnings"]

    assert "its price is 0" in warning
    assert relay.json("price", "set", *V3, "--amount", "0.000001")["warnings"] == []
    assert "Warning" in relay("tenant", "add", "acme", "--multiplier", "0").stderr
    assert "Warning" not in relay("tenant", "set", "acme", "--multiplier", "0.01").stderr


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (("text2video", "--model", "kling-v3-0"), "did you mean kling-v3"),
        (("text2video", "--model", "kling-v2-6", "--mode", "1080p"), "has the mode '1080p'"),
        (("text-to-video", "--model", "kling-v3"), "did you mean kling-3.0"),
        (("generations", "--mode", "8k"), "has the mode '8k'"),
        (("kolors-virtual-try-on", "--model", "kolors-virtual-try-on-v2"), "on-v1"),
    ],
)
def test_a_word_that_kling_does_not_have_is_warned_of(
    relay: Command, key: tuple[str, ...], said: str
) -> None:
    """It may be of tomorrow, so the row is in force all the same."""
    row = relay.json("price", "set", *key, "--units", "2")

    assert said.replace("has the", "to have the") in " ".join(row["warnings"])
    assert row["priced_by"]["units"] == "2"


def test_a_row_that_fits_nothing_is_told(relay: Command) -> None:
    """An empty word is refused, as of a shell's variable that is not set."""
    empty = relay.refused(*("price", "set", "text2video", "--model", "", "--amount", "1"), code=2)

    assert "--model is empty; left out, it fits any" in empty
    assert all(row["source"] != "operator" for row in relay.json("price", "list"))


def test_a_row_of_an_endpoint_that_is_gone_can_be_taken_out(relay: Command) -> None:
    """The settings added it once; a name that never was is not found."""
    execute(
        relay,
        "INSERT INTO price_rows (endpoint, kind, per, amount_micros)"
        " VALUES ('dancing', 'fixed', 'task', 5)",
    )

    relay("price", "unset", "dancing")

    assert all(row["endpoint"] != "dancing" for row in relay.json("price", "list"))
    assert "there is no endpoint 'dancing'" in relay.refused("price", "unset", "dancing")


def test_input_seconds_are_priced_with_a_floor(relay: Command) -> None:
    """5 s beside an input of 30: 35 s at 1.4 x 0.14; elsewhere the option is wrong usage."""
    four = ("2.0-omni-video", "--model", "kling-4.0", "--video-input", "on")
    price = ("--units-per-second", "1.4", "--input-floor", "2")

    said = relay.json("price", "set", *four, *price)
    quote = relay.json("price", "quote", *four)

    assert (said["input_floor"], said["warnings"]) == ("2", [])
    assert quote["hold_micros"] == 35 * 196_000
    assert "at least 2 x the output" in relay("price", "list", "--endpoint", four[0]).stdout
    for wrong in (("text2video", *price), (*four, "--units", "3", "--input-floor", "2")):
        assert "--input-floor goes with" in relay.refused("price", "set", *wrong, code=2)
