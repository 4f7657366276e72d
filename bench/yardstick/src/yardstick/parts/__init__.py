"""What the goals are made of: each part has sides that are measured in the same rounds, and goals that compare them."""
