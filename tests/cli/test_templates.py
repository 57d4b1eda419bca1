"""`relay template`: the package's, the operator's, what each costs, and what is wrong with one."""

from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Command

OWN = """
[summary]
en = "Speech"
zh = "语音"

[[inputs]]
name = "text"
type = "text"
label = { en = "Text", zh = "文本" }
is_required = true

[[steps]]
name = "speech"
endpoint = "tts"
body = { text = "{text}", voice_id = "one" }
"""


def test_templates_are_listed_with_what_is_left_out(relay: Command, tmp_path: Path) -> None:
    """The operator's go before the package's; a wrong one is named with its file and place."""
    (tmp_path / "speech.toml").write_text(OWN)
    (tmp_path / "transition-light.toml").write_text(OWN)
    (tmp_path / "wrong.toml").write_text(OWN.replace("{text}", "{words}"))
    (tmp_path / "broken.toml").write_text("[summary\n")
    folder: Any = {"RELAY_STUDIO_TEMPLATES": str(tmp_path)}

    listed = relay.json("template", "list", **folder)
    table = relay("template", "list", **folder)

    of = {one["name"]: one["is_ours"] for one in listed["templates"]}
    assert of == {
        "batch-avatars": True,
        "digital-human": True,
        "product-showcase": True,
        "speech": False,
        "transition-camera": True,
        "transition-light": False,
        "transition-morph": True,
    }
    broken, wrong = listed["left_out"]
    assert broken.startswith(f"{tmp_path / 'broken.toml'}: ")
    assert "line 1" in broken
    assert wrong == f"{tmp_path / 'wrong.toml'}: steps[0].body.text: there is no input 'words'"
    assert "left out: " in table.stderr
    assert "yours" in table.stdout
    assert "there is no input 'words'" in relay.refused("template", "show", "wrong", **folder)


def test_a_template_is_shown_with_its_steps_and_price(relay: Command) -> None:
    """A scene at 8 image units, 5 s of 2.6 at 0.3 units, and a sound at 0.25, of 0.14 each."""
    shown = relay.json("template", "show", "product-showcase")
    table = relay("template", "show", "product-showcase").stdout

    assert [step["name"] for step in shown["steps"]] == ["scene", "video", "sound"]
    assert shown["step_prices_micros"]["video"] == 210_000
    assert shown["step_prices_micros"]["sound"] == 35_000
    assert shown["price_micros"] == sum(shown["step_prices_micros"].values())
    assert "0.21 USD" in table
    assert "kling-v3-omni, kling-image-o1" in table
    assert "did you mean" in relay.refused("template", "show", "product-showcas").lower()
    assert "no tenant" in relay.refused("template", "show", "digital-human", "--tenant", "nobody")


def test_what_a_try_is_given_is_read_before_anything_is_asked(relay: Command) -> None:
    named = ("template", "try", "transition-light", "--key", "one", "--url", "http://127.0.0.1:1")

    assert "no INPUT=VALUE" in relay.refused(*named, "text", code=2)
    assert "is no list" in relay.refused(*named, "model=a", "model=b", code=2)
    assert "127.0.0.1:1" in relay.refused(*named, "model=a")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('zh = "语音"', "", "summary: object missing required field `zh`"),
        ('type = "text"', 'type = "words"', "inputs[0].type: invalid enum value 'words'"),
        ("is_required", "needed", "inputs[0]: object contains unknown field `needed`"),
        ("is_required = true", 'is_required = true\ndefault = "x"', "inputs[0].default: what is"),
        ('name = "text"', 'name = "cap"', "inputs[0].name: 'cap' has a meaning of its own"),
        ('"tts"', '"nothing"', "steps[0].endpoint: there is no 'nothing'"),
        ('"tts"', '"tts"\nmodel = "x"', "steps[0].model: does not stand"),
        ('"{text}"', '"{text"', "steps[0].body.text: a brace stands alone"),
        ('"{text}"', '"{each}"', "steps[0].body.text: there is no input 'each'"),
        ('"{text}"', '{ "$from" = "x", path = "y" }', "steps[0].body.text: no step 'x' stands"),
        ('"{text}"', '{ "$from" = "x" }', "steps[0].body.text: has $from, path"),
        ('"tts"', '"tts"\neach = "text"', "steps[0].each: 'text' is neither a list"),
        ('"tts"', '"tts"\nis_result = false', "steps: none of them makes a result"),
        ('"tts"', '"tts"\nwhen = "image"', "steps[0].when: there is no input 'image'"),
        ('"tts"', '"tts"\nneeds = ["speech"]', "steps[0].needs: no step 'speech' stands"),
    ],
)
def test_a_wrong_one_is_refused_with_its_place(
    relay: Command, tmp_path: Path, old: str, new: str, said: str
) -> None:
    assert old in OWN
    (tmp_path / "own.toml").write_text(OWN.replace(old, new))

    told = relay.refused("template", "show", "own", RELAY_STUDIO_TEMPLATES=str(tmp_path))

    assert f"own.toml: {said}" in told
