#!/bin/sh
# Write deploy/.env, the one file of settings that compose.yaml reads: ./deploy/make-env.sh https://relay.example.com
# It makes a password and a secret key, and never writes over a file that is there.
set -eu
umask 077
cd "${ENV_DIRECTORY:-$(dirname "$0")}"
if [ -e .env ]; then
    echo "there is a .env already: its secret key opens what is in the database, so it stays" >&2
    exit 1
fi
random() { head -c 32 /dev/urandom; }
cat > .env <<END
# Of docker compose (compose.yaml): everything of the relay's, docs/operate.md, "Settings", and Postgres' password.
# Keep a copy elsewhere: without RELAY_SECRET_KEY the stored keys of channels and tenants are lost.

# Of the database when it is first made; letters and digits only, since it stands in URLs.
POSTGRES_PASSWORD=$(random | od -An -v -tx1 | tr -d ' \n')

# To rotate it, put a new one in front: k2:...,k1:...
RELAY_SECRET_KEY=k1:$(random | base64 | tr -d '\n')

# Where Kling reaches this relay for callbacks. Leave it out and tasks are polled instead.
${1:+RELAY_PUBLIC_URL=}${1:-# RELAY_PUBLIC_URL=https://relay.example.com}

# USD, CNY or a word of your own; fixed with the first ledger entry.
RELAY_CURRENCY=USD

# Where a worker keeps backups, in place of the volume \`backups\` on this machine's own disk:
# RELAY_BACKUP_TO=s3://bucket/relay
# AWS_ACCESS_KEY_ID=
# AWS_SECRET_ACCESS_KEY=
# AWS_REGION=

# A service outside that calls you when it hears nothing (docs/operate.md, "Alerts"):
# RELAY_ALERT_HEARTBEAT_URL=

RELAY_LOG_LEVEL=info
END
echo "wrote $(pwd)/.env; keep a copy of its RELAY_SECRET_KEY elsewhere"
