#!/bin/sh
# Makes this baseline ready to run: redis-server, the dependencies of the lock, dist/. Does only what is not done yet.
set -eu
cd "$(dirname "$0")"

if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    echo "node >= 20 with npm is needed: install it (https://nodejs.org)" >&2
    exit 1
fi
if [ "$(node -p 'parseInt(process.versions.node)')" -lt 20 ]; then
    echo "node >= 20 is needed, this is $(node --version)" >&2
    exit 1
fi

if command -v redis-server >/dev/null; then
    echo "redis-server: there"
elif [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "redis-server: installing with apt-get"
    # Runlevel 1: the package does not start its own service.
    { apt-get update -qq && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq redis-server; } >/dev/null
else
    echo "redis-server is needed: install it (Debian/Ubuntu: sudo apt-get install redis-server)" >&2
    exit 1
fi

installed=node_modules/.package-lock.json # written by npm at the end of an install
if [ -f "$installed" ] && [ -z "$(find package.json package-lock.json -newer "$installed")" ]; then
    echo "dependencies: there"
else
    echo "dependencies: npm ci"
    npm ci --include=dev --no-audit --no-fund --loglevel=error >/dev/null
fi

if [ -f dist/main.js ] && [ -z "$(find src tsconfig.json "$installed" -newer dist/main.js)" ]; then
    echo "dist: there"
else
    echo "dist: npm run build"
    rm -rf dist
    npm run --silent build
fi
