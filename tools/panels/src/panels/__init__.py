"""The dashboards on real data: whether every panel has some, and pictures of them."""
