# Shared by the scripts: where the tree is, how progress looks, how long each step took.
# Sourced, never run. Thread: one shell.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
steps_done=()   # "seconds name" of each finished step.

say() { printf '==> %s\n' "$*"; }

fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# step NAME COMMAND...: runs the command, shows how long it took, returns its exit code.
step() {
  local name=$1 start=$SECONDS code=0
  shift
  say "$name"
  "$@" || code=$?
  steps_done+=("$((SECONDS - start)) $name")
  if [ "$code" -eq 0 ]; then
    printf '    %s: %d s\n' "$name" "$((SECONDS - start))"
  else
    printf '    %s: FAILED with code %d after %d s\n' "$name" "$code" "$((SECONDS - start))"
  fi
  return "$code"
}

# logged FILE COMMAND...: what the command prints goes to the file.
logged() {
  local file=$1
  shift
  "$@" >"$file" 2>&1
}

print_timings() {
  local entry
  printf '\nTime of each step:\n'
  for entry in "${steps_done[@]}"; do printf '  %5d s  %s\n' "${entry%% *}" "${entry#* }"; done
}

# What ccache must know, here because ninja is called without the preset's environment: the same
# source in another folder is the same source.
export CCACHE_SLOPPINESS=pch_defines,time_macros CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=1

# configure PRESET [CMAKE OPTION...]: only if needed; quiet unless it fails.
configure() {
  local preset=$1 log="$root/build/$1/configure.log"
  shift
  mkdir -p "$root/build/$preset"
  (cd "$root" && cmake --preset "$preset" "$@") >"$log" 2>&1 && return 0
  cat "$log" >&2
  return 1
}

# build PRESET TARGET...: with Ninja's one-line progress on a terminal, else a line per tenth.
build() {
  local preset=$1
  shift
  if [ -t 1 ]; then
    ninja -C "$root/build/$preset" "$@"
    return
  fi
  NINJA_STATUS='[%f/%t] ' ninja -C "$root/build/$preset" "$@" 2>&1 | awk '
    match($0, /^\[[0-9]+\/[0-9]+\]/) {
      split(substr($0, 2, RLENGTH - 2), at, "/")
      tenth = int(10 * at[1] / at[2])
      if (tenth > last) { printf "    %d of %d\n", at[1], at[2]; last = tenth; fflush() }
      if ($0 !~ /FAILED/) next
    }
    { print; fflush() }'
  return "${PIPESTATUS[0]}"
}
