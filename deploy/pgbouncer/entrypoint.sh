#!/bin/sh
# Write the one user's password where PgBouncer reads it, and become PgBouncer.
set -eu
umask 077
printf '"relay" "%s"\n' "${POSTGRES_PASSWORD:?}" > /run/pgbouncer/users.txt
exec pgbouncer "${1:-/etc/pgbouncer/pgbouncer.ini}"
