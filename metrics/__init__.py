"""What is counted and how it is told to the outside: one catalogue, how it leaves, and when it alerts.

``peerkey.observe`` says what happened, as values; this package gives those values the names, labels and
help texts under which they are exported. It imports :mod:`peerkey` and nothing else of ours, and it never
asks an actor for anything: actors hand it what there is to count.
"""
