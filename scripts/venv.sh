#!/bin/sh
# Make .venv, or bring it up to date: scripts/venv.sh hub|dev
#
# Uses uv when it is there, venv and pip otherwise. Installs again only when pyproject.toml
# changed, or when the interpreter behind .venv is gone. Says what it does on stderr.
set -eu
cd "$(dirname "$0")/.."

extra=${1:-hub}
venv=.venv
stamp=$venv/heliograph.stamp

say() { printf '%s\n' "heliograph: $*" >&2; }
fail() { say "$@"; exit 1; }

works() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }
list_pythons() (
    IFS=:
    for name in python3 python3.13 python3.12 python3.11 python3.14 python; do
        for folder in $PATH; do printf '%s\n' "$folder/$name"; done
    done
)
has() { "$1" -c "import $2" >/dev/null 2>&1; }

wanted="$(cksum <pyproject.toml)"
if [ -f "$stamp" ] && works "$venv/bin/python"; then
    read -r installed <"$stamp"
    # [dev] includes [hub]: after `make test`, `make up` has nothing to do.
    case $installed in
        "$extra $wanted" | "dev $wanted") exit 0 ;;
    esac
    # Running `make up` again after a change must not take the tools away from `make test`.
    case $installed in dev*) extra=dev ;; esac
fi
rm -f "$stamp"

if command -v uv >/dev/null 2>&1 && uv --version >/dev/null 2>&1; then
    if ! works "$venv/bin/python"; then
        say "making $venv with uv"
        rm -rf "$venv"
        uv venv --quiet --python '>=3.11' "$venv" || fail "uv could not make $venv (see above)"
    fi
    say "installing heliograph[$extra] into $venv with uv"
    uv pip install --quiet --python "$venv/bin/python" --editable ".[$extra]" ||
        fail "installing failed (see above); are the package registries reachable?"
else
    if ! works "$venv/bin/python"; then
        python= bare=
        # A version manager's shim can stand first on PATH and still not run: each candidate is tried.
        while read -r name; do
            works "$name" || continue
            if has "$name" "venv, ensurepip"; then
                python=$name
                break
            fi
            bare=${bare:-$name}
        done <<END
${PYTHON:-}
$(list_pythons)
END
        if [ -z "$python" ] && [ -n "$bare" ]; then
            fail "$bare cannot make virtual environments; on Debian or Ubuntu: apt install python3-venv"
        fi
        [ -n "$python" ] || fail "no Python 3.11 or newer found; install one, or name it: make up PYTHON=/path/to/python3"
        say "making $venv with $("$python" --version 2>&1) ($python)"
        "$python" -m venv --clear "$venv" || fail "$python -m venv failed (see above)"
    fi
    # uv leaves pip out of the environments it makes; one made by it can outlive it.
    has "$venv/bin/python" pip || "$venv/bin/python" -m ensurepip --default-pip >/dev/null ||
        fail "$venv has no pip; delete $venv and run this again"
    say "installing heliograph[$extra] into $venv with pip"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --use-pep517 --editable ".[$extra]" ||
        fail "installing failed (see above); are the package registries reachable?"
fi
printf '%s\n' "$extra $wanted" >"$stamp"
