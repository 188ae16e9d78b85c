"""The operator's commands, and the one place where the parts are put together.

Each command reads what it needs, builds the runtime and the actors, or asks a running system over its
admin API, and prints the answer for a person or, with ``--json``, for a program. A user's mistake ends in
one line on standard error that says what to do; a traceback is a bug.

Exit status: 0 done, 1 the answer is no, 2 wrong usage, 3 the system could not be reached.
"""
