"""The pure core: from the text of a contract and the readings of its devices to a statement.

Nothing here knows a clock, a network, a file or a database; what goes in decides what comes out, on any machine.
"""
