"""Completion for bash and zsh: the shell asks this command, with what stands before the cursor.

A script in the shell sets :data:`ASKS` and :data:`LINE` and runs ``peerkey``, which prints a line for each
candidate: ``word``, a tab, the word as it is to be typed, a tab, its line of help. ``files`` or
``directories`` alone say that names of files are wanted, which the shell completes better itself. Whatever
goes wrong, nothing is printed: somebody is in the midst of typing.
"""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from peerkey_cli.shell.candidates import Names, completions
from peerkey_cli.shell.grammar import Command, Kind
from peerkey_cli.shell.lines import LONGEST_LINE, read, written

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Set by the script in the shell, to the name of that shell.
ASKS: Final = "_PEERKEY_COMPLETE"
#: The line up to the cursor, with the command itself.
LINE: Final = "_PEERKEY_LINE"
#: At which characters bash begins a word anew, so that only what follows is to be replaced.
BREAKS: Final = "_PEERKEY_BREAKS"

#: How long the system is waited for: once for a key that was pressed, and what asks has to be loaded first.
PATIENCE_SECONDS: Final = 1.5
_QUOTES: Final = "'\""


class Shell(StrEnum):
    """The shells that there is completion for."""

    BASH = "bash"
    ZSH = "zsh"


SCRIPTS: Final[Mapping[Shell, str]] = {
    Shell.BASH: """\
# Completion of peerkey for bash.
_peerkey_completion() {
    local kind value help files=
    COMPREPLY=()
    while IFS=$'\\t' read -r kind value help; do
        case $kind in
            word) COMPREPLY+=("$value") ;;
            files) files=yes ;;
            directories) files=yes; compopt -o dirnames 2>/dev/null ;;
        esac
    done < <(_PEERKEY_COMPLETE=bash _PEERKEY_LINE="${COMP_LINE:0:COMP_POINT}" \\
        _PEERKEY_BREAKS="$COMP_WORDBREAKS" "${1/#\\~/$HOME}" 2>/dev/null)
    # Where no file is wanted none is offered.
    [[ $files ]] || compopt +o default +o bashdefault 2>/dev/null
}
# An older bash sorts by itself.
complete -o default -o bashdefault -o nosort -F _peerkey_completion peerkey 2>/dev/null ||
    complete -o default -o bashdefault -F _peerkey_completion peerkey
""",
    Shell.ZSH: """\
#compdef peerkey
# Completion of peerkey for zsh.
_peerkey() {
    local kind value help line files=
    local -a described
    line="${(j: :)words[1,CURRENT-1]} $PREFIX"
    while IFS=$'\\t' read -r kind value help; do
        case $kind in
            word) described+=("${value//:/\\\\:}:$help") ;;
            files | directories) files=$kind ;;
        esac
    done < <(_PEERKEY_COMPLETE=zsh _PEERKEY_LINE="$line" ${~words[1]} 2>/dev/null)
    if [[ $files == directories ]]; then
        _files -/
    elif [[ -n $files ]]; then
        _files
    elif (( $#described )); then
        _describe -V peerkey described
    fi
}
if [[ $funcstack[1] == _peerkey ]]; then
    _peerkey "$@"
else
    compdef _peerkey peerkey
fi
""",
}


def answer(root: Command, shell: Shell, environment: Mapping[str, str], names: Names) -> str:
    """Return what is printed for a shell that asks."""
    text = environment.get(LINE, "")
    words = read(text).words
    if len(text) > LONGEST_LINE or not words:
        return ""
    if len(words) == 1 and not text.endswith(tuple(" \t")):
        return ""
    before = text[words[1].start :] if len(words) > 1 else ""
    found = completions(root, before, names)
    if found.kind in {Kind.FILE, Kind.DIRECTORY}:
        return "directories\n" if found.kind is Kind.DIRECTORY else "files\n"
    begun = before[found.start :]
    breaks = environment.get(BREAKS, "") if shell is Shell.BASH else ""
    typed = ((_typed(each.text, begun, shell, breaks), each.help) for each in found.candidates)
    return "".join(f"word\t{word}\t{_plain(told)}\n" for word, told in typed if word is not None)


def script_places(shell: Shell, home: Path) -> tuple[Path, Path, str]:
    """Return where the script goes, the file that a shell reads at its start, and the line that it needs."""
    if shell is Shell.BASH:
        script = home / ".bash_completions" / "peerkey.sh"
        return script, home / ".bashrc", f"source '{script}'"
    return (
        home / ".zfunc" / "_peerkey",
        home / ".zshrc",
        "fpath+=~/.zfunc; autoload -Uz compinit; compinit",
    )


def install(shell: Shell, home: Path) -> tuple[Path, Path]:
    """Write the script, and the line that makes a shell read it, unless it is there; return both files.

    :raises OSError: one of them cannot be written.
    """
    from actors.whole_files import write_whole

    script, start, line = script_places(shell, home)
    script.parent.mkdir(parents=True, exist_ok=True)
    write_whole(script, (SCRIPTS[shell].encode(),), 0o644)
    try:
        there = start.read_text("utf-8", "replace")
    except FileNotFoundError:
        there = ""
    if line not in there.splitlines():
        with start.open("a", encoding="utf-8") as file:
            file.write(f"{'' if there.endswith(chr(10)) or not there else chr(10)}{line}\n")
    return script, start


def shell_in_use() -> Shell | None:
    """Return the shell from which this was started, or that of the user; ``None`` where it is another one."""
    import psutil

    known = set(map(str, Shell))
    above = [*psutil.Process().parents()[:_GENERATIONS]]
    for each in above:
        try:
            name = each.name().lstrip("-")
        except psutil.Error:
            continue
        if name in known:
            return Shell(name)
    name = Path(os.environ.get("SHELL", "")).name
    return Shell(name) if name in known else None


#: How far up a shell is looked for: behind a launcher or two.
_GENERATIONS: Final = 4


def _typed(word: str, begun: str, shell: Shell, breaks: str) -> str | None:
    """Return what stands for a word, as the shell wants it; ``None`` where it cannot be typed there."""
    if shell is Shell.ZSH:
        # It quotes by itself.
        return word
    quoted = written(word)
    if begun[:1] in _QUOTES and begun:
        return word if quoted == word else None
    kept = max(
        (begun.rfind(each) for each in breaks if each not in _QUOTES and not each.isspace()), default=-1
    )
    head = begun[: kept + 1]
    return quoted.removeprefix(head) if quoted.startswith(head) else None


def _plain(text: str) -> str:
    return " ".join(text.split())
