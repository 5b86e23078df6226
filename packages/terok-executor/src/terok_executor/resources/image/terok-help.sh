#!/bin/sh
# Says what is in this container and where things are.
set -eu
printf 'terok container\n'
printf '  workspace   %s\n' "${REPO_ROOT:-/workspace}"
[ -z "${TEROK_WORK_BRANCH:-}" ] || printf '  branch      %s\n' "$TEROK_WORK_BRANCH"
[ -z "${TEROK_PROVIDER:-}" ] || printf '  provider    %s, through the vault\n' "$TEROK_PROVIDER"
if [ "${TEROK_UNRESTRICTED:-}" = 1 ]; then
    printf '  permission  the agent acts without asking\n'
else
    printf '  permission  the agent asks first\n'
fi
terok-info agents
printf '\n%s\n' 'Models of the provider: terok-info models' 'Newer agents, if the egress allows it: terok-update' 'Commits go to the gate with: git push origin HEAD'
