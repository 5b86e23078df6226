#!/bin/sh
# First process of a task: fetches the repository from the gate, runs the agent, hands its commits to the gate.
# Usage: terok-init COMMAND [ARGUMENT…]; the agent's exit code is the exit code.
set -eu

repo_root="${REPO_ROOT:-/workspace}"
task_dir="${TEROK_TASK_DIR:-/home/dev/.terok}"

say() { printf '>> %s\n' "$*"; }

# Gate URLs carry this container's token, and git repeats URLs in its messages.
git_quiet() {
    log="$(mktemp)"
    git_rc=0
    git "$@" >"$log" 2>&1 || git_rc=$?
    sed -e 's#://[^/@ ]*@#://#g' "$log" >&2
    rm -f "$log"
    return "$git_rc"
}

has_commits() { git -C "$repo_root" rev-parse -q --verify HEAD >/dev/null 2>&1; }

fetch_repository() {
    branch="${GIT_BRANCH:-}"
    if [ -d "$repo_root/.git" ]; then
        say "workspace kept from an earlier start"
        git -C "$repo_root" remote set-url origin "$CODE_REPO"
        return 0
    fi
    if [ -n "$(ls -A "$repo_root")" ]; then
        say "the workspace is not empty and holds no repository"
        return 1
    fi
    git_quiet -c advice.detachedHead=false clone --quiet "$CODE_REPO" "$repo_root" || {
        say "the repository could not be cloned from the gate"
        return 1
    }
    cd "$repo_root"
    if [ -n "$branch" ] && git rev-parse -q --verify "refs/remotes/origin/$branch" >/dev/null; then
        git checkout --quiet -B "$branch" --track "origin/$branch"
    elif [ -n "$branch" ]; then
        git checkout --quiet -b "$branch"
    elif has_commits; then
        git checkout --quiet -b "${TEROK_WORK_BRANCH:?}"
    else
        git symbolic-ref HEAD "refs/heads/${TEROK_WORK_BRANCH:?}"
    fi
    git rev-parse -q --verify HEAD >"$task_dir/base-commit" 2>/dev/null || : >"$task_dir/base-commit"
}

deliver_commits() {
    [ "${TEROK_DELIVER:-1}" = 1 ] || return 0
    cd "$repo_root" 2>/dev/null || return 0
    branch="$(git symbolic-ref -q --short HEAD)" || {
        say "HEAD is on no branch: nothing was handed to the gate"
        return 0
    }
    has_commits || return 0
    head="$(git rev-parse HEAD)"
    if [ "$head" = "$(git rev-parse -q --verify "refs/remotes/origin/$branch" || true)" ] ||
        [ "$head" = "$(cat "$task_dir/base-commit" 2>/dev/null || true)" ]; then
        say "no new commit on $branch"
        return 0
    fi
    attempt=1
    until git_quiet push --quiet origin "HEAD:refs/heads/$branch"; do
        if [ "$attempt" -ge 5 ]; then
            say "the commits on $branch could not be handed to the gate"
            return 1
        fi
        sleep "$attempt"
        attempt=$((attempt + 1))
    done
    say "commits on $branch are in the gate"
}

[ "$#" -gt 0 ] || { say "terok-init: a command is needed"; exit 64; }
if [ -n "${CODE_REPO:-}" ]; then
    fetch_repository || exit 128
fi
cd "$repo_root"
# A container that is started again with a new prompt continues the conversation: the host says how.
if [ -f "$task_dir/next-command" ]; then
    eval "set -- $(cat "$task_dir/next-command")"
fi
say "init complete"

agent_rc=0
if [ -f "$task_dir/prompt.txt" ]; then
    "$@" <"$task_dir/prompt.txt" &
else
    "$@" </dev/null &
fi
agent=$!
trap 'kill -TERM "$agent" 2>/dev/null' TERM INT HUP
wait "$agent" || agent_rc=$?
# A trapped signal ends the first wait early; the agent's own status comes from the second.
if kill -0 "$agent" 2>/dev/null; then
    agent_rc=0
    wait "$agent" || agent_rc=$?
fi
trap - TERM INT HUP

if [ -n "${CODE_REPO:-}" ]; then
    deliver_commits || { [ "$agent_rc" -ne 0 ] || agent_rc=75; }
fi
exit "$agent_rc"
