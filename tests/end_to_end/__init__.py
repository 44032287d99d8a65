"""The whole line as its users meet it: a real broker, a real gateway, real files, and commands as people type them."""
