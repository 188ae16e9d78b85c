"""``peerkey shell``: the command line's own words at a prompt, as on a router's console.

What decides is pure, and its tests take milliseconds:

``lines``       a line as words, quotes and pipes
``grammar``     the commands as a tree of values; where a line of words has led; abbreviations
``candidates``  what may stand next, for completion and for ``?``
``pipes``       ``| include TEXT`` and its kin
``paging``      when a screen is full

What acts is around it:

``reading``     the tree, read from typer's commands: a new command is known with no edit here
``names``       names of peers, nodes, alarms from the running system, within a bound, and of files
``history``     what was typed, in a bounded file for its owner alone
``output``      standard output of one command: filtered, paged
``executing``   one line carried out in this process, whatever it does
``prompt``      the console of a person
``script``      lines of a file
``completing``  the same completion for bash and zsh

A command is never parsed here: its words, completed, go to the same application that a command line goes to.
"""
