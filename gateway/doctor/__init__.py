"""`fairmeter doctor`: what surrounds a gateway, looked at from where it stands, each fault with its remedy."""
