"""What the commands of `attnseg` do."""
