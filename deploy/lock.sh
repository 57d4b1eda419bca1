#!/bin/sh
# Write deploy/requirements.lock from the pins in pyproject.toml: what a production install uses,
# with hashes and without addresses. Run it after changing a dependency or a pin.
set -eu
cd "$(dirname "$0")/.."
uv lock --quiet
uv export --quiet --locked --no-dev --no-emit-project --no-annotate --no-header \
  --format requirements-txt --output-file deploy/requirements.lock
