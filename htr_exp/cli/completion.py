"""`completion`: prints the script that lets a shell complete our words with TAB, and answers that script."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator

from htr_exp.cli.words_to_complete import candidates
from htr_exp.core.terminal import say

SCRIPTS = {
    "bash": r"""_htr_exp() {
    mapfile -t COMPREPLY < <("${1/#~\//$HOME/}" completion answer bash -- "${COMP_LINE:0:COMP_POINT}" "$2" 2>/dev/null)
    case "${COMPREPLY[0]}" in *[=./]) compopt -o nospace ;; esac
}
complete -o default -F _htr_exp htr-exp ./htr-exp""",
    "zsh": r"""#compdef htr-exp
_htr_exp() {
    local -a found
    local line="${(j: :)words[1,CURRENT-1]} $QIPREFIX$PREFIX"
    found=("${(@f)$("${words[1]/#\~\//$HOME/}" completion answer zsh "$line" 2>/dev/null)}")
    compadd -S '' -- ${(M)found:#*[=./]}
    compadd -- ${found:#*[=./]}
}
compdef _htr_exp htr-exp ./htr-exp""",
    "fish": r"""function __htr_exp
    set -l program (string replace -r -- '^~/' "$HOME/" (commandline -op)[1])
    $program completion answer fish (commandline -cp) 2>/dev/null
end
complete -c htr-exp -f -k -a '(__htr_exp)'""",
}
"""Of each shell: it hands over the line as far as the cursor, and gets the words that may stand there, one a line.

zsh and fish quote a word themselves. bash takes it as it stands, in the place of its `$2`, which is less than a word where
that has = or @ in it.
"""

INSTALLING = {
    "bash": 'eval "$(htr-exp completion bash)"     # in ~/.bashrc',
    "zsh": 'eval "$(htr-exp completion zsh)"      # in ~/.zshrc, behind compinit',
    "fish": "htr-exp completion fish | source      # in ~/.config/fish/config.fish",
}


def run(args: argparse.Namespace) -> int:
    """Print the script of a shell, or the answer to it, or how to use both."""
    if args.shell == "answer":
        for word in answers(args.line or "", args.of or "", args.replaced):
            say(word)
    elif args.shell is not None:
        for line in SCRIPTS[args.shell].splitlines():
            say(line)
    else:
        say("To complete verbs, groups, choices, keys and names of runs with TAB, write one of these lines:")
        for line in INSTALLING.values():
            say(f"  {line}")
    return 0


def answers(line: str, shell: str, replaced: str | None = None) -> Iterator[str]:
    """The words that may stand where a line ends, as its shell takes them.

    Args:
        line: the command line as far as the cursor, with the program's name.
        shell: bash, zsh or fish.
        replaced: the end of the line in whose place bash puts a word.
    """
    (*before, typed), quote = _words(line)
    end = typed if replaced is None else replaced if quote else _words(replaced)[0][-1]
    kept = len(typed) - len(end) if typed.endswith(end) else 0
    for word in dict.fromkeys(candidates(before[1:], typed)):
        if word.startswith(typed) and word.isprintable():
            yield _for_bash(word[kept:], quote) if shell == "bash" else word


def _words(line: str) -> tuple[list[str], str]:
    """The words of a line, the last of which is being typed ("" behind a blank), and the quote that is open at its end."""
    for closing in ("", "'", '"'):
        try:
            words = shlex.split(line + closing)
        except ValueError:  # another quote is open
            continue
        begins = not words or (not closing and re.search(r"(?<!\\)\s$", line))
        return [*words, ""] if begins else words, closing
    return [""], ""


def _for_bash(word: str, quote: str) -> str:
    """A word as it is typed behind what stands there, within a quote that is open or none."""
    if quote == "'":
        return word.replace("'", r"'\''")
    return re.sub(r'(["$`\\])' if quote else r"([^\w@%+=:,./~-])", r"\\\1", word)
