#!/bin/sh
# Find a Chromium for the browser tests; as root with apt, install one. Prints its path.
find_browser() {
    for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome; do
        [ -n "$name" ] && command -v "$name" && return 0
    done
    return 1
}
find_browser && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq && apt-get install -y -qq chromium >/dev/null && find_browser && exit 0
fi
if [ -n "${AMBIENT_BROWSER:-}" ]; then
    echo "AMBIENT_BROWSER is set, so a Chromium is required, but none could be found or installed." >&2
    exit 1
fi
