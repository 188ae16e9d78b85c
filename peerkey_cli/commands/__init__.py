"""The commands, a module for each command or group of commands.

A module has ``register(app)``. At its head it imports what the command line's signature needs; everything
else is imported by the function that runs, because most of it takes longer to load than to use.
"""
