"""The hook that judges what a push may change, run by git before any ref moves.

For a push through the server it asks the gateway, over two pipes that it inherits, to inspect what the push brings;
without an answer the push is refused. A person who pushes on the host, by path, is not asked.

It is a shell script because git starts it for every push: a shell costs a millisecond. It runs while the pushed
objects are still in quarantine. Whatever it refuses, no ref of that push changes. Tips that a push would make
unreachable are saved first; git forbids ref changes in quarantine, so that one command runs without its
variables: it only touches objects that were there before the push.
"""

from __future__ import annotations

from typing import Final

MAX_REFS: Final = 1000  # refs one push may change
MAX_NAME: Final = 500
"""Bytes of the full name of each."""

PRE_RECEIVE: Final = (
    (
        r"""#!/bin/sh
# Written by terok-sandbox; changes are overwritten.
set -u
refuse() { printf 'terok gate: %s\n' "$1" >&2; exit 1; }
is_none() { case $1 in *[!0]*) return 1 ;; esac; return 0; }
holds() { git rev-parse --quiet --verify "$1" >/dev/null 2>&1; }

stamp=
count=0
saved=0
saves=
updates=
newline='
'
while read -r old new ref; do
  count=$((count + 1))
  [ "$count" -le @MAX@ ] || refuse "more than @MAX@ refs in one push; push them in parts"
  [ "${#ref}" -le @LENGTH@ ] || refuse "a name of more than @LENGTH@ bytes"
  case $ref in
    refs/heads/-* | refs/heads/HEAD | refs/heads/refs/* | refs/tags/-* | refs/tags/HEAD | refs/tags/refs/*)
      refuse "the name ${ref#refs/*/} is not accepted" ;;
    refs/heads/*) name=${ref#refs/heads/}; kind=branch; tail= ;;
    refs/tags/*) name=${ref#refs/tags/}; kind=tag; tail=-tags ;;
    *) refuse "only branches and tags can be pushed, not $ref" ;;
  esac
  origin=refs/terok/upstream$tail/$name
  updates="${updates}update $old $new $ref$newline"
  is_none "$old" && continue
  if is_none "$new"; then
    holds "$origin" && refuse "the $kind $name comes from the upstream and cannot be deleted here"
  elif [ "$kind" = tag ]; then
    holds "$origin" && refuse "the tag $name comes from the upstream and cannot be moved"
  elif git merge-base --is-ancestor "$old" "$new" 2>/dev/null; then
    continue
  else
    holds "$origin" && refuse "the branch $name comes from the upstream and cannot be rewritten; push another branch"
  fi
  [ "$(git rev-parse --quiet --verify "$ref" 2>/dev/null)" = "$old" ] || refuse "$ref has moved; fetch first"
  [ -n "$stamp" ] || stamp=$(date -u +%Y%m%dT%H%M%SZ)
  backup=refs/terok/backup$tail/$name/$stamp-$(printf %.12s "$old")
  holds "$backup" && continue
  saves="${saves}create $backup $old$newline"
  saved=$((saved + 1))
done
if [ -n "${TEROK_GATE_ASK-}" ]; then
  printf 'push %s %s\n%send\n' "$saved" "${GIT_QUARANTINE_PATH-}" "$updates" >"$TEROK_GATE_ASK" ||
    refuse "the gateway is gone"
  decision=none
  exec 8<"$TEROK_GATE_ANSWER" || refuse "the gateway is gone"
  while IFS= read -r line <&8; do
    case $line in
      "say "*) printf 'terok gate: %s\n' "${line#say }" >&2 ;;
      accept | refuse) decision=$line; break ;;
    esac
  done
  exec 8<&-
  case $decision in
    accept) ;;
    refuse) exit 1 ;;
    *) refuse "the push was not inspected: the gateway gave no answer" ;;
  esac
fi
if [ -n "$saves" ]; then
  printf %s "$saves" | env -u GIT_QUARANTINE_PATH -u GIT_OBJECT_DIRECTORY -u GIT_ALTERNATE_OBJECT_DIRECTORIES \
    git update-ref -m "saved before a push" --stdin || refuse "the overwritten commits could not be saved"
fi
exit 0
"""
    )
    .replace("@MAX@", str(MAX_REFS))
    .replace("@LENGTH@", str(MAX_NAME))
)
