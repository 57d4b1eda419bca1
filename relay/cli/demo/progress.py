"""The demo's progress: one line for each thing that happens, on stderr."""

import time

from rich.console import Console
from rich.text import Text

from relay.cli.show import printable

STYLES = {
    "ready": "green",
    "succeed": "green",
    "failed": "red",
    "refused": "yellow",
    "submitted": "cyan",
    "processing": "cyan",
}


class Progress:
    """Tells what happens as it happens; on a terminal in colours."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        # No highlighting of whatever looks like a number, no folding of what is piped.
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def title(self, text: str) -> None:
        self._console.print(Text(f"\n{text}", style="bold"))

    def tell(self, who: str, what: str, status: str, detail: str = "") -> None:
        line = Text(f"{self.seconds:4.1f} s  ", style="dim")
        line.append(f"{who:<7}", style="not dim bold").append(f"{what:<18}", style="not dim")
        line.append(f"{status:<11}", style=f"not dim {STYLES.get(status, '')}")
        line.append(printable(detail), style="not dim")
        line.rstrip()
        self._console.print(line)
