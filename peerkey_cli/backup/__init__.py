"""Backups of a state directory: made, sealed, checked and restored.

=================  =================================================================================
``sealing``        the sealed stream: a passphrase, chunks that are authenticated one by one
``entries``        what is in it: a manifest, records, files, and an end
``passphrases``    where the passphrase comes from, and which is good enough
``gathering``      from a state directory, whose system may be running, to entries
``staging``        from entries to a fresh directory beside the one that is there
``restoring``      puts that directory in the place of the other, whole or not at all
=================  =================================================================================

``docs/formats/backup.md`` is the format; ``docs/guides/backup.md`` is for operators.
"""
