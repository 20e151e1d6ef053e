"""What the command shows: one summary, drawn in the terminal and as one HTML file."""
