"""Pure decisions about where a server goes. Does no I/O."""
