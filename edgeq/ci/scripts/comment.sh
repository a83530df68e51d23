#!/bin/bash
# Writes what `edgeq compare` found, one file compare.md a folder of $EDGEQ_FOUND, into one comment of pull request
# $EDGEQ_PULL_REQUEST: a new one the first time, the same one from then on.
set -euo pipefail

marker='<!-- written by edgeq -->'
files=("$EDGEQ_FOUND"/*/compare.md)
if [[ ! -e ${files[0]} ]]; then
  echo 'nothing was compared: no comment'
  exit 0
fi
comment=$(mktemp)
printf '%s\n' "$marker" | cat - "${files[@]}" > "$comment.whole"
head -c 60000 "$comment.whole" | iconv -c -f utf-8 -t utf-8 > "$comment" # GitHub takes 65536 characters

comments="repos/$GITHUB_REPOSITORY/issues/$EDGEQ_PULL_REQUEST/comments"
mine=".[] | select(.user.type == \"Bot\" and (.body | startswith(\"$marker\"))) | .id"
earlier=$(gh api --paginate "$comments" --jq "$mine")
earlier=${earlier%%$'\n'*}
if [[ -n $earlier ]]; then
  gh api --silent --method PATCH "repos/$GITHUB_REPOSITORY/issues/comments/$earlier" --field "body=@$comment"
else
  gh api --silent --method POST "$comments" --field "body=@$comment"
fi
