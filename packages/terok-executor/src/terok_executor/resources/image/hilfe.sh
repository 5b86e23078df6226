#!/bin/sh
# Says what is in this container and where things are.
set -eu
printf 'terok container\n'
printf '  workspace   %s\n' "${REPO_ROOT:-/workspace}"
[ -z "${TEROK_WORK_BRANCH:-}" ] || printf '  branch      %s\n' "$TEROK_WORK_BRANCH"
[ -z "${TEROK_PROVIDER:-}" ] || printf '  provider    %s, through the vault\n' "$TEROK_PROVIDER"
printf '\nagents\n'
cat /etc/terok/help.txt
printf '\n%s\n' 'Commits go to the gate with: git push origin HEAD'
