#!/bin/sh
# What the whole test run needs besides Python: the pinned Claude Code, tmux and Chromium.
#
# Puts Claude Code from npm into a cache, and missing programs from Debian's packages onto the
# machine (root only); says so before it does. Where that is impossible, one line says what is
# missing. Everything it prints goes to stderr.
set -eu
cd "$(dirname "$0")/.."

version=$(cat tests/support/claude-version)
package=@anthropic-ai/claude-code
cache=${XDG_CACHE_HOME:-$HOME/.cache}/heliograph-test
target=$cache/claude-$version

say() { printf '%s\n' "heliograph: $*" >&2; }
fail() {
    say "cannot run the real client's and the browser's tests: $*. Without them: make test-fast"
    exit 1
}
here() { command -v "$1" >/dev/null 2>&1 && "$1" "$2" >/dev/null 2>&1; }

# npm picks the platform's own package (…-linux-x64, …-darwin-arm64, …-linux-x64-musl); more than one may be there.
works() {
    for binary in "$1"/node_modules/$package-*/claude; do
        if [ -x "$binary" ] && "$binary" --version 2>/dev/null | grep -qF "$version"; then
            return 0
        fi
    done
    return 1
}

claude_missing() { [ -z "${CLAUDE_BIN:-}" ] && ! works "$target"; }
chromium_missing() {
    [ -z "${CHROMIUM:-}" ] && ! here chromium --version && ! here chromium-browser --version &&
        ! here google-chrome --version
}

packages=
here tmux -V || packages="$packages tmux"
if chromium_missing; then packages="$packages chromium"; fi
if claude_missing && ! here npm --version; then packages="$packages npm"; fi

if [ -n "$packages" ]; then
    command -v apt-get >/dev/null 2>&1 || fail "missing:$packages (and there is no apt-get to install with)"
    [ "$(id -u)" = 0 ] || fail "missing:$packages (as root: apt-get install$packages)"
    say "installing Debian packages:$packages"
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086 # a list of words
    { apt-get -qq update && apt-get -qq install --yes --no-install-recommends $packages; } >/dev/null ||
        fail "apt-get could not install:$packages (see above)"
fi

if claude_missing; then
    say "installing $package@$version from npm into $target"
    mkdir -p "$cache"
    # Beside the target and renamed, so that a half-finished installation is never taken for one.
    fresh=$(mktemp -d "$cache/installing.XXXXXX")
    trap 'rm -rf "$fresh"' EXIT
    npm install --silent --no-audit --no-fund --no-save --prefix "$fresh" "$package@$version" >/dev/null ||
        fail "npm could not install $package@$version (see above)"
    works "$fresh" || fail "$package@$version has no program for this platform ($(uname -sm))"
    rm -rf "$target"
    mv "$fresh" "$target"
fi
