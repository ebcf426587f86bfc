# shellcheck shell=sh
# A `module` command as the init file of a module system defines it, in the shell that reads this file. FAKE_MODULES says which
# one it imitates, in its words, its exit codes and the variables that it sets:
#   em5   Environment Modules 5.2.0, as recorded from it
#   em3   Environment Modules 3.2: a load that fails ends with 0
#   lmod  Lmod 8.6.19, as recorded from it; -t avail lists folders of modules, too, and what it lists ends with 0,
#         and LMOD_REDIRECT=yes has it print that to its standard output
#   idle  one whose load says nothing, does nothing and ends with 0
#   hung  one that does not answer
# It reads the simplest of modulefiles: lines of setenv, prepend-path, puts stderr, puts stdout and error, values in double
# quotes or without spaces; what `puts stdout` says is a command for the shell, as in the real ones.
export MODULEPATH="${MODULEPATH:-}" LOADEDMODULES="${LOADEDMODULES:-}"

_fake_missing() {
  case $FAKE_MODULES in
    em5) echo "ERROR: Unable to locate a modulefile for '$1'" >&2; return 1 ;;
    em3) echo "ModuleCmd_Load.c(213):ERROR:105: Unable to locate a modulefile for '$1'" >&2; return 0 ;;
    lmod) printf 'Lmod has detected the following error: The following module(s) are unknown:\n"%s"\n\n' "$1" >&2
      printf 'Please check the spelling or version number. Also try "module spider ..."\n' >&2; return 1 ;;
  esac
}

_fake_broken() { # NAME WORDS
  case $FAKE_MODULES in
    em5) printf 'Loading %s\n  Module ERROR: %s\n        while executing\n    "error"\n' "$1" "$2" >&2; return 1 ;;
    em3) printf '%s(2):ERROR:102: Tcl command execution failed: %s\n\n' "$1" "$2" >&2; return 0 ;;
    lmod) printf 'Lmod has detected the following error: %s\n' "$2" >&2
      printf 'While processing the following module(s):\n    Module fullname  Module Filename\n' >&2; return 1 ;;
  esac
}

_fake_file() { # NAME: sets found and name
  found=
  _ifs=$IFS; IFS=:
  for _folder in $MODULEPATH; do
    if [ -f "$_folder/$1" ]; then found=$_folder/$1 name=$1; break; fi
    if [ -d "$_folder/$1" ]; then # the last version, as without a default
      for found in "$_folder/$1"/*; do name=$1/${found##*/}; done
      break
    fi
  done
  IFS=$_ifs
  [ -n "$found" ]
}

_fake_load() { # NAME
  if ! _fake_file "$1"; then _fake_missing "$1"; return; fi
  while read -r _word _first _rest; do
    _rest=${_rest#\"}; _rest=${_rest%\"}
    case $_word in
      setenv) export "$_first=$_rest" ;;
      prepend-path) eval "export $_first=\"\$_rest\${$_first:+:\$$_first}\"" ;;
      puts) if [ "$_first" = stderr ]; then echo "$_rest" >&2; else eval "$_rest"; fi ;;
      error) _fake_broken "$1" "$_first $_rest"; return ;;
    esac
  done <"$found"
  export LOADEDMODULES="${LOADEDMODULES:+$LOADEDMODULES:}$name"
}

_fake_avail() { # PATTERN
  _ifs=$IFS; IFS=:
  for _folder in $MODULEPATH; do
    echo "$_folder:" >&2
    for _name in "$_folder"/*; do
      _name=${_name##*/}
      case $_name in *"$1"*) ;; *) continue ;; esac
      [ "$FAKE_MODULES" != lmod ] || echo "$_name/" >&2
      for _version in "$_folder/$_name"/*; do
        _version=${_version##*/}
        [ "$_version" != 4.3.13 ] || [ "$FAKE_MODULES" = lmod ] || _version="4.3.13(default)"
        echo "$_name/$_version" >&2
      done
    done
  done
  IFS=$_ifs
}

module() {
  [ "$FAKE_MODULES" != hung ] || sleep 60
  case $1 in
    use) MODULEPATH=$2${MODULEPATH:+:$MODULEPATH} ;;
    load) [ "$FAKE_MODULES" = idle ] || _fake_load "$2" ;;
    -t) if [ "${LMOD_REDIRECT:-no}" = yes ]; then _fake_avail "$3" 2>&1; else _fake_avail "$3"; fi ;;
    --version)
      case $FAKE_MODULES in
        em5) echo "Modules Release 5.2.0 (2022-11-08)" >&2 ;;
        em3) printf '\n\tModules Release 3.2.10 2012-12-21 (Copyright GNU GPL v2 1991):\n' >&2 ;;
        lmod) printf '\nModules based on Lua: Version 8.6.19  2022-04-16 13:46 -05:00\n    by Robert McLay\n\n' >&2 ;;
      esac ;;
  esac
}
