"""The operations of the server, a file for each kind of thing."""
