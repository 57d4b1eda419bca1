"""The benchmark: `uv run python -m tests.benchmarks` (docs/speed.md)."""

import argparse
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from relay.database.embedded import EmbeddedPostgresError
from tests.benchmarks import machine, report
from tests.benchmarks.contenders import BASE, Contenders, open_contenders
from tests.benchmarks.hot_spots import profile_submits
from tests.benchmarks.litellm import install_litellm
from tests.benchmarks.loads import Plan
from tests.benchmarks.options import read_options
from tests.benchmarks.rounds import run_rounds, say, take_turns
from tests.benchmarks.stopping import run_until_stopped
from tests.benchmarks.versions import ASK_POSTGRES, commit, version_of_litellm, versions
from tests.benchmarks.wrk import VoidRoundError
from tests.e2e.processes import REPOSITORY


async def main(options: argparse.Namespace) -> None:
    """Print each section as soon as it is known: what fails later takes no figures with it."""
    if len(os.sched_getaffinity(0)) < 2:
        raise SystemExit("two cores are needed: one for the contender, one for the load")
    data: dict[str, object] = {
        "commit": commit(REPOSITORY),
        "machine": machine.describe(),
        "load before": os.getloadavg(),
    }
    plan = Plan(seconds=options.seconds, polling_seconds=options.polling_seconds)
    async with open_contenders(plan, keep=options.keep) as contenders:
        settings = await contenders.books.fetch("postgres", ASK_POSTGRES)
        compared = versions(settings[0][0])
        if options.with_litellm:
            compared += await add_litellm(contenders, options.litellm_home)
        data["versions"] = compared
        rounds = await run_rounds("all contenders", contenders.round, rounds=options.rounds)
        if not rounds:
            raise SystemExit("no round counts; the reasons stand above")
        show(head(data, rounds=len(rounds), seconds=options.seconds), report.disturbed(rounds))
        show(report.goals_table(rounds), report.works_table(rounds))
        keep(options.output, data | {"rounds": report.as_data(rounds)})
        if options.profile:
            show(await profile(contenders, options))
        sizes = await grow(contenders, options)
        if sizes:
            show(report.disturbed([one for found in sizes.values() for one in found]))
            show(report.growth_goals(sizes), report.growth_table(sizes))
        growth = {rows: report.as_data(found) for rows, found in sizes.items()}
        keep(options.output, data | {"rounds": report.as_data(rounds), "growth": growth})
    say(f"all figures are in {options.output}")
    turns = min(map(len, sizes.values()), default=0)
    if len(rounds) < options.rounds or (options.growth and turns < options.growth_rounds):
        raise SystemExit("too many void rounds; the reasons stand above")


def head(data: dict[str, object], *, rounds: int, seconds: float) -> str:
    """What was measured, where and how often, in one line."""
    shown = [f"{datetime.now(UTC):%Y-%m-%d}", f"relay {data['commit']}", str(data["machine"])]
    if not data["commit"]:
        del shown[1]
    times = f"median of {rounds} rounds" if rounds > 1 else "one round"
    return f"{', '.join(shown)}; {data['versions']}; {times} of {seconds:g} s"


def show(*sections: str) -> None:
    """Print what is not empty, at once even into a file."""
    for section in filter(None, sections):
        sys.stdout.write(f"{section}\n\n")
    sys.stdout.flush()


def keep(path: Path, data: dict[str, object]) -> None:
    """Write the figures; a full disk is told, and ends nothing."""
    try:
        path.write_text(json.dumps(data, indent=1))
    except OSError as error:
        say(f"the figures are not in {path}: {error.strerror}")


async def add_litellm(contenders: Contenders, home: Path) -> str:
    """Install it, if that can be, and say its version."""
    try:
        contenders.litellm = await install_litellm(home)
    except machine.MissingProgramError as error:
        say(f"without LiteLLM: {error}")
        return ""
    return version_of_litellm(home)


async def profile(contenders: Contenders, options: argparse.Namespace) -> str:
    """Where a submit's time goes; "" where that cannot be known."""
    say("profile")
    try:
        return await profile_submits(contenders.books, contenders.directory, options)
    except (machine.MissingProgramError, VoidRoundError, TimeoutError) as error:
        reason = " ".join(str(error).split()) or "it took too long"
        say(f"without the profile: {reason}")
        return ""


async def grow(contenders: Contenders, options: argparse.Namespace) -> report.Sizes:
    """(a) to (e) with few rows and with many; empty if that was not asked for."""

    async def run(rows: int) -> report.Round:
        return await contenders.relay(f"benchmark_{rows}", is_growth=True)

    for rows in options.growth:
        say(f"filling {rows:,} rows")
        await contenders.books.grow(BASE, f"benchmark_{rows}", rows=rows)
    return await take_turns(options.growth, run, turns=options.growth_rounds)


if __name__ == "__main__":
    try:
        raise SystemExit(run_until_stopped(main(read_options())))
    except (machine.MissingProgramError, EmbeddedPostgresError, VoidRoundError) as error:
        raise SystemExit(str(error)) from None
