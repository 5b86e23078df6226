#!/bin/sh
# First process of a task: fetches the repository from the gate, runs the agent, hands its work to the gate.
# Usage: terok-init COMMAND [ARGUMENT…]; the agent's exit code is the exit code.
#
# Refs are written in full: a tag may be called what a branch or a remote is called. No step's failure is passed over:
# sh ignores `set -e` in what a condition calls, so each says what comes next.
set -eu

repo_root="${REPO_ROOT:-/workspace}"
task_dir="${TEROK_TASK_DIR:-/home/dev/.terok}"
gate_url="${CLONE_FROM:-${CODE_REPO:-}}"
remote="${CLONE_FROM:+gate}"
remote="${remote:-origin}"
beside="$(dirname "$0")"

# What terok-update has put there.
PATH="$HOME/.local/bin:$PATH"
export PATH

say() { printf '>> %s\n' "$*"; }

# Ends the start. Where no agent has run yet there is nothing to lose.
fail() {
    say "$*"
    [ -e "$task_dir/base-refs" ] || say "hand-over complete" | tee "$task_dir/delivery"
    exit 128
}

# Gate URLs carry this container's token, and git repeats URLs in its messages.
git_quiet() {
    log="$(mktemp)" || return 1
    git_rc=0
    git "$@" >"$log" 2>&1 || git_rc=$?
    sed -e 's#://[^/@ ]*@#://#g' "$log" >&2
    rm -f "$log"
    return "$git_rc"
}

in_repo() { git_quiet -C "$repo_root" "$@"; }

commit_of() { git -C "$repo_root" rev-parse -q --verify "$1^{commit}" 2>/dev/null; }

fetch_branches() { in_repo fetch --quiet --prune "$1" "+refs/heads/*:refs/remotes/$1/*"; }

# Takes the copy that the host has put into the workspace and brings it up to date from the gate, or makes the workspace
# from the copy that is mounted, which the launch has brought up to date.
clone_from_seed() {
    if [ -d "$repo_root/.git" ]; then
        git -C "$repo_root" remote set-url origin "$gate_url" && fetch_branches origin && return 0
    elif [ -d "${TEROK_SEED:-}" ]; then
        git clone --quiet --no-checkout --no-hardlinks "$TEROK_SEED" "$repo_root" >/dev/null 2>&1 &&
            git -C "$repo_root" remote set-url origin "$gate_url" && return 0
    else
        return 1
    fi
    find "$repo_root" -mindepth 1 -delete || fail "the workspace could not be emptied"
    return 1
}

# In an online project origin is the upstream, and the gate a remote of its own.
set_remotes() {
    git -C "$repo_root" remote set-url "$remote" "$gate_url" 2>/dev/null ||
        in_repo remote rename origin "$remote" || fail "the gate could not be made a remote of the workspace"
    [ "$remote" = origin ] && return 0
    git -C "$repo_root" remote set-url origin "$CODE_REPO" 2>/dev/null ||
        in_repo remote add origin "$CODE_REPO" || fail "the upstream could not be made a remote of the workspace"
    fetch_branches origin || say "the upstream could not be read; the gate has what is known"
}

# Makes the branch to work on, and the default branch, from the commit that the host names: the gate's branches may
# have commits that nobody has reviewed. Only a branch that was asked for is taken as the gate has it.
check_out() {
    start="${TEROK_START:-}"
    if [ -z "$start" ]; then
        start="$(commit_of "refs/remotes/$remote/HEAD")" || start="$(commit_of HEAD)" || start=
    elif ! commit_of "$start" >/dev/null; then
        in_repo fetch --quiet "$remote" "$start" || fail "the commit to start from could not be fetched"
    fi
    default="$(git -C "$repo_root" symbolic-ref -q HEAD)" || fail "the repository has no default branch"
    if [ -n "$start" ]; then
        in_repo update-ref "$default" "$start" || fail "the default branch could not be made"
    fi
    branch="${GIT_BRANCH:-}"
    if [ -n "$branch" ] && known="$(commit_of "refs/remotes/$remote/$branch")"; then
        start="$known"
        { in_repo config "branch.$branch.remote" "$remote" &&
            in_repo config "branch.$branch.merge" "refs/heads/$branch"; } ||
            fail "the branch $branch could not be made to follow the gate's"
    fi
    branch="${branch:-${TEROK_WORK_BRANCH:?}}"
    if [ -n "$start" ]; then
        in_repo -c advice.detachedHead=false checkout --quiet --no-track -B "$branch" "$start" -- ||
            fail "the branch $branch could not be checked out"
    else
        in_repo symbolic-ref HEAD "refs/heads/$branch" || fail "the branch $branch could not be made"
    fi
}

fetch_repository() {
    # The agent has run only where base-refs was written.
    if [ -d "$repo_root/.git" ] && [ -e "$task_dir/base-refs" ]; then
        say "workspace kept from an earlier start"
        set_remotes
        return 0
    fi
    if [ ! -d "$repo_root/.git" ] && [ -n "$(ls -A "$repo_root")" ]; then
        fail "the workspace is not empty and holds no repository"
    fi
    clone_from_seed || git_quiet clone --quiet --no-checkout "$gate_url" "$repo_root" ||
        fail "the repository could not be cloned"
    set_remotes
    check_out
    { git -C "$repo_root" for-each-ref --format='%(objectname)' >"$task_dir/base-refs.new" &&
        mv "$task_dir/base-refs.new" "$task_dir/base-refs"; } || fail "what the repository holds could not be noted"
}

# What an earlier start has said does not count any more.
rm -f "$task_dir/delivery"
[ "$#" -gt 0 ] || { say "terok-init: a command is needed"; exit 64; }
if [ -n "${CODE_REPO:-}" ]; then
    fetch_repository
fi
cd "$repo_root" || fail "the workspace cannot be entered"
# A container that is started again with a new prompt continues the conversation: the host says how.
if [ -f "$task_dir/next-command" ]; then
    eval "set -- $(cat "$task_dir/next-command")"
fi
# One that was started to hand its work over does nothing else, this once.
if [ -f "$task_dir/hand-over" ]; then
    rm -f "$task_dir/hand-over"
    set -- true
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
# A second signal must not cut the hand-over off; whoever cannot wait kills.
trap '' TERM INT HUP

case "${CODE_REPO:+${TEROK_DELIVER:-1}}" in
    1) deliver=push ;;
    check) deliver=check ;;
    *) exit "$agent_rc" ;;
esac
export REPO_ROOT="$repo_root" TEROK_TASK_DIR="$task_dir"
python3 -IS "$beside/terok-deliver" "$deliver" "$gate_url" ||
    { [ "$agent_rc" -ne 0 ] || [ "$deliver" = check ] || agent_rc=75; }
exit "$agent_rc"
