"""Makers of folders as programs of the field export them: small, drawn and invented, with all that is odd about each."""
