"""Golden statements: small contracts and readings with the statement each must give, figure for figure."""
