#!/bin/bash
# Deploys $EDGEQ_MODEL to a virtual board, with its report in $EDGEQ_OUTPUT, and compares that with a baseline: the run
# folder or report.json $EDGEQ_BASELINE; else the same model as it was at $EDGEQ_BASE_REVISION, by the same edgeq, so
# that what differs is the model's doing; with neither, with nothing. The figures are added to the file $EDGEQ_HISTORY,
# if there is to be one, and drawn. Ends with 1 where a check or the gate says no, as edgeq itself does.
set -euo pipefail

# In a container the checkout is another user's, which git wants to be told.
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'

deploy() {
  edgeq deploy --output "$1" --board "$EDGEQ_BOARD" --runner "$EDGEQ_RUNNER" --engine "$EDGEQ_ENGINE" -- "$EDGEQ_MODEL"
}

warn() {
  if [[ ${GITHUB_ACTIONS:-} == true ]]; then
    echo "::warning title=edgeq::$1"
  else
    echo "warning: $1"
  fi
}

# The baseline from an earlier commit, into the folder $1; nothing is there afterwards where that commit has no model
# that can be used.
deploy_earlier() {
  if ! git rev-parse --quiet --verify "$EDGEQ_BASE_REVISION^{commit}" > /dev/null; then
    warn 'there is no earlier commit here to compare with (a checkout needs a fetch-depth of 2 or more)'
    return
  fi
  local tree status=0
  tree=$(mktemp -d)
  git worktree add --quiet --detach "$tree/earlier" "$EDGEQ_BASE_REVISION"
  (cd "$tree/earlier" && deploy "$1") || status=$?
  git worktree remove --force "$tree/earlier"
  rmdir "$tree"
  case $status in
    0 | 1) ;; # with 1 a check of that commit said no, and its report is there
    2 | 3) warn "the earlier commit has no model that can be compared (exit code $status, see above)" ;;
    *) return "$status" ;;
  esac
}

case $EDGEQ_OUTPUT in
  '' | *[[:cntrl:]]*) echo 'error: the output is no folder that can be named' >&2; exit 2 ;;
esac
# Where the folders are of an earlier job, nothing of that is taken for this one's.
baseline=${EDGEQ_BASELINE:-$(realpath -m -- "$EDGEQ_OUTPUT.baseline")}
rm -f -- "$EDGEQ_OUTPUT"/{compare.md,compare.xml,trend.html}
if [[ -z ${EDGEQ_BASELINE:-} ]]; then
  rm -f -- "$baseline/report.json"
fi

status=0
deploy "$EDGEQ_OUTPUT" || status=$?
if ((status > 1)); then
  exit "$status" # with 1 a check said no, and the report says which
fi
if [[ -n ${GITHUB_STEP_SUMMARY:-} ]]; then
  cat "$EDGEQ_OUTPUT/report.md" >> "$GITHUB_STEP_SUMMARY"
fi

if [[ -z ${EDGEQ_BASELINE:-} && -n ${EDGEQ_BASE_REVISION:-} ]]; then
  deploy_earlier "$baseline"
fi
if [[ -n ${EDGEQ_BASELINE:-} || -e $baseline/report.json ]]; then
  options=(--markdown "$EDGEQ_OUTPUT/compare.md" --junit "$EDGEQ_OUTPUT/compare.xml")
  if [[ -n ${EDGEQ_GATE:-} ]]; then
    options+=(--gate "$EDGEQ_GATE")
  fi
  if [[ -n ${EDGEQ_HISTORY:-} ]]; then
    options+=(--history "$EDGEQ_HISTORY")
  fi
  compared=0
  edgeq compare "${options[@]}" -- "$baseline" "$EDGEQ_OUTPUT" || compared=$?
  ((status)) || status=$compared
  if [[ -n ${EDGEQ_HISTORY:-} && -e $EDGEQ_HISTORY ]]; then
    edgeq trend --output "$EDGEQ_OUTPUT/trend.html" -- "$EDGEQ_HISTORY"
  fi
fi

if [[ -n ${GITHUB_OUTPUT:-} ]]; then
  passed=true
  ((status == 0)) || passed=false
  {
    echo "report=$EDGEQ_OUTPUT"
    echo "passed=$passed"
    python3 -c 'import json, sys
latency = json.load(open(sys.argv[1], encoding="utf-8"))["latency"]
print(*(f"{key}={latency[name]}" for key, name in (("latency", "p50"), ("unit", "unit"), ("basis", "basis"))), sep="\n")
' "$EDGEQ_OUTPUT/report.json"
  } >> "$GITHUB_OUTPUT"
fi
exit "$status"
