"""The contract language: from the text of a contract to its terms, or to everything that is wrong with it."""
