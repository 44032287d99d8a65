"""A statement as people read it: plain text, a hundred characters wide."""
