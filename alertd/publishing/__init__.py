"""What the public sees: read from the ledger, made into documents, the same wherever it is built.

ledger      which approved renditions are public now, and the number that grows with each change
edition     everything public at one such number, opened and ordered: incidents, entries
rss, jsonfeed, geojson, pages, manifest      pure: an edition in, bytes out
press       keeps the documents until the number grows; the listener and the mirror ask it
"""
