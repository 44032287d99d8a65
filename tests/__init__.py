"""What a party to a contract can rely on, checked: one folder for each package, and the oracle that judges them."""
