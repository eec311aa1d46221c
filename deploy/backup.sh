#!/bin/sh
# A copy of a node's data while it runs: backup.sh DATA_FOLDER TARGET_FOLDER [PYTHON]
#
# Databases first, then files: a file never changes and is kept under its digest, so whatever the database names
# is there. The secret key is left out on purpose: keep it elsewhere, or the copy opens itself. With PostgreSQL
# (PARVIS_DATABASE_URL set) its dump takes the place of parvis.db. See docs/backup.md.
set -eu

data=$1
target=$2/$(date -u +%Y%m%dT%H%M%SZ)
python=${3:-/opt/parvis/bin/python}

umask 077
mkdir -p "$target.part"

copy() {
    "$python" -c 'import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute("VACUUM INTO ?", sys.argv[2:])' "$1" "$2"
}

case "${PARVIS_DATABASE_URL:-}" in
postgresql*) pg_dump --format=custom --file="$target.part/parvis.dump" \
    "$(printf %s "$PARVIS_DATABASE_URL" | sed 's/^postgresql+[a-z]*:/postgresql:/')" ;;
*) copy "$data/parvis.db" "$target.part/parvis.db" ;;
esac
if [ -e "$data/jobs.db" ]; then copy "$data/jobs.db" "$target.part/jobs.db"; fi
if [ -e "$data/tombstones" ]; then cp -p "$data/tombstones" "$target.part/tombstones"; fi
if [ -d "$data/files" ]; then cp -a "$data/files" "$target.part/files"; fi

mv "$target.part" "$target"
echo "$target"
