#!/bin/sh
# Write what a production install uses, with hashes and without addresses: deploy/requirements.lock
# from the pins in pyproject.toml, and deploy/build.lock, what the image is built with (its versions
# stay until that file is deleted). Run it after changing a dependency or a pin.
set -eu
cd "$(dirname "$0")/.."
uv lock --quiet
uv export --quiet --locked --no-dev --extra alerts --no-emit-project --no-annotate --no-header \
  --format requirements-txt --output-file deploy/requirements.lock
printf 'hatchling\nuv\n' | uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header \
  --output-file deploy/build.lock -
