"""What happened, as values: audit events, alarms and counters.

The machines return them; the actors number, store and show them. Nothing here writes anything.
"""
