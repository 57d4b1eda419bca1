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

    def tell(self, who: str, what: str, status: str, detail: str) -> None:
        self._console.print(
            Text.assemble(
                (f"{self.seconds:4.1f} s  ", "dim"),
                (f"{who:<7}", "bold"),
                f"{what:<18}",
                (f"{status:<11}", STYLES.get(status, "")),
                printable(detail),
            )
        )
