"""What the public sees: read from the ledger, made into documents, the same wherever it is built.

ledger           which approved renditions are public, and the number that grows with each change
edition          everything public at one such number: incidents, each with its current entries
selection        which of them one feed holds
rss, atom, jsonfeed, pages, manifest    pure: an edition in, bytes out
press            keeps the documents until the number grows; listener and mirror ask it
mirror, purges   the same documents as files, and the copies that others hold of them
"""
