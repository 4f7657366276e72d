"""Dead letters: what they are, which are asked for, and how they go back."""
