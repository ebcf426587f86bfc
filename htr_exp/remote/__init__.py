"""The cluster over ssh: one connection, what is sent and fetched over it, and our own tool there."""
