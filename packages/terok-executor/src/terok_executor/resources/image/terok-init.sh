#!/bin/sh
# First process of a task: fetches the repository from the gate, runs the agent, hands its commits to the gate.
# Usage: terok-init COMMAND [ARGUMENT…]; the agent's exit code is the exit code.
set -eu

repo_root="${REPO_ROOT:-/workspace}"
task_dir="${TEROK_TASK_DIR:-/home/dev/.terok}"
gate_url="${CLONE_FROM:-${CODE_REPO:-}}"
remote="${CLONE_FROM:+gate}"
remote="${remote:-origin}"

# What terok-update has put there.
PATH="$HOME/.local/bin:$PATH"
export PATH

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

# Takes the copy that the host has put into the workspace and brings it up to date from the gate, or makes the workspace
# from the copy that is mounted, which the launch has brought up to date.
clone_from_seed() {
    copied=
    if [ -d "$repo_root/.git" ]; then copied=1; fi
    [ -n "$copied" ] || [ -d "${TEROK_SEED:-}" ] || return 1
    if { [ -n "$copied" ] ||
        git clone --quiet --no-checkout --no-hardlinks "$TEROK_SEED" "$repo_root" >/dev/null 2>&1; } &&
        git -C "$repo_root" remote set-url origin "$gate_url" &&
        { [ -z "$copied" ] || git -C "$repo_root" fetch --quiet --prune origin >/dev/null 2>&1; } &&
        default="$(git -C "$repo_root" symbolic-ref --short HEAD)" &&
        git -C "$repo_root" reset --quiet --hard "origin/$default" >/dev/null 2>&1; then
        return 0
    fi
    find "$repo_root" -mindepth 1 -delete
    return 1
}

clone_from_gate() {
    git_quiet -c advice.detachedHead=false clone --quiet "$gate_url" "$repo_root" || {
        say "the repository could not be cloned"
        return 1
    }
}

# In an online project origin is the upstream, and the gate a remote of its own.
set_remotes() {
    git -C "$repo_root" remote set-url "$remote" "$gate_url" 2>/dev/null ||
        git -C "$repo_root" remote rename origin "$remote"
    [ "$remote" = origin ] && return 0
    git -C "$repo_root" remote set-url origin "$CODE_REPO" 2>/dev/null ||
        git -C "$repo_root" remote add origin "$CODE_REPO"
    git_quiet -C "$repo_root" fetch --quiet origin || say "the upstream could not be read; the gate has what is known"
}

fetch_repository() {
    branch="${GIT_BRANCH:-}"
    # The agent has run only where base-commit was written.
    if [ -d "$repo_root/.git" ] && [ -e "$task_dir/base-commit" ]; then
        say "workspace kept from an earlier start"
        set_remotes
        return 0
    fi
    if [ ! -d "$repo_root/.git" ] && [ -n "$(ls -A "$repo_root")" ]; then
        say "the workspace is not empty and holds no repository"
        return 1
    fi
    clone_from_seed || clone_from_gate || return 1
    set_remotes
    cd "$repo_root"
    if [ -n "$branch" ] && git rev-parse -q --verify "refs/remotes/$remote/$branch" >/dev/null; then
        git checkout --quiet -B "$branch" --track "$remote/$branch"
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
    if [ "$head" = "$(git rev-parse -q --verify "refs/remotes/$remote/$branch" || true)" ] ||
        [ "$head" = "$(cat "$task_dir/base-commit" 2>/dev/null || true)" ]; then
        say "no new commit on $branch"
        return 0
    fi
    attempt=1
    until git_quiet push --quiet "$remote" "HEAD:refs/heads/$branch"; do
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
