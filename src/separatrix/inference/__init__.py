"""What a fit lets one conclude, and when there is none to conclude from."""
