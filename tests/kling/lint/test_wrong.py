"""Each rule is broken by a body, and named; what breaks none passes."""

from pathlib import Path

import msgspec
import pytest

from relay.errors import InvalidParameter
from relay.kling.body import read_fields
from relay.kling.endpoints import BY_NAME
from relay.kling.lint.given import Unclear, given_in
from relay.kling.lint.judge import RULES, check, lint
from relay.kling.lint.rules import Broken, Rule
from relay.kling.models import models_at
from relay.kling.wire import Fields
from tests.kling.lint import wrong_others, wrong_videos
from tests.kling.lint.wrong import RIGHT, Wrong

WRONG = wrong_videos.WRONG | wrong_others.WRONG
CASES = [(name, wrong) for name, all_of_it in WRONG.items() for wrong in all_of_it]


def fields_of(name: str, wrong: Wrong) -> Fields:
    body = {key: value for key, value in (RIGHT[name] | wrong.change).items() if value is not None}
    return read_fields(msgspec.json.encode(body))


def test_there_are_rules_for_endpoints_there_are() -> None:
    """And bodies for each of them."""
    assert BY_NAME.keys() >= RULES.keys() == WRONG.keys() == RIGHT.keys()


@pytest.mark.parametrize("name", RIGHT)
def test_what_breaks_no_rule_passes(name: str) -> None:
    """Whichever of Kling's models is in the path, or one that nobody knows."""
    endpoint, fields = BY_NAME[name], read_fields(msgspec.json.encode(RIGHT[name]))

    for model in (None, "kling-v9", *models_at(name)):
        assert lint(endpoint, fields, model) is None


def test_what_breaks_a_rule_is_named() -> None:
    """One fact of section 4 each: the first thing said is the field that was made wrong."""
    found = [lint(BY_NAME[name], fields_of(name, wrong), wrong.model) for name, wrong in CASES]

    unlike = [
        (name, wrong, broken)
        for (name, wrong), broken in zip(CASES, found, strict=True)
        if broken is None or broken.field != wrong.field
    ]
    assert unlike == []


def test_no_rule_is_without_a_body_that_breaks_it() -> None:
    """Asked alone, so that no other one answers for it."""
    unbroken = {
        name: left
        for name, rules in RULES.items()
        if (
            left := [
                rule
                for rule in rules
                if not any(is_broken(rule, name, wrong) for wrong in WRONG[name])
            ]
        )
    }

    assert unbroken == {}


def is_broken(rule: Rule, name: str, wrong: Wrong) -> bool:
    """Tell whether a body breaks this rule, of a model that it is for."""
    model = wrong.model or wrong.change.get("model_name")
    if rule.models and model is not None and model not in rule.models:
        return False
    given = given_in(fields_of(name, wrong))
    try:
        return (rule.when is None or rule.when(given)) and rule.broken(given) is not None
    except Unclear:
        return False


def test_each_rule_has_its_section() -> None:
    """By which it is found in docs/kling-api.md."""
    text = Path("docs/kling-api.md").read_text()
    sections = {rule.source for rules in RULES.values() for rule in rules}

    assert {
        one for one in sections if f"# {one} " not in text and f"# {one}. " not in text
    } == set()


def test_a_model_that_nobody_knows_has_no_rules_of_its_own() -> None:
    """Nor has one whose name is spelt oddly: Kling may take it for another one, or for none."""
    for model in ("kling-v9", "KLING-V2-6", "kling-v2-0-master"):
        body = {"prompt": "a cat", "model_name": model, "duration": "30", "mode": "8k"}
        assert lint(BY_NAME["text2video"], read_fields(msgspec.json.encode(body))) is None


def test_a_model_that_is_not_named_may_be_any() -> None:
    """`kling-v1` by Kling's pages, which has ended: what one model takes passes, and no more."""

    def judge(**more: object) -> Broken | None:
        body = {"prompt": "a cat", **more}
        return lint(BY_NAME["text2video"], read_fields(msgspec.json.encode(body)))

    assert judge(duration="15", mode="4k", model_name="") is None
    assert judge(duration="16") == Broken("duration", "must be a whole number from 3 to 15")


def test_a_refusal_reads_as_klings_own() -> None:
    """400/1201, the field before the reason."""
    fields = read_fields(b'{"image":"data:image/png;base64,AAAA"}')

    with pytest.raises(InvalidParameter) as refused:
        check(BY_NAME["image2video"], fields)

    assert refused.value.message == "image: must be a URL or base64 without a data: prefix"
